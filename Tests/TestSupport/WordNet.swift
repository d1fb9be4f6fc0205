import Foundation
public import MiniORM
public import Testing

/// 20,000 embedded synsets of WordNet with their exact answers.
public struct WordNet: Sendable {
    /// Where they are: the directory that `WORDNET_DATA` names.
    public static let directory = ProcessInfo.processInfo.environment["WORDNET_DATA"]

    /// Every synset, with a vector of 384 dimensions.
    public let records: [VectorRecord]
    /// 500 vectors to look for.
    public let queries: [[Float]]
    private let truth: PayloadValue

    /// Reads all of it.
    public init() throws {
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
    public func answers(_ path: String...) -> [[(id: String, score: Double)]] {
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
    public func filters() throws -> [(String, VectorFilter)] {
        try (truth.objectValue?["filters"]?.objectValue ?? [:]).map { name, value in
            (name, try VectorFilter(parsing: try #require(value.stringValue)))
        }
    }

    /// Expects the answers to be the true ones: the same ids in the same order, scores to 1e-4.
    public static func expect(
        _ answers: [VectorSearchResult], equal truth: [(id: String, score: Double)], _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(answers.map(\.id) == truth.map(\.id), "\(what)", sourceLocation: sourceLocation)
        for (answer, exact) in zip(answers, truth) {
            #expect(
                abs(Double(answer.score) - exact.score) <= 1e-4 * max(abs(exact.score), 1e-3), "\(what)",
                sourceLocation: sourceLocation)
        }
    }
}
