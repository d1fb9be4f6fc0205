#if Chroma
import MiniORM
import MiniORMChroma
import TestSupport
import Testing

/// 20,000 embedded synsets of WordNet with their exact answers.
@Suite(.serialized, .enabled(if: WordNet.directory != nil, "WORDNET_DATA names no directory"))
struct WordNetTests {
    @Test(
        "exact answers are the true ones, under every filter; the index finds 99 % of them",
        arguments: VectorMetric.allCases)
    func truth(_ metric: VectorMetric) async throws {
        let data = try WordNet()
        let name = "wordnet-\(metric)"
        let index = try await AsyncVectorRepository(
            try ChromaServer.store(), name, dimension: 384, metric: metric, overwrite: true)
        try await index.upsert(data.records)
        let exact = try await AsyncVectorRepository(
            try ChromaServer.store { $0.isExact = true }, name, dimension: 384, metric: metric)
        let truth = data.answers(metric.rawValue)
        #expect(!truth.isEmpty)
        let queries = Array(data.queries.prefix(truth.count))
        for (number, answers) in try await exact.queryBatch(queries).enumerated() {
            WordNet.expect(answers, equal: truth[number], "\(metric), query \(number)")
        }
        var found = 0
        for (number, answers) in try await index.queryBatch(queries).enumerated() {
            let known = Set(truth[number].map(\.id))
            found += answers.count { known.contains($0.id) }
        }
        #expect(Double(found) >= 0.99 * Double(truth.count * 10), "found \(found) of \(truth.count * 10)")
        if metric == .cosine {
            for (name, filter) in try data.filters() {
                let truth = data.answers("filtered", name)
                #expect(!truth.isEmpty)
                let answers = try await exact.queryBatch(Array(data.queries.prefix(truth.count)), filter: filter)
                for (number, answers) in answers.enumerated() {
                    WordNet.expect(answers, equal: truth[number], "filter \(name), query \(number)")
                }
            }
        }
        try await index.dropCollection()
    }
}
#endif
