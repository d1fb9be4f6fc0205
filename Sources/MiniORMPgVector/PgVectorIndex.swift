#if PgVector
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
    ///   - probes: How many of them a search reads, at least 1; more find more.
    ///   - precision: How vectors are kept.
    public static func ivfflat(lists: Int, probes: Int = 1, precision: Precision = .full) -> Self {
        Self(method: .ivfflat(lists: lists), effort: probes, precision: precision)
    }
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
