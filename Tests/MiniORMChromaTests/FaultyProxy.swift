#if Chroma
import Foundation
import MiniORM
import MiniORMChroma
import Testing

/// A process of these tests.
final class Child {
    let process = Process()
    let output = Pipe()

    init(_ program: String, _ arguments: [String], readsOutput: Bool = false) throws {
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = readsOutput ? output : FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    func kill() {
        guard process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    func firstLine() -> String {
        String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    deinit { kill() }
}

/// `faulty_proxy.py` in front of the real server, as long as it is held.
final class FaultyProxy {
    let child: Child
    let port: Int

    /// - Parameter faults: Faults and options, as the script takes them.
    init(_ faults: [String]) throws {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "faulty_proxy.py")
        let upstream = try ChromaServer.url().replacingOccurrences(of: "chroma://", with: "")
        child = try Child("/usr/bin/env", ["python3", script.path, upstream] + faults, readsOutput: true)
        port = try #require(Int(child.firstLine()), "the proxy did not start")
    }

    func store(_ change: (inout ChromaConfiguration) -> Void = { _ in }) throws -> ChromaVectorStore {
        var configuration = ChromaConfiguration(host: "127.0.0.1", port: port)
        change(&configuration)
        return try ChromaVectorStore(configuration)
    }

    /// A request that the proxy got.
    struct Entry: Decodable {
        var method: String
        var path: String
        var connection: Int
        var length: Int
        var body: String
        var upserts: Int
    }

    /// What it was asked so far.
    func log() throws -> [Entry] {
        let curl = try Child("/usr/bin/env", ["curl", "-s", "http://127.0.0.1:\(port)/log"], readsOutput: true)
        return try JSONDecoder().decode([Entry].self, from: curl.output.fileHandleForReading.readDataToEndOfFile())
    }
}
#endif
