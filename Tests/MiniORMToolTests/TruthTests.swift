import Foundation
import MiniORM
import Testing

/// The tool's answers on the sample that ships with it, against scores computed here in double precision.
@Suite struct TruthTests {
    private struct Record {
        var id: String
        var payload: [String: PayloadValue]
        var vector: [Double]
    }

    private let records: [Record]
    private let queries: [[Float]]

    init() throws {
        let vectors = try Self.rows("vectors.npy")
        let text = try String(contentsOfFile: Tool.sample + "/records.jsonl", encoding: .utf8)
        let lines = text.split(separator: "\n")
        try #require(lines.count == 2000 && vectors.count == 2000)
        records = try zip(lines, vectors).map { line, vector in
            let members = try #require(try PayloadValue(json: String(line)).objectValue)
            return Record(
                id: try #require(members["id"]?.stringValue), payload: try #require(members["payload"]?.objectValue),
                vector: vector.map(Double.init))
        }
        // The sentences of the sample, and sums of records, whose lengths are not 1.
        queries =
            try Self.rows("queries.npy") + (0..<40).map { zip(vectors[$0], vectors[1999 - 7 * $0]).map { $0 + $1 } }
    }

    private static func rows(_ name: String) throws -> [[Float]] {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: Tool.sample + "/" + name))
        let start = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
        let values = bytes.dropFirst(start).withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 4).map { at in
                Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
            }
        }
        return stride(from: 0, to: values.count, by: 384).map { Array(values[$0..<($0 + 384)]) }
    }

    private static func score(_ metric: VectorMetric, _ lhs: [Double], _ rhs: [Double]) -> Double {
        var dot = 0.0, left = 0.0, right = 0.0, distance = 0.0
        for index in lhs.indices {
            dot += lhs[index] * rhs[index]
            left += lhs[index] * lhs[index]
            right += rhs[index] * rhs[index]
            distance += (lhs[index] - rhs[index]) * (lhs[index] - rhs[index])
        }
        return switch metric {
        case .cosine: dot / (left * right).squareRoot()
        case .dot: dot
        case .l2: -distance.squareRoot()
        }
    }

    @Test(arguments: VectorMetric.allCases)
    func answersEqualTheTruth(_ metric: VectorMetric) throws {
        let scratch = try Scratch()
        let place = ["--store", "file:" + scratch.file("sample.db"), "--collection", "sample"]
        let imported = try Tool.run(
            Tool.process(
                ["import"] + place + [
                    "--metric", metric.rawValue, "--vectors", Tool.sample + "/vectors.npy", "--records",
                    Tool.sample + "/records.jsonl",
                ]))
        try #require(imported.status == 0, "\(imported.errors)")
        let file = try scratch.write("queries.npy", Numpy.file(queries))
        let scores = queries.map { query in
            let query = query.map(Double.init)
            return records.map { Self.score(metric, query, $0.vector) }
        }
        let filters: [(String, (Record) -> Bool)] = [
            ("true", { _ in true }), (#"pos == "verb""#, { $0.payload["pos"] == "verb" }),
            (
                #"topic in ["noun.animal","noun.plant"] and links >= 5"#,
                {
                    ["noun.animal", "noun.plant"].contains($0.payload["topic"]?.stringValue)
                        && $0.payload["links"]?.intValue ?? 0 >= 5
                }
            ), (#"pos != "noun""#, { $0.payload["pos"] != "noun" }),
        ]
        for (filter, matches) in filters {
            let matching = records.indices.filter { matches(records[$0]) }
            let arguments = ["query"] + place + ["--vectors", file, "--filter", filter, "--json"]
            let outcome = try Tool.run(Tool.process(arguments))
            try #require(outcome.lines.count == queries.count, "\(outcome.errors)")
            for (number, line) in outcome.lines.enumerated() {
                let truth = matching.map { (records[$0].id, scores[number][$0]) }.sorted { $0.1 > $1.1 }.prefix(10)
                let exact = Dictionary(uniqueKeysWithValues: matching.map { (records[$0].id, scores[number][$0]) })
                let hits = try #require(try PayloadValue(json: line).objectValue?["hits"]?.arrayValue)
                try #require(hits.count == truth.count)
                for (hit, (_, score)) in zip(hits, truth) {
                    let id = try #require(hit.objectValue?["id"]?.stringValue)
                    let found = try #require(hit.objectValue?["score"]?.doubleValue)
                    // At a near tie either record may come first; its score is its own all the same.
                    #expect(abs(found - score) <= 1e-5)
                    #expect(abs(found - (exact[id] ?? .infinity)) <= 1e-5)
                }
            }
        }
    }
}
