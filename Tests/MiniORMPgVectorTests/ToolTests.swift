#if PgVector
import Foundation
import Testing

/// The command line tool on PostgreSQL: what it does on a store in a file.
@Suite(.serialized, .dropsSchemas) struct ToolTests {
    private struct Outcome: Equatable {
        var status: Int32
        var output: String
        var errors: String
    }

    /// The program, which is built beside the tests.
    private static let path: String = {
        #if os(macOS)
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") } ?? Bundle.main
        return bundle.bundleURL.deletingLastPathComponent().appendingPathComponent("mini-orm").path
        #else
        return URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("mini-orm").path
        #endif
    }()

    private let folder = FileManager.default.temporaryDirectory.appending(path: "mini-orm-\(UUID())")

    private func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let files = ["out", "err"].map { folder.appending(path: $0) }
        for file in files { try Data().write(to: file) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: files[0])
        process.standardError = try FileHandle(forWritingTo: files[1])
        try process.run()
        process.waitUntilExit()
        let texts = try files.map { try String(contentsOf: $0, encoding: .utf8) }
        return Outcome(status: process.terminationStatus, output: texts[0], errors: texts[1])
    }

    @Test(arguments: Server.both)
    func theToolDoesOnPostgreSQLWhatItDoesElsewhere(_ server: Server) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let lines = folder.appending(path: "three.jsonl")
        try Data(
            """
            {"id": "a", "vector": [1, 0], "payload": {"pos": "verb", "links": 7}}
            {"id": "b", "vector": [-1, 0], "payload": {"pos": "noun", "links": 2.5}}
            {"id": "c", "vector": [0, 1]}

            """.utf8
        ).write(to: lines)
        let commands: [(String, [String])] = [
            ("import", [lines.path]), ("count", []), ("count", ["--filter", #"pos == "verb" && links >= 5"#]),
            ("describe", ["--json"]), ("query", ["--vector", "[1, 0]", "--json"]),
            ("query", ["--like", "a", "--json"]),
            ("query", ["--vector", "[1, 0]"]), ("fetch", ["c", "a"]), ("export", ["-"]), ("delete", ["b"]),
            ("delete", ["--filter", #"pos == "verb""#]), ("count", []), ("query", ["--vector", "[1, 2, 3]"]),
            ("fetch", ["a"]), ("drop", ["--yes"]), ("count", []),
        ]
        try server.withDatabase { address in
            let stores = ["file:" + folder.appending(path: "store.db").path, address]
            for (command, rest) in commands {
                let outcomes = try stores.map { store in
                    try run([command, "--store", store, "--collection", "three"] + rest)
                }
                #expect(outcomes[0].status == outcomes[1].status, "\(command): \(outcomes[1].errors)")
                // How long it took, and what the two stores can do, differ.
                let outputs = outcomes.map {
                    $0.output.replacing(#/ in [0-9.]+ .*/#, with: "").replacing(#/, "store": .*/#, with: "")
                }
                #expect(outputs[0] == outputs[1], "\(command)")
                #expect(outcomes[0].errors.isEmpty == outcomes[1].errors.isEmpty, "\(command): \(outcomes[1].errors)")
            }
            let listed = try run(["collections", "--store", address])
            #expect(listed.status == 0, "\(listed.errors)")
            let check = try run(["check", "--store", address])
            #expect(check.status == 0, "\(check.output) \(check.errors)")
        }
    }

    /// A service, in a file or by the environment, may name a server on another machine: its certificate is checked.
    @Test func aServiceOnAnotherMachineIsChecked() throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let url = try #require(URL(string: try Server.pg18.address()))
        let port = try #require(url.port)
        let file = folder.appending(path: "services.conf")
        try Data(
            """
            [remote]
            host=db.example.com
            hostaddr=127.0.0.1
            port=\(port)

            [told]
            host=db.example.com
            hostaddr=127.0.0.1
            port=\(port)
            sslmode=disable

            [local]
            host=127.0.0.1
            port=\(port)

            """.utf8
        ).write(to: file)
        let password = try #require(url.password)
        let environment = ["PGSERVICEFILE": file.path, "PGPASSWORD": password]
        func list(_ service: String, byName: Bool) throws -> Outcome {
            let address = "postgres://postgres@/postgres" + (byName ? "" : "?service=\(service)")
            return try run(
                ["collections", "--store", address],
                environment: environment.merging(byName ? ["PGSERVICE": service] : [:]) { $1 })
        }
        for byName in [false, true] {
            let refused = try list("remote", byName: byName)
            #expect(refused.status == 1)
            #expect(refused.errors.contains("sslmode"), "\(refused.errors)")
            for service in ["told", "local"] {
                let outcome = try list(service, byName: byName)
                #expect(outcome.status == 0, "\(service): \(outcome.errors)")
            }
        }
    }
}
#endif
