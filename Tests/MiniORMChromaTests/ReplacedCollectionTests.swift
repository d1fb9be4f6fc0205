#if Chroma
import Foundation
import MiniORM
import MiniORMChroma
import Testing

/// A collection that somebody else drops, and creates again, while it is used.
@Suite(.serialized)
struct ReplacedCollectionTests {
    private let first = Result { try ChromaServer.store() }
    private let second = Result { try ChromaServer.store() }

    private func open(
        _ store: ChromaVectorStore, _ name: String, metric: VectorMetric = .l2
    ) async throws -> AsyncVectorRepository {
        try await AsyncVectorRepository(store, "replaced-\(name)", dimension: 2, metric: metric, overwrite: true)
    }

    @Test("every operation looks a stale id up again")
    func staleIDs() async throws {
        let (first, second) = (try first.get(), try second.get())
        let record = VectorRecord(id: "a", vector: [1, 0], payload: ["k": "v"])
        let operations: [(String, (AsyncVectorRepository) async throws -> Bool)] = [
            ("query", { try await $0.query([1, 0]).map(\.id) == ["a"] }),
            ("filtered query", { try await $0.query([1, 0], filter: ["k": "v"]).map(\.id) == ["a"] }),
            ("batch", { try await $0.queryBatch([[1, 0], [0, 1]]).map(\.count) == [1, 1] }),
            ("count", { try await $0.count() == 1 }),
            ("filtered count", { try await $0.count(matching: ["k": "v"]) == 1 }),
            ("fetch", { try await $0.fetch(["a"]) == [record] }),
            ("delete", { try await $0.delete(["a"]) == 1 }),
            ("delete matching", { try await $0.delete(matching: ["k": "v"]) == 1 }),
        ]
        for (name, operation) in operations {
            let records = try await open(first, "stale")
            try await records.upsert([VectorRecord(id: "old", vector: [1, 0])])
            try await open(second, "stale").upsert([record])
            #expect(try await operation(records), "\(name)")
        }
        try await second.dropCollection("replaced-stale")
        for (name, operation) in operations {
            let records = try await open(first, "stale")
            try await second.dropCollection("replaced-stale")
            let error = await #expect(throws: VectorStoreError.self, "\(name)") { _ = try await operation(records) }
            #expect(error?.code == .collectionNotFound, "\(name)")
        }
    }

    @Test("a scan does not go on in another collection of the name")
    func scan() async throws {
        let (first, second) = (try first.get(), try second.get())
        let records = try await open(first, "scan")
        try await records.upsert((0..<10).map { VectorRecord(id: "\($0)", vector: [1, 0]) })
        let page = try await first.scan(ScanRequest(collection: "replaced-scan", filter: nil, pageSize: 4))
        #expect(page.records.count == 4)
        try await open(second, "scan").upsert((0..<10).map { VectorRecord(id: "\($0)", vector: [2, 0]) })
        let next = try #require(page.next)
        let error = await #expect(throws: VectorStoreError.self) {
            _ = try await first.scan(
                ScanRequest(collection: "replaced-scan", filter: nil, pageSize: 4, cursor: next))
        }
        #expect(error?.code == .collectionMismatch)
        try await second.dropCollection("replaced-scan")
    }

    @Test("a drop whose answer was lost does not drop what somebody created after it")
    func drop() async throws {
        let proxy = try FaultyProxy(["", "", "", "replace"])
        let store = try proxy.store()
        // Looked up and created; looked up and dropped.
        _ = try await ChromaServer.send("DELETE", "/collections/replaced-drop")
        _ = try await AsyncVectorRepository(store, "replaced-drop", dimension: 2)
        try await store.dropCollection("replaced-drop")
        #expect(try await ChromaServer.send("GET", "/collections/replaced-drop").status == 200)
        _ = try await ChromaServer.send("DELETE", "/collections/replaced-drop")
        proxy.child.kill()
    }
}
#endif
