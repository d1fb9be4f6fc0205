#if PgVector
import MiniORM

/// An approximate index on a collection's vectors.
public struct PgVectorIndex: Sendable, Hashable {
    /// How its vectors are kept.
    public enum Precision: Sendable, Hashable {
        /// float32; up to 2,000 dimensions.
        case full
        /// float16, half the size; up to 4,000 dimensions. Answers are scored by the float32 vectors.
        case half
    }

    enum Method: Sendable, Hashable {
        case hnsw(m: Int, efConstruction: Int)
        case ivfflat(lists: Int)
    }

    let method: Method
    let effort: Int
    let precision: Precision

    /// A graph: slow to build, fast to search.
    ///
    /// - Parameters:
    ///   - m: Links of a node, 2 to 100.
    ///   - efConstruction: Candidates while building, 4 to 1,000, at least twice `m`.
    ///   - efSearch: Candidates of a search, 1 to 1,000; more find more.
    ///   - precision: How vectors are kept.
    public static func hnsw(
        m: Int = 16, efConstruction: Int = 64, efSearch: Int = 40, precision: Precision = .full
    ) -> Self {
        Self(method: .hnsw(m: m, efConstruction: efConstruction), effort: efSearch, precision: precision)
    }

    /// Lists of near vectors: quick to build, on data that is there already.
    ///
    /// - Parameters:
    ///   - lists: How many lists, 1 to 32,768; about a thousandth of the rows.
    ///   - probes: How many of them a search reads, 1 to 32,768; more find more.
    ///   - precision: How vectors are kept.
    public static func ivfflat(lists: Int, probes: Int = 1, precision: Precision = .full) -> Self {
        Self(method: .ivfflat(lists: lists), effort: probes, precision: precision)
    }

    /// Throws `VectorStoreError.Code.invalidArgument` where pgvector would refuse a parameter.
    func check(_ collection: String) throws(VectorStoreError) {
        func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws(VectorStoreError) {
            guard range.contains(value) else {
                throw .pgvector(
                    .invalidArgument, "\(name) is \(range.lowerBound) to \(range.upperBound), not \(value)",
                    collection: collection)
            }
        }
        switch method {
        case .hnsw(let m, let efConstruction):
            try check("m", m, 2...100)
            try check("efConstruction", efConstruction, max(4, 2 * m)...1000)
            try CollectionTable.Approximation.hnsw.check(effort: effort, collection)
        case .ivfflat(let lists):
            try check("lists", lists, 1...32_768)
            try CollectionTable.Approximation.ivfflat.check(effort: effort, collection)
        }
    }
}

extension CollectionTable.Approximation {
    /// Throws `VectorStoreError.Code.invalidArgument` where every search would fail.
    func check(effort: Int, _ collection: String) throws(VectorStoreError) {
        let (name, most) =
            switch self {
            case .hnsw: ("efSearch", 1000)
            case .ivfflat: ("probes", 32_768)
            }
        guard (1...most).contains(effort) else {
            throw .pgvector(
                .invalidArgument, "\(name) is 1 to \(most), not \(effort)", collection: collection)
        }
    }
}

/// What an index of half precision holds.
enum HalfPrecision {
    /// float16's largest number.
    static let largest = 65_504
    /// float16's smallest number with all its digits.
    static let smallest: Float = 6.1e-5
    /// The SQLSTATE where a number is beyond the largest.
    static let outOfRange = "22003"

    /// Whether every number is rounded to one of float16's.
    static func holds(_ vector: [Float]) -> Bool { vector.allSatisfy { abs($0) < 65_520 } }
}

/// How far the building of an index is.
public struct PgIndexProgress: Sendable, Hashable {
    /// PostgreSQL's name of the phase: `building index: loading tuples`.
    public let phase: String
    /// Blocks of the table that were read; 0 where the phase does not count them.
    public let blocksDone: Int
    /// Blocks of the table in total; 0 where the phase does not count them.
    public let blocksTotal: Int
    /// Rows done; 0 where the phase does not count them.
    public let rowsDone: Int
    /// Rows in total; 0 where the phase does not count them.
    public let rowsTotal: Int
}
#endif
