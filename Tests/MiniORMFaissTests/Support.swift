#if Faiss
import Foundation
import MiniORM
import MiniORMFaiss
import Testing

/// A directory of a test's own, gone with it.
final class TemporaryDirectory: Sendable {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("mini-orm-faiss-\(UUID())").path
    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The files of a collection whose name needs no escaping.
    func files(_ collection: String, _ prefix: String) throws -> [String] {
        let directory = path + "/collection-" + collection
        return try FileManager.default.contentsOfDirectory(atPath: directory)
            .filter { $0.hasPrefix(prefix) }.map { directory + "/" + $0 }
    }
}

/// Numbers that are the same in every run.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }

    mutating func vector(_ dimension: Int) -> [Float] { (0..<dimension).map { _ in .random(in: -1...1, using: &self) } }
}

extension VectorStorePort {
    func make(
        _ name: String, _ dimension: Int, _ metric: VectorMetric = .cosine, mode: CreateCollectionRequest.Mode = .create
    ) throws {
        try createCollection(
            CreateCollectionRequest(
                collection: CollectionDescription(name: name, dimension: dimension, metric: metric), mode: mode))
    }

    func put(_ name: String, _ records: [VectorRecord]) throws {
        try upsert(UpsertRequest(collection: name, records: records))
    }

    func all(_ name: String) throws -> [VectorRecord] {
        try fetch(FetchRequest(collection: name, ids: nil)).sorted { UTF8Key($0.id) < UTF8Key($1.id) }
    }
}

/// The obvious slow search: every record compared in double precision, ties by id.
func exactAnswers(_ model: InMemoryVectorStore, _ request: QueryRequest) throws -> [VectorSearchResult] {
    let metric = try #require(try model.describeCollection(request.collection)?.metric)
    let options = request.options
    var answers: [VectorSearchResult] = []
    for record in try model.all(request.collection) where options.filter?.matches(record.payload) ?? true {
        var dot = 0.0
        var norms = (query: 0.0, record: 0.0)
        var distance = 0.0
        for (lhs, rhs) in zip(request.vector, record.vector) {
            let (lhs, rhs) = (Double(lhs), Double(rhs))
            dot += lhs * rhs
            norms.query += lhs * lhs
            norms.record += rhs * rhs
            distance += (lhs - rhs) * (lhs - rhs)
        }
        let lengths = norms.query.squareRoot() * norms.record.squareRoot()
        let score =
            switch metric {
            case .cosine: lengths > 0 ? Float(max(-1, min(1, dot / lengths))) : 0
            case .dot: Float(dot)
            case .l2: -Float(distance.squareRoot())
            }
        answers.append(
            VectorSearchResult(
                id: record.id, score: score, payload: record.payload,
                vector: options.includeVectors ? record.vector : nil))
    }
    answers.sort { $0.score != $1.score ? $0.score > $1.score : UTF8Key($0.id) < UTF8Key($1.id) }
    return Array(answers.prefix(max(0, options.topK)))
}

/// Random records, ids `r0` and on.
func randomRecords(_ count: Int, dimension: Int, seed: UInt64) -> [VectorRecord] {
    var random = Seeded(seed)
    return (0..<count).map { number in
        VectorRecord(id: "r\(number)", vector: random.vector(dimension), payload: ["number": .int(Int64(number))])
    }
}
#endif
