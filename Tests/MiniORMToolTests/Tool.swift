import Foundation
import MiniORM
import Testing

/// The built program, run as a user runs it.
enum Tool {
    /// What a run left behind.
    struct Outcome {
        var status: Int32
        var output: String
        var errors: String

        /// The lines of standard output.
        var lines: [String] { output.split(separator: "\n").map(String.init) }
    }

    /// The program, which is built beside the tests.
    static let path: String = {
        #if os(macOS)
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") } ?? Bundle.main
        return bundle.bundleURL.deletingLastPathComponent().appendingPathComponent("mini-orm").path
        #else
        let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let beside = tests.deletingLastPathComponent().appendingPathComponent("mini-orm")
        if FileManager.default.isExecutableFile(atPath: beside.path) { return beside.path }
        return URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("mini-orm").path
        #endif
    }()

    /// The folder of the sample that ships with the program.
    static let sample = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Sources/mini-orm/Sample").path

    /// A process that has not started.
    static func process(_ arguments: [String], environment: [String: String] = [:], in folder: String? = nil) -> Process
    {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        var variables = ProcessInfo.processInfo.environment
        variables["MINIORM_STORE"] = nil
        process.environment = variables.merging(environment) { $1 }
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        return process
    }

    /// Runs the program to its end. Its output goes to files, which cannot fill up as a pipe does.
    static func run(
        _ arguments: String..., input: String? = nil, environment: [String: String] = [:], in folder: String? = nil
    ) throws -> Outcome {
        try run(process(arguments, environment: environment, in: folder), input: input)
    }

    /// Runs a process to its end.
    static func run(_ process: Process, input: String? = nil) throws -> Outcome {
        let scratch = try Scratch()
        let files = try ["in", "out", "err"].map { name in
            try scratch.write(name, name == "in" ? input ?? "" : "")
        }
        process.standardInput = FileHandle(forReadingAtPath: files[0])
        process.standardOutput = FileHandle(forWritingAtPath: files[1])
        process.standardError = FileHandle(forWritingAtPath: files[2])
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: try String(contentsOfFile: files[1], encoding: .utf8),
            errors: try String(contentsOfFile: files[2], encoding: .utf8))
    }
}

/// A folder that is gone with the test.
final class Scratch {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("mini-orm-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A path in the folder.
    func file(_ name: String) -> String { path + "/" + name }

    /// Writes a file.
    func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

    /// Writes a file.
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
        return file(name)
    }

    /// The names of what is in the folder.
    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

    /// Three records of two dimensions, in a store.
    func threeRecords() throws -> String {
        let file = try write(
            "three.jsonl",
            """
            {"id": "a", "vector": [1, 0], "payload": {"pos": "verb", "links": 7}}
            {"id": "b", "vector": [0.8, 0.6], "payload": {"pos": "noun", "links": 2.5}}
            {"id": "c", "vector": [0, 1]}

            """)
        let store = "file:" + self.file("three.db")
        let outcome = try Tool.run("import", "--store", store, "--collection", "three", file)
        try #require(outcome.status == 0, "\(outcome.errors)")
        return store
    }
}

/// NumPy files.
enum Numpy {
    /// A file of version 1 around a header's text.
    static func file(header: String, body: [UInt8] = [], version: UInt8 = 1) -> [UInt8] {
        let text = Array(header.utf8) + [0x0A]
        let length = UInt32(text.count)
        let size = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
        return [0x93] + Array("NUMPY".utf8) + [version, 0] + size + text + body
    }

    /// Rows as float32.
    static func file(_ rows: [[Float]], version: UInt8 = 1) -> [UInt8] {
        let body = rows.joined().flatMap { value in
            (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
        }
        let shape = "(\(rows.count), \(rows.first?.count ?? 0))"
        return file(
            header: "{'descr': '<f4', 'fortran_order': False, 'shape': \(shape), }", body: body, version: version)
    }

    /// Rows as float64.
    static func wide(_ rows: [[Double]]) -> [UInt8] {
        let body = rows.joined().flatMap { value in
            (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
        }
        let shape = "(\(rows.count), \(rows.first?.count ?? 0))"
        return file(header: "{'descr': '<f8', 'fortran_order': False, 'shape': \(shape), }", body: body)
    }
}
