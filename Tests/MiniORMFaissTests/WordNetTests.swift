#if Faiss
import Foundation
import MiniORM
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

    private func compare(_ answers: [VectorSearchResult], _ truth: [(id: String, score: Double)], _ what: String) {
        #expect(answers.map(\.id) == truth.map(\.id), "\(what)")
        for (answer, exact) in zip(answers, truth) {
            #expect(abs(Double(answer.score) - exact.score) <= 1e-4 * max(abs(exact.score), 1e-3), "\(what)")
        }
    }

    @Test(arguments: VectorMetric.allCases)
    func `the flat index answers as exact search in double precision`(_ metric: VectorMetric) throws {
        let (store, data) = try load(FaissConfiguration(), metric)
        let truth = data.answers(metric.rawValue)
        #expect(!truth.isEmpty)
        let queries = Array(data.queries.prefix(truth.count))
        let batch = try store.queryBatch(QueryBatchRequest(collection: "wordnet", vectors: queries))
        for (number, exact) in truth.enumerated() {
            compare(batch[number], exact, "\(metric), query \(number) of a batch")
            let single = try store.query(QueryRequest(collection: "wordnet", vector: queries[number]))
            compare(single, exact, "\(metric), query \(number)")
        }
        guard metric == .cosine else { return }
        for (name, filter) in try data.filters() {
            for (number, exact) in data.answers("filtered", name).enumerated() {
                let options = QueryOptions(topK: 10, filter: filter)
                let answers = try store.query(
                    QueryRequest(collection: "wordnet", vector: queries[number], options: options))
                compare(answers, exact, "filter \(name), query \(number)")
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

/// The data set.
struct WordNet {
    static let directory = ProcessInfo.processInfo.environment["WORDNET_DATA"]

    let records: [VectorRecord]
    let queries: [[Float]]
    private let truth: PayloadValue

    init() throws {
        let directory = try #require(Self.directory)
        func read(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: directory + "/" + name)) }
        let vectors = try Self.rows(of: try read("vectors.npy"))
        let lines = try read("records.jsonl").split(separator: UInt8(ascii: "\n"))
        records = try zip(lines, vectors).map { line, vector in
            let record = try PayloadValue(json: line).objectValue ?? [:]
            return VectorRecord(
                id: try #require(record["id"]?.stringValue), vector: vector, payload: record["payload"]?.objectValue)
        }
        queries = try Self.rows(of: try read("queries.npy"))
        truth = try PayloadValue(json: try read("truth.json"))
    }

    /// The rows of a NumPy array of float32, version 1.
    private static func rows(of file: Data) throws -> [[Float]] {
        let start = 10 + Int(file[8]) + Int(file[9]) << 8
        let values = file.dropFirst(start).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        return stride(from: 0, to: values.count, by: 384).map { Array(values[$0..<$0 + 384]) }
    }

    /// The true answers to each query, best first.
    func answers(_ path: String...) -> [[(id: String, score: Double)]] {
        let answers = path.reduce(truth) { value, key in value.objectValue?[key] ?? nil }.arrayValue ?? []
        return answers.map { answer in
            (answer.arrayValue ?? []).compactMap { pair in
                guard let id = pair.arrayValue?.first?.stringValue, let score = pair.arrayValue?.last?.doubleValue
                else {
                    return nil
                }
                return (id, score)
            }
        }
    }

    /// The filters of the true answers, by name.
    func filters() throws -> [(String, VectorFilter)] {
        try (truth.objectValue?["filters"]?.objectValue ?? [:]).map { name, value in
            (name, try VectorFilter(parsing: try #require(value.stringValue)))
        }
    }
}
#endif
