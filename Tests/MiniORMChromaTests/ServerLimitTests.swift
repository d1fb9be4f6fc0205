#if Chroma
import Foundation
import MiniORM
import MiniORMChroma
import Testing

/// What is too much for the real server in one piece, and must not be for this store.
@Suite(.serialized)
struct ServerLimitTests {
    private func open(
        _ store: ChromaVectorStore, _ name: String, dimension: Int = 2
    ) async throws -> AsyncVectorRepository {
        try await AsyncVectorRepository(store, "limit-\(name)", dimension: dimension, metric: .l2, overwrite: true)
    }

    @Test("a record of 6,000 fields, or elements, is found by each, and its collection stays usable")
    func manyFields() async throws {
        let store = try ChromaServer.store { $0.indexedFields = .scalarsAndElements }
        let records = try await open(store, "fields")
        let fields: [String: PayloadValue] = Dictionary(
            uniqueKeysWithValues: (0..<6_000).map { ("f\($0)", .int($0)) })
        let elements: [PayloadValue] = (0..<6_000).map { .string("e\($0)") }
        try await records.upsert([
            VectorRecord(id: "fields", vector: [1, 0], payload: fields),
            VectorRecord(id: "elements", vector: [2, 0], payload: ["tags": .array(elements)]),
            VectorRecord(id: "few", vector: [3, 0], payload: ["f1": 1, "tags": ["e1"]]),
        ])
        for index in [0, 1, 2_999, 5_999] {
            let expected = index == 1 ? 2 : 1
            #expect(try await records.count(matching: .field("f\(index)") == .int(Int64(index))) == expected)
            #expect(
                try await records.query([0, 0], filter: .field("tags").contains(.string("e\(index)"))).count
                    == expected)
        }
        #expect(try await records.count(matching: .field("f1") == 2) == 0)
        // The record becomes a small one, and the mark that it had does no harm.
        try await records.upsert([VectorRecord(id: "fields", vector: [1, 0], payload: ["f7": 8])])
        #expect(try await records.count(matching: .field("f7") == 7) == 0)
        #expect(try await records.query([0, 0], filter: ["f7": 8]).map(\.id) == ["fields"])
        #expect(try await records.fetch().count == 3)
        try await records.dropCollection()
    }

    @Test("a batch of queries whose filter leaves few records is answered")
    func wideBatch() async throws {
        let records = try await open(try ChromaServer.store(), "batch")
        try await records.upsert(
            (0..<2_000).map { index in
                VectorRecord(
                    id: "\(index)", vector: [Float(index), 1], payload: ["k": index < 5 ? "y" : "x"])
            })
        let queries = (0..<100).map { [Float($0 * 20), 0] }
        let answers = try await records.queryBatch(queries, topK: 10, filter: .field("k") != "x")
        #expect(answers.count == 100)
        #expect(answers.allSatisfy { Set($0.map(\.id)) == ["0", "1", "2", "3", "4"] })
        try await records.dropCollection()
    }

    @Test("more records than the server looks up at once are queried, listed, scanned and deleted")
    func manyRecords() async throws {
        let records = try await open(try ChromaServer.store { $0.limits.recordsPerRead = 50_000 }, "records")
        let count = 34_000
        try await records.upsert(
            (0..<count).map {
                VectorRecord(id: "\($0)", vector: [Float($0), 1], payload: ["even": $0 % 2 == 0 ? "y" : "n"])
            })
        let hits = try await records.query([0, 1], topK: 40_000)
        #expect(hits.count == count)
        #expect(hits.prefix(3).map(\.id) == ["0", "1", "2"] && hits.last?.id == "\(count - 1)")
        var ids: Set<String> = []
        for try await record in try records.records(pageSize: 5_000) {
            #expect(ids.insert(record.id).inserted)
        }
        #expect(ids.count == count)
        #expect(try await records.delete(matching: ["even": "y"]) == count / 2)
        #expect(try await records.count() == count / 2)
        try await records.dropCollection()
    }

    @Test("a call of 50 MB of payloads goes in several requests")
    func longPayloads() async throws {
        let records = try await open(try ChromaServer.store(), "bytes")
        let text = String(repeating: "words and \"words\" ", count: 2_800)
        try await records.upsert(
            (0..<1_000).map { VectorRecord(id: "\($0)", vector: [Float($0), 1], payload: ["text": .string(text)]) })
        #expect(try await records.count() == 1_000)
        #expect(try await records.fetch(["999"]).first?.payload?["text"] == .string(text))
        try await records.dropCollection()
    }

    @Test("lists of many operands do not add up to more than the server binds")
    func manyOperands() async throws {
        let records = try await open(try ChromaServer.store(), "operands")
        try await records.upsert(
            (0..<5).map { VectorRecord(id: "\($0)", vector: [1, 0], payload: ["n": .int($0)]) })
        let lists = VectorFilter.or(
            (0..<17).map { list in .field("n").in((0..<1_000).map { .int(Int64(list * 1_000 + $0 + 3)) }) })
        #expect(try await records.count(matching: lists) == 2)
        try await records.dropCollection()
    }

    @Test("no dimension, and no limit of writes, is too much for arithmetic")
    func extremeNumbers() async throws {
        let store = try ChromaServer.store { $0.limits.writesInFlight = .max }
        for dimension in [Int.max, Int.max / 8, 0, -1] {
            let error = await #expect(throws: VectorStoreError.self) {
                try await store.createCollection(
                    CreateCollectionRequest(
                        collection: CollectionDescription(name: "limit-dimension", dimension: dimension, metric: .l2)))
            }
            #expect(error?.code == .invalidArgument)
        }
        let records = try await open(store, "numbers")
        try await records.upsert([VectorRecord(id: "a", vector: [1, 0])])
        #expect(try await records.count() == 1)
        try await records.dropCollection()
        // Another client's mark is no reason to fail either.
        _ = try await ChromaServer.send("DELETE", "/collections/limit-mark")
        let mark =
            #"{"mini-orm":1,"mini-orm:dimension":\#(Int.max),"mini-orm:metric":"l2","mini-orm:indexed":"scalars","#
            + #""mini-orm:creation":"x"}"#
        #expect(
            try await ChromaServer.send("POST", "/collections", #"{"name":"limit-mark","metadata":\#(mark)}"#).status
                == 200)
        let error = await #expect(throws: VectorStoreError.self) {
            _ = try await store.fetch(FetchRequest(collection: "limit-mark", ids: nil))
        }
        #expect(error?.code == .collectionMismatch)
        _ = try await ChromaServer.send("DELETE", "/collections/limit-mark")
    }
}
#endif
