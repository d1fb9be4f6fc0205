#if Qdrant
import Foundation
import MiniORM
import MiniORMQdrant
import TestSupport
import Testing

extension ServerTests {
    /// 20,000 embedded synsets of WordNet with their exact answers, from the directory that `WORDNET_DATA` names.
    @Suite(.enabled(if: WordNet.directory != nil, "WORDNET_DATA names no directory"))
    struct WordNetTests {

        @Test(arguments: VectorMetric.allCases)
        func exactSearchAnswersAsInDoublePrecision(_ metric: VectorMetric) async throws {
            let data = try WordNet()
            var options = QdrantOptions()
            options.search.exact = true
            try await Server.withCollection(Server.store(options), dimension: 384, metric: metric) { repository in
                try await repository.upsert(data.records)
                #expect(try await repository.count() == 20_000)
                let truth = data.answers(metric.rawValue)
                #expect(!truth.isEmpty)
                let batch = try await repository.queryBatch(Array(data.queries.prefix(truth.count)))
                for (number, exact) in truth.enumerated() {
                    WordNet.expect(batch[number], equal: exact, "\(metric), query \(number)")
                }
                guard metric == .cosine else { return }
                for (name, filter) in try data.filters() {
                    let truth = data.answers("filtered", name)
                    let batch = try await repository.queryBatch(
                        Array(data.queries.prefix(truth.count)), filter: filter)
                    for (number, exact) in truth.enumerated() {
                        WordNet.expect(batch[number], equal: exact, "filter \(name), query \(number)")
                    }
                }
            }
        }
    }
}
#endif
