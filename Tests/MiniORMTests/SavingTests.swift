import Foundation
import Synchronization
import TestSupport
import Testing

@testable import MiniORM

/// The contract's section 6 for files: damage is `corruptedStorage`, never a trap, and what was there stays.
@Suite struct SavingTests {
    /// A directory of its own for each test.
    final class Folder: Sendable {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("mini-orm-\(UUID().uuidString)")
        init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(at: url) }
        func path(_ name: String) -> String { url.appendingPathComponent(name).path }
        var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? [] }
    }

    static func sample() throws -> InMemoryVectorStore {
        let store = InMemoryVectorStore()
        let first = try VectorRepository(store, "first", dimension: 3)
        try first.upsert([
            VectorRecord(id: "caf\u{E9}", vector: [1, 2, 3], payload: [:]),
            VectorRecord(id: "cafe\u{301}", vector: [0, 0, 0]),
            VectorRecord(
                id: "all", vector: [1e30, -0.0, .leastNonzeroMagnitude],
                payload: [
                    "null": nil, "yes": true, "no": false, "one": 1, "real": 1.0, "least": .int(.min),
                    "most": .int(.max),
                    "text": "a\u{301}\n", "empty": "", "list": [1, [2.5, "x"], [:]], "map": ["a": ["b": nil], "": 0],
                ]),
            VectorRecord(id: "gone", vector: [1, 1, 1]),
        ])
        try first.delete(["gone"])
        let second = try VectorRepository(store, "zwei \u{1F600}", dimension: 17, metric: .l2)
        try second.upsert((0..<5).map { VectorRecord(id: "r\($0)", vector: [Float](repeating: Float($0), count: 17)) })
        _ = try VectorRepository(store, "empty", dimension: 1, metric: .dot)
        return store
    }

    static func contents(_ store: InMemoryVectorStore) throws -> [String: [VectorRecord]] {
        var contents: [String: [VectorRecord]] = [:]
        for name in try store.listCollections() {
            let description = try #require(try store.describeCollection(name))
            contents["\(name) \(description.dimension) \(description.metric)"] =
                try store.fetch(FetchRequest(collection: name, ids: nil)).sorted { UTF8Key($0.id) < UTF8Key($1.id) }
        }
        return contents
    }

    @Test func whatIsOpenedIsWhatWasSaved() throws {
        let folder = try Folder()
        let store = try Self.sample()
        try store.save(to: folder.path("a"))
        let opened = try InMemoryVectorStore(opening: folder.path("a"))
        #expect(try Self.contents(opened) == Self.contents(store))
        let request = QueryRequest(collection: "first", vector: [1, 2, 2], options: QueryOptions(topK: 9))
        #expect(try opened.query(request) == store.query(request))
        // Equal stores have equal files; saving over the file that is open is fine, and so is writing on.
        try opened.save(to: folder.path("b"))
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: folder.path("a")))
                == Data(contentsOf: URL(fileURLWithPath: folder.path("b"))))
        let repository = try VectorRepository(opened, "first", dimension: 3)
        try repository.upsert((0..<200).map { VectorRecord(id: "new\($0)", vector: [Float($0), 1, 0]) })
        try repository.delete(["all"])
        try opened.save(to: folder.path("a"))
        #expect(try Self.contents(InMemoryVectorStore(opening: folder.path("a"))) == Self.contents(opened))
        #expect(try repository.count() == 202)
        #expect(folder.names.sorted() == ["a", "b"])
    }

    @Test func anEmptyStoreIsSaved() throws {
        let folder = try Folder()
        try InMemoryVectorStore().save(to: folder.path("a"))
        #expect(try InMemoryVectorStore(opening: folder.path("a")).listCollections().isEmpty)
    }

    /// Every byte changed, every length cut, and random damage: an error with a code, and never a trap.
    @Test func damageIsFound() throws {
        let folder = try Folder()
        let (whole, path) = (folder.path("whole"), folder.path("damaged"))
        try Self.sample().save(to: whole)
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: whole)))
        func isCorrupted(_ bytes: [UInt8]) throws -> Bool {
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            do {
                _ = try InMemoryVectorStore(opening: path)
                return false
            } catch { return error.code == .corruptedStorage }
        }
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= UInt8.random(in: 1...255)
            #expect(try isCorrupted(damaged), "byte \(index)")
            #expect(try isCorrupted(Array(bytes[..<index])), "length \(index)")
        }
        #expect(try isCorrupted(bytes + [0]))
        #expect(try isCorrupted(bytes + bytes))
        var random = InMemoryStoreTests.Random(state: 1)
        for _ in 0..<300 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                let start = Int.random(in: 0..<bytes.count, using: &random)
                for index in start..<min(bytes.count, start + Int.random(in: 1...16, using: &random)) {
                    damaged[index] =
                        [0, 255, UInt8.random(in: 0...255, using: &random)].randomElement(using: &random) ?? 0
                }
            }
            if damaged != bytes { #expect(try isCorrupted(damaged)) }
        }
        #expect(try isCorrupted((0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) }))
    }

    /// Checksums that are right do not make the content so: what a hostile writer could sign.
    @Test func aValidChecksumIsNotBelieved() throws {
        let folder = try Folder()
        let (whole, path) = (folder.path("whole"), folder.path("forged"))
        try Self.sample().save(to: whole)
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: whole)))
        let header = try #require(bytes.withUnsafeBytes { SavedHeader($0) })
        let start = Int(header.directoryOffset)
        var random = InMemoryStoreTests.Random(state: 2)
        for round in 0..<3000 {
            var forged = bytes
            let index = Int.random(in: start..<bytes.count, using: &random)
            forged[index] = round % 3 == 0 ? 255 : UInt8.random(in: 0...255, using: &random)
            var signed = header
            signed.directoryChecksum = forged[start...].withUnsafeBytes { Checksum.of($0) }
            forged.replaceSubrange(..<SavedHeader.length, with: signed.bytes)
            try Data(forged).write(to: URL(fileURLWithPath: path))
            do {
                let store = try InMemoryVectorStore(opening: path)
                _ = try Self.contents(store)
            } catch { #expect((error as? VectorStoreError)?.code == .corruptedStorage) }
        }
        // The same for payloads, which are read from bytes alone.
        var writer = ByteWriter()
        try PayloadBytes.write([["a": [1, "x", ["b": 2.5]], "c": nil], nil], to: &writer)
        for _ in 0..<20_000 {
            var damaged = writer.bytes
            damaged[Int.random(in: damaged.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            damaged.withUnsafeBytes { bytes in
                var reader = ByteReader(bytes)
                _ = try? PayloadBytes.read(2, from: &reader)
            }
        }
    }

    /// A directory store with a damaged chunk is not saved as if it were whole, and the file that was there stays.
    @Test func damageIsNotSavedAsData() throws {
        let folder = try Folder()
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk)
        try store.createCollection(DurableStoreTests.collection)
        var random = InMemoryStoreTests.Random(state: 4)
        let records = (0..<50).map { InMemoryStoreTests.record("id\($0)", dimension: 5, &random) }
        try store.upsert(UpsertRequest(collection: "c", records: records))
        try store.checkpoint()
        try store.close()
        try InMemoryVectorStore(at: "d", on: disk).save(to: folder.path("a"))
        let expected = try Data(contentsOf: URL(fileURLWithPath: folder.path("a")))
        let length = try #require(disk.bytes("d/data-1")?.count)
        for index in stride(from: StoredLayout.page + 1, to: length, by: 61) {
            let damaged = disk.afterKill()
            damaged.damage("d/data-1") { $0[index] ^= 4 }
            let opened = try InMemoryVectorStore(at: "d", on: damaged)
            do {
                try opened.save(to: folder.path("a"))
                // A byte that belongs to no rows: a table of ids, or padding.
                #expect(try Self.contents(InMemoryVectorStore(opening: folder.path("a"))) == Self.contents(store))
            } catch let error as VectorStoreError {
                #expect(error.code == .corruptedStorage && error.collection == "c", "byte \(index)")
            }
            #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path("a"))) == expected, "byte \(index)")
            #expect(folder.names == ["a"])
        }
    }

    @Test func whatIsNotAFileOfOurs() throws {
        let folder = try Folder()
        expect(.corruptedStorage) { _ = try InMemoryVectorStore(opening: folder.url.path) }
        expect(.unavailable) { _ = try InMemoryVectorStore(opening: folder.path("missing")) }
        expect(.invalidArgument) { _ = try InMemoryVectorStore(opening: "") }
        expect(.invalidArgument) { try InMemoryVectorStore().save(to: "a\0b") }
        for text in ["", "M", "MiniORM\u{1A}", "{\"id\": 1}\n", String(repeating: "x", count: 10_000)] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder.path("foreign")))
            expect(.corruptedStorage) { _ = try InMemoryVectorStore(opening: folder.path("foreign")) }
        }
        expect(.corruptedStorage) { _ = try InMemoryVectorStore(opening: "/dev/null") }
        expect(.unavailable) { try InMemoryVectorStore().save(to: folder.path("missing/a")) }
        // A directory is not replaced, and nothing is left beside it.
        let error = expect(.backend) { try InMemoryVectorStore().save(to: folder.url.path) }
        #expect(error?.message.contains("irectory") == true)
    }

    /// A disk that fails at the n-th call: an error with the system's reason, and the file that was there stays.
    @Test func aDiskThatFailsCostsNothing() throws {
        let folder = try Folder()
        let path = folder.path("a")
        let old = InMemoryVectorStore()
        _ = try VectorRepository(old, "old", dimension: 2)
        try old.save(to: path)
        let expected = try Data(contentsOf: URL(fileURLWithPath: path))
        let store = try Self.sample()
        var failures = 0
        for failing in 1... {
            let calls = Mutex(0)
            @Sendable func fails() -> Bool {
                let fails = calls.withLock { calls in
                    calls += 1
                    return calls == failing
                }
                if fails { errno = ENOSPC }
                return fails
            }
            let system = FileCalls.system
            let broken = FileCalls(
                // Short writes, too, are none of the file's business.
                write: { fails() ? -1 : system.write($0, $1, min($2, 1000)) },
                sync: { fails() ? -1 : system.sync($0) },
                rename: { fails() ? -1 : system.rename($0, $1) })
            do {
                try store.save(to: path, calls: broken)
                break
            } catch {
                failures += 1
                #expect(error.code == .unavailable)
                #expect(error.message.contains(String(cString: strerror(ENOSPC))))
                #expect(folder.names == ["a"])
                // Only the very last call, that for the directory, comes after the renaming.
                if try Data(contentsOf: URL(fileURLWithPath: path)) != expected {
                    #expect(try Self.contents(InMemoryVectorStore(opening: path)) == Self.contents(store))
                }
            }
        }
        #expect(failures >= 5)
        #expect(try Self.contents(InMemoryVectorStore(opening: path)) == Self.contents(store))
    }
}
