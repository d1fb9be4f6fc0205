#if Faiss
import Foundation
import MiniORM
import Synchronization
import Testing

@testable import MiniORMFaiss

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

    @Test func `a kill while an index is saved leaves the records, and the index before it or a whole new one`() throws
    {
        var random = Seeded(UInt64.random(in: 0...UInt64.max))
        let configuration = FaissConfiguration(index: .hnsw(m: 16, efConstruction: 40))
        var reloaded = 0
        for _ in 0..<15 {
            let directory = TemporaryDirectory()
            let writer = try run(["save", directory.path])
            let output = Pipe()
            writer.standardOutput = output
            try writer.run()
            // So many lines, each just before a save; then some way into that one.
            var acknowledged = Data()
            let wanted = Int.random(in: 1...4, using: &random)
            while acknowledged.count(where: { $0 == UInt8(ascii: "\n") }) < wanted {
                let more = output.fileHandleForReading.availableData
                if more.isEmpty { break }
                acknowledged += more
            }
            usleep(useconds_t.random(in: 0...6_000, using: &random))
            kill(writer.processIdentifier, SIGKILL)
            acknowledged += try output.fileHandleForReading.readToEnd() ?? Data()
            writer.waitUntilExit()
            #expect(writer.terminationReason == .uncaughtSignal)
            let lines = acknowledged.split(separator: UInt8(ascii: "\n"))
            let least = try #require(lines.last.flatMap { Int(String(decoding: $0, as: UTF8.self)) })
            let store = try FaissVectorStore(directory: directory.path, configuration: configuration)
            let count = try store.count(CountRequest(collection: "graph"))
            #expect([least, least + 100].contains(count))
            let slot = store.catalogue.contents.withLock { $0.slots[UTF8Key("graph")] }
            if slot?.collection?.writer.withLock({ $0.savedRows }) ?? 0 > 0 { reloaded += 1 }
            try store.waitForIndexes()
            #expect(slot?.collection?.state.read { $0.indexed } == count)
            for record in try store.all("graph").shuffled(using: &random).prefix(50) {
                let request = QueryRequest(
                    collection: "graph", vector: record.vector, options: QueryOptions(topK: 1))
                #expect(try store.query(request).first?.id == record.id)
            }
            try store.close()
            let drafts = try directory.files("graph", "draft-")
            #expect(drafts == [])
        }
        #expect(reloaded > 0, "no saved index was read again")
    }

    @Test func `a directory is one process's at a time, or many that only read`() throws {
        let directory = TemporaryDirectory()
        func status(_ arguments: String...) throws -> Int32 {
            let process = try run(["open", directory.path] + arguments)
            try process.run()
            process.waitUntilExit()
            return process.terminationStatus
        }
        let writer = try FaissVectorStore(directory: directory.path)
        #expect(try status() == 3)
        #expect(try status("read") == 3)
        try writer.close()
        #expect(try status() == 0)
        let reader = try FaissVectorStore(directory: directory.path, readOnly: true)
        #expect(try status() == 3)
        #expect(try status("read") == 0)
        try reader.close()
        #expect(try status() == 0)
    }
}
#endif
