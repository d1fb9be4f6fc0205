#if Faiss
import Foundation
import MiniORM
import MiniORMFaiss
import Testing

/// Processes that are killed while they write.
@Suite struct CrashTests {
    private var helper: URL {
        get throws {
            let name = "FaissCrashHelper"
            let places = [CommandLine.arguments.first, Bundle.main.executablePath, Bundle.main.bundlePath].compactMap {
                $0
            }
            let beside = places.map {
                URL(fileURLWithPath: $0).deletingLastPathComponent().appendingPathComponent(name)
            }
            return try #require(beside.first { FileManager.default.isExecutableFile(atPath: $0.path) })
        }
    }

    private func run(_ arguments: [String]) throws -> Process {
        let process = Process()
        process.executableURL = try helper
        process.arguments = arguments
        return process
    }

    @Test func `a kill at any moment leaves what was acknowledged, or one call more`() throws {
        var random = Seeded(UInt64.random(in: 0...UInt64.max))
        for _ in 0..<30 {
            let directory = TemporaryDirectory()
            let writer = try run(["write", directory.path])
            let output = Pipe()
            writer.standardOutput = output
            try writer.run()
            // So many bytes of acknowledgements, then the kill: it meets the process wherever it is.
            var acknowledged = Data()
            let wanted = Int.random(in: 1...3_000, using: &random)
            while acknowledged.count < wanted {
                let more = output.fileHandleForReading.availableData
                if more.isEmpty { break }
                acknowledged += more
            }
            kill(writer.processIdentifier, SIGKILL)
            acknowledged += try output.fileHandleForReading.readToEnd() ?? Data()
            writer.waitUntilExit()
            #expect(writer.terminationReason == .uncaughtSignal)
            let lines = acknowledged.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
            let count = lines.last.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
            let checker = try run(["check", directory.path, "\(count)"])
            try checker.run()
            checker.waitUntilExit()
            #expect(checker.terminationStatus == 0, "after \(count) acknowledged calls")
        }
    }
}
#endif
