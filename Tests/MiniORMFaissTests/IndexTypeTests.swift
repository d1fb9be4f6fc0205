#if Faiss
import MiniORM
import Synchronization
import TestSupport
import Testing

@testable import MiniORMFaiss

/// The approximate types: as many answers as there are matches, exact scores, nothing that was deleted.
@Suite struct IndexTypeTests {
    static let types: [FaissIndexType] = [
        .hnsw(m: 16, efConstruction: 60, efSearch: 64), .ivfFlat(lists: 16, probes: 8),
        .ivfPQ(lists: 8, subquantizers: 8, bits: 4, probes: 8), .sq8, .factory("PQ8x4"),
        .factory("IVF8_HNSW8,SQfp16"), .factory("SQ4"),
    ]

    @Test(arguments: types)
    func `min(topK, matches) answers with exact scores, whatever was written and filtered`(
        _ type: FaissIndexType
    ) throws {
        for metric in VectorMetric.allCases {
            let faiss = try FaissVectorStore(configuration: FaissConfiguration(index: type, candidateFactor: 4))
            let model = InMemoryVectorStore()
            let records = randomRecords(3_000, dimension: 16, seed: 11)
            for store in [faiss, model] as [any VectorStorePort] {
                try store.make("types", 16, metric)
                for start in stride(from: 0, to: 3_000, by: 500) {
                    try store.put("types", Array(records[start..<start + 500]))
                    _ = try store.delete(DeleteRequest(collection: "types", ids: (0..<100).map { "r\(start + $0)" }))
                }
            }
            try faiss.waitForIndexes()
            var random = Seeded(12)
            var found = 0
            var wanted = 0
            for _ in 0..<30 {
                let query = random.vector(16)
                let filters: [VectorFilter?] = [nil, .field("number") < 2_900, .field("number") < 108]
                for filter in filters {
                    let request = QueryRequest(
                        collection: "types", vector: query, options: QueryOptions(topK: 10, filter: filter))
                    let answers = try faiss.query(request)
                    let exact = try exactAnswers(model, request)
                    #expect(answers.count == exact.count)
                    #expect(Set(answers.map(\.id)).count == answers.count)
                    for answer in answers {
                        guard case .int(let number)? = answer.payload?["number"] else { continue }
                        #expect(number % 500 >= 100)
                        #expect(filter?.matches(answer.payload) ?? true)
                    }
                    wanted += exact.count
                    found += Set(exact.map(\.id)).intersection(answers.map(\.id)).count
                    for (answer, best) in zip(answers, exact) { #expect(answer.score <= best.score + 1e-5) }
                }
            }
            #expect(Double(found) / Double(wanted) > 0.5, "\(type), \(metric)")
        }
    }

    @Test func `a type that takes no selector scores the matches of a filter`() throws {
        let records = randomRecords(11_000, dimension: 8, seed: 13)
        let faiss = try FaissVectorStore(
            configuration: FaissConfiguration(index: .factory("OPQ4,IVF8,PQ4x8"), candidateFactor: 10))
        let model = InMemoryVectorStore()
        for store in [faiss, model] as [any VectorStorePort] {
            try store.make("rotated", 8)
            try store.put("rotated", records)
            _ = try store.delete(DeleteRequest(collection: "rotated", ids: (0..<100).map { "r\($0)" }))
        }
        try faiss.waitForIndexes()
        for number in stride(from: 0, to: 1_000, by: 20) {
            var options = QueryOptions(topK: 5)
            var request = QueryRequest(collection: "rotated", vector: records[number].vector, options: options)
            let answers = try faiss.query(request)
            #expect(answers.count == 5)
            #expect((answers.first?.id == "r\(number)") == (number >= 100))
            options.filter = .field("number") >= 5_000
            request.options = options
            #expect(try faiss.query(request).map(\.id) == exactAnswers(model, request).map(\.id))
        }
        let plan = try faiss.explain(ExplainRequest(collection: "rotated", filter: .field("number") >= 5_000))
        #expect(plan.native.contains("one by one"))
    }

    @Test func `a graph is rebuilt without what was deleted, and answers meanwhile`() throws {
        let type = FaissIndexType.hnsw(m: 16, efConstruction: 40, efSearch: 64)
        let faiss = try FaissVectorStore(configuration: FaissConfiguration(index: type, rebuildThreshold: 0.1))
        try faiss.make("graph", 8)
        try faiss.put("graph", randomRecords(4_000, dimension: 8, seed: 1))
        var random = Seeded(2)
        for round in 0..<10 {
            let ids = (0..<300).map { "r\(round * 300 + $0)" }
            #expect(try faiss.delete(DeleteRequest(collection: "graph", ids: ids)) == 300)
            let answers = try faiss.query(
                QueryRequest(collection: "graph", vector: random.vector(8), options: QueryOptions(topK: 20)))
            #expect(answers.count == 20)
            for answer in answers { #expect(Int(answer.id.dropFirst()).map { $0 >= (round + 1) * 300 } == true) }
        }
        try faiss.waitForIndexes()
        #expect(try faiss.count(CountRequest(collection: "graph")) == 1_000)
        let all = try faiss.query(
            QueryRequest(collection: "graph", vector: random.vector(8), options: QueryOptions(topK: 2_000)))
        #expect(all.count == 1_000)
    }

    @Test(arguments: [
        FaissIndexType.flat, .hnsw(m: 8, efConstruction: 20, efSearch: 32), .ivfFlat(lists: 4, probes: 4),
    ])
    func `queries, writes and rebuilds at the same time leave every answer consistent`(_ type: FaissIndexType)
        async throws
    {
        let faiss = try FaissVectorStore(configuration: FaissConfiguration(index: type, rebuildThreshold: 0.05))
        try faiss.make("busy", 8, .l2)
        try faiss.put("busy", randomRecords(1_000, dimension: 8, seed: 4))
        let store = OffloadedVectorStore(faiss)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<4 {
                group.addTask {
                    for round in 0..<40 {
                        if task == 0 {
                            // Every record in an upsert has the round's number: an answer never mixes two.
                            let records = (0..<50).map {
                                VectorRecord(
                                    id: "r\($0)", vector: [9, 9, 9, 9, 9, 9, 9, 9],
                                    payload: ["round": .int(Int64(round))])
                            }
                            try await store.upsert(UpsertRequest(collection: "busy", records: records))
                        } else {
                            let answers = try await store.query(
                                QueryRequest(
                                    collection: "busy", vector: [9, 9, 9, 9, 9, 9, 9, 9],
                                    options: QueryOptions(topK: 50, filter: .exists("round"))))
                            #expect(Set(answers.map { $0.payload?["round"] }).count <= 1)
                            #expect(answers.isEmpty || answers.count == 50)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        try faiss.waitForIndexes()
        #expect(try faiss.count(CountRequest(collection: "busy")) == 1_000)
    }

    @Test(arguments: [
        "", ",", "Nonsense", "Flat,Flat", "HNSW", "HNSW1", "HNSW2000000000", "HNSW99999999999999999999", "HNSW-4",
        "HNSW32,PQ8", "IVF0,Flat", "IVF2000000,Flat", "IVF16", "IVF16,", "IVF16,Flat,RFlat", "IVF16_HNSW1,Flat", "PQ0",
        "PQ8x3", "PQ8x13", "PQ8x8x8", "PQ99999999", "OPQ8,Flat", "OPQ8,IVF16,PQ4", "OPQ8", "IVF\u{FF11}6,Flat",
        "IVF16,Flat\0",
        "PCA999999,Flat", "IDMap2,Flat", "IVF16,SQ8(", "Flat ", " Flat", String(repeating: "Flat,", count: 100_000),
    ])
    func `a factory text that is not one of ours reaches no engine`(_ text: String) {
        expect(.invalidArgument) { _ = try FaissVectorStore(configuration: FaissConfiguration(index: .factory(text))) }
    }

    @Test(arguments: [
        FaissIndexType.hnsw(m: 0), .hnsw(m: .max), .hnsw(efConstruction: 0), .hnsw(efSearch: -1),
        .ivfFlat(lists: 0), .ivfFlat(lists: .min), .ivfFlat(lists: 4, probes: 5), .ivfFlat(lists: 4, probes: 0),
        .ivfPQ(lists: 4, subquantizers: 0, probes: 1), .ivfPQ(lists: 4, subquantizers: 4, bits: 64, probes: 1),
    ])
    func `parameters out of range are refused`(_ type: FaissIndexType) {
        expect(.invalidArgument) { _ = try FaissVectorStore(configuration: FaissConfiguration(index: type)) }
    }

    @Test func `what cannot be built is refused when the collection is created`() throws {
        expect(.invalidArgument) { _ = try FaissVectorStore(configuration: FaissConfiguration(candidateFactor: 0)) }
        expect(.invalidArgument) { _ = try FaissVectorStore(configuration: FaissConfiguration(rebuildThreshold: .nan)) }
        let faiss = try FaissVectorStore(
            configuration: FaissConfiguration(index: .ivfPQ(lists: 4, subquantizers: 5, probes: 1)))
        expect(.invalidArgument) { try faiss.make("odd", 16) }
        #expect(try faiss.listCollections().isEmpty)
        for dimension in [0, -1, Int.max] { expect(.invalidArgument) { try faiss.make("odd", dimension) } }
    }

    @Test func `the texts of the factory mean what the cases mean`() throws {
        func description(_ type: FaissIndexType) throws -> String { try IndexPlan(type).description }
        #expect(try description(.factory("Flat")) == description(.flat))
        #expect(try description(.factory("HNSW32,Flat")) == description(.hnsw()))
        #expect(try description(.factory("IVF100,Flat")) == description(.ivfFlat(lists: 100)))
        #expect(try description(.factory("IVF100,PQ8")) == description(.ivfPQ(lists: 100, subquantizers: 8)))
        #expect(try description(.factory("SQ8")) == description(.sq8))
        #expect(try description(.factory("OPQ8,IVF64_HNSW16,PQ8x6")) == "OPQ8,IVF64_HNSW16,PQ8x6np")
    }
}
#endif
