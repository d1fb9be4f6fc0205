#if Faiss
import MiniORM
import TestSupport
import Testing

@testable import MiniORMFaiss

/// Filters on more rows than are scored one by one.
@Suite struct FilterTests {
    @Test(arguments: [
        FaissIndexType.hnsw(m: 16, efConstruction: 40, efSearch: 64), .ivfFlat(lists: 64, probes: 24),
    ])
    func `selective filters find min(topK, matches) with the recall stated`(_ type: FaissIndexType) throws {
        let count = 52_000
        let store = try FaissVectorStore(configuration: FaissConfiguration(index: type))
        let model = InMemoryVectorStore()
        let records = randomRecords(count, dimension: 12, seed: 21)
        for store in [store, model] as [any VectorStorePort] {
            try store.make("selective", 12)
            for start in stride(from: 0, to: count, by: 4_000) {
                try store.put("selective", Array(records[start..<start + 4_000]))
            }
        }
        try store.waitForIndexes()
        var random = Seeded(22)
        // From some thousand matches on the rows are looked for in the index, and not scored one by one.
        let plan = try store.explain(ExplainRequest(collection: "selective", filter: .field("number") < 26_000))
        #expect(plan.native.contains("selector"))
        let limits = [10, 1_500, 2_600, 8_000, 26_000, count]
        for limit in limits {
            // A graph that looks at few of its rows would find few of those that match.
            var found = 0
            var wanted = 0
            for _ in 0..<12 {
                for topK in [10, 100] {
                    let request = QueryRequest(
                        collection: "selective", vector: random.vector(12),
                        options: QueryOptions(topK: topK, filter: .field("number") < .int(Int64(limit))))
                    let answers = try store.query(request)
                    let exact = try model.query(request)
                    #expect(answers.count == min(topK, limit))
                    #expect(answers.allSatisfy { request.options.filter?.matches($0.payload) == true })
                    wanted += exact.count
                    found += Set(exact.map(\.id)).intersection(answers.map(\.id)).count
                }
            }
            #expect(Double(found) / Double(wanted) >= 0.9, "\(limit) of \(count) rows match: \(found) of \(wanted)")
        }
    }

    @Test func `a graph is asked for as many candidates as its walk can bear, and for more where few rows match`()
        throws
    {
        let plan = try IndexPlan(.hnsw(m: 16, efConstruction: 40, efSearch: 64))
        var state = CollectionState(CollectionDescription(name: "wide", dimension: 4, metric: .l2))
        state.index = try FaissIndex(plan, state.description)
        state.apply(randomRecords(20_000, dimension: 4, seed: 1))
        while state.extendIndex(by: 5_000) {}
        func width(_ topK: Int, below limit: Int64? = nil, factor: Int = 1) -> Int? {
            let options = QueryOptions(topK: topK, filter: limit.map { .field("number") < .int($0) })
            let search = Search(state, plan: plan, candidateFactor: factor, options: options)
            return state.index.flatMap(search.width)
        }
        #expect(width(10) == 16)
        #expect(width(10, factor: 10) == 106)
        // The walk through so many would take longer than a look at every row.
        #expect(width(1_000) == nil)
        #expect(width(5_000) == nil)
        #expect(width(10, below: 10_000) == 128)
        #expect(width(10, below: 2_500) == nil)
        #expect(width(10, below: 1_000) == nil)
    }
}
#endif
