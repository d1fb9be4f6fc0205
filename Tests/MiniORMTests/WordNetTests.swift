import MiniORM
import TestSupport
import Testing

/// 20,000 embedded synsets of WordNet with their exact answers, from the directory that `WORDNET_DATA` names.
@Suite(.enabled(if: WordNet.directory != nil, "WORDNET_DATA names no directory"))
struct WordNetTests {
    private static let data = Result { try WordNet() }

    /// The embedded store's answers equal those of exact search in double precision: ids in the same order, scores to
    /// 1e-5; each query by itself and all in one call, through both repositories.
    @Test(arguments: VectorMetric.allCases)
    func `answers equal the true ones`(_ metric: VectorMetric) async throws {
        let data = try Self.data.get()
        let store = InMemoryVectorStore()
        let words = try VectorRepository(store, "words", dimension: 384, metric: metric)
        try words.upsert(data.records)
        let async = try await AsyncVectorRepository(store, "words", dimension: 384, metric: metric)
        var cases: [(name: String, filter: VectorFilter?, truth: [[(id: String, score: Double)]])] = [
            ("\(metric)", nil, data.answers(metric.rawValue))
        ]
        if metric == .cosine {
            for (name, filter) in try data.filters() { cases.append((name, filter, data.answers("filtered", name))) }
            #expect(cases.count > 1)
        }
        #expect(cases[0].truth.count == (metric == .cosine ? 500 : 100))
        for (name, filter, truth) in cases {
            try #require(!truth.isEmpty)
            let queries = Array(data.queries.prefix(truth.count))
            let batch = try words.queryBatch(queries, topK: 10, filter: filter)
            let asyncBatch = try await async.queryBatch(queries, topK: 10, filter: filter)
            for (number, exact) in truth.enumerated() {
                let answers = try [
                    batch[number], asyncBatch[number], words.query(queries[number], topK: 10, filter: filter),
                    await async.query(queries[number], topK: 10, filter: filter),
                ]
                for (answer, way) in zip(answers, ["batch", "async batch", "single", "async single"]) {
                    try #require(answer.map(\.id) == exact.map(\.id), "\(name), query \(number), \(way)")
                    for (found, (_, score)) in zip(answer, exact) {
                        try #require(abs(Double(found.score) - score) <= 1e-5, "\(name), query \(number), \(way)")
                    }
                }
            }
        }
    }
}
