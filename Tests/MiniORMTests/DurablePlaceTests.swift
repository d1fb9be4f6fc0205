import Foundation
import Testing

@testable import MiniORM

/// A store stays with the directory that it has locked, whatever its path comes to mean.
@Suite struct DurablePlaceTests {
    private static func vectors(_ store: InMemoryVectorStore) throws -> VectorRepository {
        try VectorRepository(store, "words", dimension: 1, metric: .dot)
    }

    private static func ids(at url: URL) throws -> [String] {
        let store = try InMemoryVectorStore(at: url.path)
        defer { try? store.close() }
        return try vectors(store).fetch().map(\.id)
    }

    private static func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("place-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    @Test func aLinkThatIsTurnedElsewhereChangesNothing() throws {
        try Self.withFolder { folder in
            let (one, two) = (folder.appendingPathComponent("1"), folder.appendingPathComponent("2"))
            let link = folder.appendingPathComponent("current")
            for (url, id) in [(one, "a"), (two, "b")] {
                let store = try InMemoryVectorStore(at: url.path)
                try Self.vectors(store).upsert([VectorRecord(id: id, vector: [1])])
                try store.checkpoint()
                try store.close()
            }
            try FileManager.default.createSymbolicLink(at: link, withDestinationURL: one)
            let store = try InMemoryVectorStore(at: link.path)
            try FileManager.default.removeItem(at: link)
            try FileManager.default.createSymbolicLink(at: link, withDestinationURL: two)
            let other = try InMemoryVectorStore(at: two.path)
            try Self.vectors(store).upsert([VectorRecord(id: "a2", vector: [1])])
            try store.checkpoint()
            try Self.vectors(store).upsert([VectorRecord(id: "a3", vector: [1])])
            try Self.vectors(other).upsert([VectorRecord(id: "b2", vector: [1])])
            try store.close()
            try other.close()
            #expect(try Self.ids(at: one) == ["a", "a2", "a3"])
            #expect(try Self.ids(at: two) == ["b", "b2"])
        }
    }

    @Test func aDirectoryInThePlaceOfTheLockedOneIsLeftAlone() throws {
        try Self.withFolder { folder in
            let (here, there) = (folder.appendingPathComponent("here"), folder.appendingPathComponent("there"))
            let store = try InMemoryVectorStore(at: here.path)
            try Self.vectors(store).upsert([VectorRecord(id: "a", vector: [1])])
            try FileManager.default.moveItem(at: here, to: there)
            let other = try InMemoryVectorStore(at: here.path)
            try Self.vectors(other).upsert([VectorRecord(id: "b", vector: [1])])
            // The log is open and goes on; new files would be the other directory's.
            try Self.vectors(store).upsert([VectorRecord(id: "a2", vector: [1])])
            let error = #expect(throws: VectorStoreError.self) { try store.checkpoint() }
            #expect(error?.code == .unavailable && error?.message.contains("no longer the directory") == true)
            try store.close()
            try other.close()
            #expect(try Self.ids(at: here) == ["b"])
            #expect(try Self.ids(at: there) == ["a", "a2"])
        }
    }

    /// Calls that a log says are lost are counted as far as a number goes.
    @Test func recoveryCountsWhatAHostileLogSays() throws {
        let disk = SimulatedDisk()
        try InMemoryVectorStore(at: "d", on: disk).close()
        let manifest = try Manifest(try #require(disk.bytes("d/manifest")))
        for number in UInt64(1)...3 {
            let header = LogHeader(
                store: manifest.store, number: number, firstSequence: 1, previousEnd: number == 1 ? 0 : 128)
            let entry = try LogEntry.delete(key: 1 << 40, ["x"]).encoded()
            let bytes =
                header.bytes + [UInt8](repeating: 7, count: 8)
                + entry.header(sequence: (1 << 62) - 1, synchronized: 0, salt: header.salt) + entry.body
            if disk.bytes("d/log-\(number)") == nil { _ = try disk.open("d/log-\(number)", isNew: true) }
            disk.damage("d/log-\(number)") { $0 = bytes }
        }
        #expect(try InMemoryVectorStore.recover(at: "d", to: "e", on: disk).lostCalls == .max)
    }
}
