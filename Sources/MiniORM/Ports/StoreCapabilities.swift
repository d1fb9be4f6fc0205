/// What a store can do, so that a caller can choose and the conformance kit knows what to expect.
public struct StoreCapabilities: Sendable, Hashable {
    /// The metrics that a collection can be created with.
    public var metrics: Set<VectorMetric> = Set(VectorMetric.allCases)
    /// Whether queries, counts, scans and deletes take a filter at all.
    public var supportsFilters = true
    /// The filter operators that the engine evaluates itself. The store finishes the others.
    public var pushedDownOperators: FilterOperators = []
    /// Which ids the store takes.
    public var idPolicy: VectorIdPolicy = .any
    /// Whether an upsert is all or nothing.
    public var isUpsertAtomic = false
    /// Whether answers are exact: no approximate index is between the query and the rows.
    public var isExact = false
    /// Whether collections outlive the store value, so that another one can open them.
    public var isPersistent = false
    /// Whether fetched vectors equal the stored ones bit for bit; otherwise within 1e-6, relative.
    public var keepsVectorBits = true
    /// The longest vector, where there is a limit.
    public var maximumDimension: Int?
    /// The largest `topK`, where there is a limit.
    public var maximumTopK: Int?
    /// The optional operations that the store implements itself.
    ///
    /// An operation that is declared here and not implemented (in a wrapper that forgot to forward it, say) throws,
    /// so that a fast path is never lost in silence.
    public var nativeOperations: StoreOperations = []

    /// The least a store can do.
    public init() {}
}

/// The operations of a port beyond the five that it must have.
public struct StoreOperations: OptionSet, Sendable, Hashable {
    /// The bits.
    public let rawValue: UInt32
    /// A set by its bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Many vectors in one call.
    public static let queryBatch = Self(rawValue: 1 << 0)
    /// Deleting by filter.
    public static let deleteMatching = Self(rawValue: 1 << 1)
    /// Counting.
    public static let count = Self(rawValue: 1 << 2)
    /// Reading a collection page by page.
    public static let scan = Self(rawValue: 1 << 3)
    /// Telling a collection's dimension and metric.
    public static let describeCollection = Self(rawValue: 1 << 4)
    /// Listing collections.
    public static let listCollections = Self(rawValue: 1 << 5)
    /// Dropping a collection.
    public static let dropCollection = Self(rawValue: 1 << 6)
    /// Saying how a filter is evaluated.
    public static let explain = Self(rawValue: 1 << 7)
    /// Closing connections and files.
    public static let close = Self(rawValue: 1 << 8)

    /// Every optional operation.
    public static let all: Self = [
        .queryBatch, .deleteMatching, .count, .scan, .describeCollection, .listCollections, .dropCollection, .explain,
        .close,
    ]
}

/// The operators of a ``VectorFilter``.
public struct FilterOperators: OptionSet, Sendable, Hashable {
    /// The bits.
    public let rawValue: UInt32
    /// A set by its bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// `==`
    public static let equal = Self(rawValue: 1 << 0)
    /// `!=`
    public static let notEqual = Self(rawValue: 1 << 1)
    /// `<`, `<=`, `>` and `>=`
    public static let order = Self(rawValue: 1 << 2)
    /// `in`
    public static let isIn = Self(rawValue: 1 << 3)
    /// `contains`
    public static let contains = Self(rawValue: 1 << 4)
    /// `exists`
    public static let exists = Self(rawValue: 1 << 5)
    /// `and`
    public static let and = Self(rawValue: 1 << 6)
    /// `or`
    public static let or = Self(rawValue: 1 << 7)
    /// `not`
    public static let not = Self(rawValue: 1 << 8)

    /// Every operator.
    public static let all: Self = [.equal, .notEqual, .order, .isIn, .contains, .exists, .and, .or, .not]
}
