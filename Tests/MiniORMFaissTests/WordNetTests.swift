#if Faiss
import Foundation
import MiniORM
import TestSupport
import Testing

@testable import MiniORMFaiss

/// 20,000 embedded synsets of WordNet with their exact answers, from the directory that `WORDNET_DATA` names.
@Suite(.enabled(if: WordNet.directory != nil, "WORDNET_DATA names no directory"))
struct WordNetTests {
    private func load(_ configuration: FaissConfiguration, _ metric: VectorMetric) throws -> (FaissVectorStore, WordNet)
    {
        let data = try WordNet()
        let store = try FaissVectorStore(configuration: configuration)
        try store.make("wordnet", 384, metric)
        for start in stride(from: 0, to: data.records.count, by: 1_000) {
            try store.put("wordnet", Array(data.records[start..<min(start + 1_000, data.records.count)]))
        }
        try store.waitForIndexes()
        return (store, data)
    }

    @Test(arguments: VectorMetric.allCases)
    func `the flat index answers as exact search in double precision`(_ metric: VectorMetric) throws {
        let (store, data) = try load(FaissConfiguration(), metric)
        let truth = data.answers(metric.rawValue)
        #expect(!truth.isEmpty)
        let queries = Array(data.queries.prefix(truth.count))
        let batch = try store.queryBatch(QueryBatchRequest(collection: "wordnet", vectors: queries))
        for (number, exact) in truth.enumerated() {
            WordNet.expect(batch[number], equal: exact, "\(metric), query \(number) of a batch")
            let single = try store.query(QueryRequest(collection: "wordnet", vector: queries[number]))
            WordNet.expect(single, equal: exact, "\(metric), query \(number)")
        }
        guard metric == .cosine else { return }
        for (name, filter) in try data.filters() {
            for (number, exact) in data.answers("filtered", name).enumerated() {
                let options = QueryOptions(topK: 10, filter: filter)
                let answers = try store.query(
                    QueryRequest(collection: "wordnet", vector: queries[number], options: options))
                WordNet.expect(answers, equal: exact, "filter \(name), query \(number)")
            }
        }
    }

    @Test(arguments: [
        (FaissIndexType.hnsw(m: 32, efConstruction: 80, efSearch: 64), 1, 0.97),
        (.ivfFlat(lists: 128, probes: 32), 1, 0.95), (.sq8, 2, 0.99),
        (.ivfPQ(lists: 64, subquantizers: 48, bits: 6, probes: 24), 8, 0.85),
    ])
    func `the recall of approximate types at 10`(_ type: FaissIndexType, _ factor: Int, _ least: Double) throws {
        let (store, data) = try load(FaissConfiguration(index: type, candidateFactor: factor), .cosine)
        let truth = data.answers("cosine")
        let batch = try store.queryBatch(QueryBatchRequest(collection: "wordnet", vectors: data.queries))
        var found = 0
        for (answers, exact) in zip(batch, truth) {
            #expect(answers.count == 10)
            found += Set(answers.map(\.id)).intersection(exact.map(\.id)).count
        }
        let recall = Double(found) / Double(10 * truth.count)
        print("recall at 10 of \(type), candidateFactor \(factor): \(recall)")
        #expect(recall >= least)
    }
}
#endif
