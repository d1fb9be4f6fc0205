#if Qdrant
import Foundation
import MiniORM
import MiniORMQdrant
import Testing

extension ServerTests {
    /// 20,000 embedded synsets of WordNet with their exact answers, from the directory that `WORDNET_DATA` names.
    @Suite(.enabled(if: WordNet.directory != nil, "WORDNET_DATA names no directory"))
    struct WordNetTests {
        private func compare(_ answers: [VectorSearchResult], _ truth: [(id: String, score: Double)], _ what: String) {
            #expect(answers.map(\.id) == truth.map(\.id), "\(what)")
            for (answer, exact) in zip(answers, truth) {
                #expect(abs(Double(answer.score) - exact.score) <= 1e-4 * max(abs(exact.score), 1e-3), "\(what)")
            }
        }

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
                    compare(batch[number], exact, "\(metric), query \(number)")
                }
                guard metric == .cosine else { return }
                for (name, filter) in try data.filters() {
                    let truth = data.answers("filtered", name)
                    let batch = try await repository.queryBatch(
                        Array(data.queries.prefix(truth.count)), filter: filter)
                    for (number, exact) in truth.enumerated() {
                        compare(batch[number], exact, "filter \(name), query \(number)")
                    }
                }
            }
        }
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
