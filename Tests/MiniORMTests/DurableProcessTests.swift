import Foundation
import Synchronization
import TestSupport
import Testing

@testable import MiniORM
@testable import StoreCrashHelper

/// The store in a directory and other processes: those that are killed, and those that want the directory too.
@Suite struct DurableProcessTests {
    typealias Random = InMemoryStoreTests.Random

    private static var helper: URL {
        get throws {
            let places: [String?] = [CommandLine.arguments.first, Bundle.main.executablePath, Bundle.main.bundlePath]
            let beside = places.compactMap { $0 }.map {
                URL(fileURLWithPath: $0).deletingLastPathComponent().appendingPathComponent("StoreCrashHelper")
            }
            return try #require(beside.first { FileManager.default.isExecutableFile(atPath: $0.path) })
        }
    }

    private static func start(
        _ arguments: [String], in folder: String? = nil
    ) throws -> (Process, output: FileHandle, input: FileHandle) {
        let process = Process()
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        process.executableURL = try helper
        process.arguments = arguments
        let (output, input) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardInput = input
        try process.run()
        return (process, output.fileHandleForReading, input.fileHandleForWriting)
    }

    /// Killed 240 times in all, while opening, writing and making checkpoints; each process goes on where the one before
    /// was killed. What was acknowledged is there, and at most one call more, whole.
    @Test(arguments: [0, 1, 2, 3]) func aKillAtAnyMomentLosesNothing(seed: UInt64) throws {
        let folder = try SavingTests.Folder()
        let directory = folder.path("store")
        var random = Random(state: UInt64.random(in: 0...UInt64.max) ^ seed)
        let model = ModelVectorStore()
        let create = CreateCollectionRequest(
            collection: CollectionDescription(name: "crash", dimension: 20, metric: .l2), mode: .ensure)
        try model.createCollection(create)
        var done = 0
        for round in 0..<60 {
            let mode = round % 2 == 0 ? "never" : "always"
            let (writer, output, _) = try Self.start(["write", directory, "\(done)", mode])
            var text = Data()
            if round % 6 == 5 {
                usleep(UInt32.random(in: 0...20_000, using: &random))
            } else {
                let wanted = Int.random(in: 5...1500, using: &random)
                while text.count < wanted {
                    let more = output.availableData
                    if more.isEmpty { break }
                    text += more
                }
            }
            kill(writer.processIdentifier, SIGKILL)
            text += try output.readToEnd() ?? Data()
            writer.waitUntilExit()
            try #require(writer.terminationReason == .uncaughtSignal)
            let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
            let acknowledged = lines.last.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? done
            while done < acknowledged {
                try StoreCrashHelper.call(done, model)
                done += 1
            }
            let store = try InMemoryVectorStore(at: directory, readOnly: round % 3 == 0)
            if try store.describeCollection("crash") == nil {
                // Killed before the collection was there, which nobody had acknowledged.
                #expect(done == 0 && lines.isEmpty)
                continue
            }
            let found = try DurableStoreTests.sorted(store, "crash")
            if try found == DurableStoreTests.sorted(model, "crash") { continue }
            try StoreCrashHelper.call(done, model)
            done += 1
            let isOneMore = try found == DurableStoreTests.sorted(model, "crash")
            try #require(isOneMore, "round \(round), after \(acknowledged) acknowledged calls")
        }
        #expect(done > 100)
    }

    /// A second writer, in this process or another, is told who has the directory; a reader sees the moment of its opening.
    @Test func oneWritesAndOthersRead() throws {
        let folder = try SavingTests.Folder()
        let directory = folder.path("store")
        expect(.unavailable) { _ = try InMemoryVectorStore(at: directory, readOnly: true) }
        let store = try InMemoryVectorStore(at: directory)
        try store.createCollection(DurableStoreTests.collection)
        try DurableFaultTests.call(1, store)
        let here = expect(.unavailable) { _ = try InMemoryVectorStore(at: directory) }
        #expect(here?.message.contains("another store of this process") == true)
        let reader = try InMemoryVectorStore(at: directory, readOnly: true)
        let before = try DurableFaultTests.contents(reader)
        #expect(try before == DurableFaultTests.contents(store))
        try DurableFaultTests.call(2, store)
        try store.checkpoint()
        try DurableFaultTests.call(5, store)
        try store.checkpoint()
        #expect(try DurableFaultTests.contents(reader) == before)
        #expect(
            try DurableFaultTests.contents(InMemoryVectorStore(at: directory, readOnly: true))
                == DurableFaultTests.contents(store))
        for write in [
            { try DurableFaultTests.call(1, reader) }, { try DurableFaultTests.call(3, reader) },
            { try reader.dropCollection("c") }, { try reader.checkpoint() },
            { try DurableFaultTests.call(7, reader) }, { try DurableFaultTests.call(4, reader) },
        ] { expect(.unauthorized) { try write() } }
        try reader.createCollection(DurableStoreTests.collection)

        try store.close()
        expect(.unavailable) { try DurableFaultTests.call(1, store) }
        let read = try DurableFaultTests.contents(store)
        let (holder, output, input) = try Self.start(["hold", directory])
        #expect(output.availableData == Data("open\n".utf8))
        let there = expect(.unavailable) { _ = try InMemoryVectorStore(at: directory) }
        #expect(there?.message.contains("process \(holder.processIdentifier)") == true)
        #expect(try DurableFaultTests.contents(InMemoryVectorStore(at: directory, readOnly: true)) == read)
        try input.close()
        holder.waitUntilExit()
        _ = try InMemoryVectorStore(at: directory)
    }

    /// A relative path is that of the moment of opening: where the process goes then, and makes checkpoints, is of no
    /// matter.
    @Test func aStoreStaysWhereItWasOpened() throws {
        let folder = try SavingTests.Folder()
        let (process, _, _) = try Self.start(["wander", "store", "60"], in: folder.url.path)
        process.waitUntilExit()
        try #require(process.terminationReason == .exit && process.terminationStatus == 0)
        let model = ModelVectorStore()
        try model.createCollection(
            CreateCollectionRequest(
                collection: CollectionDescription(name: "crash", dimension: 20, metric: .l2), mode: .ensure))
        for number in 0..<60 { try StoreCrashHelper.call(number, model) }
        let store = try InMemoryVectorStore(at: folder.path("store"))
        #expect(try DurableStoreTests.sorted(store, "crash") == DurableStoreTests.sorted(model, "crash"))
    }
}
