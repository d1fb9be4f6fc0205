/// What a port is asked: values, so that a new option does not break a third party's store.
///
/// A repository has checked them: vectors are finite and of the right length, ids are valid and unique within a
/// request, payloads hold what every store can keep (no ``PayloadValue/rich(_:)``, no NaN, at most
/// ``RepositoryLimits/payloadDepth`` levels).
public struct CreateCollectionRequest: Sendable {
    /// What to do when the collection is there already.
    public enum Mode: Sendable, Hashable {
        /// Throw ``VectorStoreError/Code/collectionAlreadyExists``.
        case create
        /// Drop it with its data, if this library created it, and create it anew.
        case overwrite
        /// Keep it if dimension and metric are the same, else throw ``VectorStoreError/Code/collectionMismatch``.
        case ensure
    }

    /// What to create.
    public var collection: CollectionDescription
    /// What to do when it is there already.
    public var mode: Mode

    /// A request.
    public init(collection: CollectionDescription, mode: Mode = .create) {
        self.collection = collection
        self.mode = mode
    }
}

/// Records to insert or to replace, whole.
public struct UpsertRequest: Sendable {
    /// The collection.
    public var collection: String
    /// The records; of several with one id the last one counts. A repository sends each id once.
    public var records: [VectorRecord]

    /// A request.
    public init(collection: String, records: [VectorRecord]) {
        self.collection = collection
        self.records = records
    }
}

/// What the answers to a query are and hold.
public struct QueryOptions: Sendable, Hashable {
    /// How many answers, at the most.
    public var topK: Int
    /// Which records are asked for.
    public var filter: VectorFilter?
    /// Answers with a lower score are left out.
    public var minScore: Float?
    /// Whether answers hold the vector.
    public var includeVectors: Bool

    /// Options.
    public init(topK: Int = 10, filter: VectorFilter? = nil, minScore: Float? = nil, includeVectors: Bool = false) {
        self.topK = topK
        self.filter = filter
        self.minScore = minScore
        self.includeVectors = includeVectors
    }
}

/// The records nearest to a vector.
public struct QueryRequest: Sendable {
    /// The collection.
    public var collection: String
    /// The vector to compare with.
    public var vector: [Float]
    /// What the answers are and hold.
    public var options: QueryOptions

    /// A request.
    public init(collection: String, vector: [Float], options: QueryOptions = QueryOptions()) {
        self.collection = collection
        self.vector = vector
        self.options = options
    }
}

/// The records nearest to each of many vectors.
public struct QueryBatchRequest: Sendable {
    /// The collection.
    public var collection: String
    /// The vectors to compare with.
    public var vectors: [[Float]]
    /// What the answers are and hold.
    public var options: QueryOptions

    /// A request.
    public init(collection: String, vectors: [[Float]], options: QueryOptions = QueryOptions()) {
        self.collection = collection
        self.vectors = vectors
        self.options = options
    }
}

/// Records by id.
public struct FetchRequest: Sendable {
    /// The collection.
    public var collection: String
    /// The ids, or `nil` for every record. An empty list answers `[]` for a collection that is there.
    public var ids: [String]?

    /// A request.
    public init(collection: String, ids: [String]?) {
        self.collection = collection
        self.ids = ids
    }
}

/// Records to delete by id.
public struct DeleteRequest: Sendable {
    /// The collection.
    public var collection: String
    /// The ids. A repository sends each once.
    public var ids: [String]

    /// A request.
    public init(collection: String, ids: [String]) {
        self.collection = collection
        self.ids = ids
    }
}

/// Records to delete by filter.
public struct DeleteMatchingRequest: Sendable {
    /// The collection.
    public var collection: String
    /// Which records go.
    public var filter: VectorFilter

    /// A request.
    public init(collection: String, filter: VectorFilter) {
        self.collection = collection
        self.filter = filter
    }
}

/// How many records there are.
public struct CountRequest: Sendable {
    /// The collection.
    public var collection: String
    /// Which records count.
    public var filter: VectorFilter?

    /// A request.
    public init(collection: String, filter: VectorFilter? = nil) {
        self.collection = collection
        self.filter = filter
    }
}

/// A page of a collection's records.
public struct ScanRequest: Sendable {
    /// The collection.
    public var collection: String
    /// Which records are asked for.
    public var filter: VectorFilter?
    /// How many records a page holds, at the most. At least 1.
    public var pageSize: Int
    /// Where the page before ended; `nil` for the first page.
    public var cursor: ScanCursor?

    /// A request.
    public init(collection: String, filter: VectorFilter? = nil, pageSize: Int, cursor: ScanCursor? = nil) {
        self.collection = collection
        self.filter = filter
        self.pageSize = pageSize
        self.cursor = cursor
    }
}

/// Where a page ended, in the store's own terms: an id, an offset, a snapshot.
public struct ScanCursor: Sendable {
    /// The store's own state.
    public let state: any Sendable

    /// A cursor around a store's state.
    public init(_ state: any Sendable) { self.state = state }
}

/// A page of records and where the next one begins.
public struct ScanPage: Sendable {
    /// The records; a page can be empty and not the last.
    public var records: [VectorRecord]
    /// Where the next page begins; `nil` after the last.
    public var next: ScanCursor?

    /// A page.
    public init(records: [VectorRecord], next: ScanCursor?) {
        self.records = records
        self.next = next
    }
}

/// How a store would evaluate a filter.
public struct ExplainRequest: Sendable {
    /// The collection.
    public var collection: String
    /// The filter.
    public var filter: VectorFilter

    /// A request.
    public init(collection: String, filter: VectorFilter) {
        self.collection = collection
        self.filter = filter
    }
}

/// How a store evaluates a filter: a part in the engine, the rest on our side.
public struct FilterPlan: Sendable, Hashable {
    /// What the engine evaluates; `nil` for nothing.
    public var pushedDown: VectorFilter?
    /// What is evaluated on our side, on the engine's answers; `nil` for nothing.
    public var finished: VectorFilter?
    /// The engine's own text for what is pushed down: SQL, JSON, a description of an index.
    public var native: String

    /// A plan.
    public init(pushedDown: VectorFilter?, finished: VectorFilter?, native: String) {
        self.pushedDown = pushedDown
        self.finished = finished
        self.native = native
    }
}
