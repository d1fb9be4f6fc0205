#if Qdrant
public import MiniORM

/// How a ``QdrantVectorStore`` connects, writes, searches and creates collections.
public struct QdrantOptions: Sendable {
    /// Which ids the store takes. Under `.uuid` an id in canonical form (lower case) is the point's own id.
    public var idPolicy: VectorIdPolicy = .any
    /// What new collections are created with.
    public var collection = QdrantCollectionOptions()
    /// How queries are run.
    public var search = QdrantSearchOptions()
    /// How records are written.
    public var write = QdrantWriteOptions()
    /// How the server is reached.
    public var connection = QdrantConnectionOptions()

    /// The defaults: any id, the server's own choices for collections, approximate search, 30 s for each call.
    public init() {}
}

/// How a server is reached.
public struct QdrantConnectionOptions: Sendable {
    /// How long a call may take, retries and their pauses included. An upsert is as many calls as it has batches.
    public var deadline: Duration = .seconds(30)
    /// How often calls are repeated that the server could not take (`UNAVAILABLE`) or did not want to
    /// (`RESOURCE_EXHAUSTED`); a pause that the server asks for is kept. A call whose connection was lost before the
    /// answer is repeated if it reads; for one that writes see ``QdrantWriteOptions/repeatsLostWrites``.
    public var retry = RetryPolicy()
    /// How often the connection is pinged, with or without calls under way, so that one that was lost without a word is
    /// noticed: it is closed when a ping goes unanswered for 10 s, or for half of this if that is less, and calls on it
    /// fail, or are sent again on a new one: see ``retry``. A proxy before the server may want this longer; it then answers with `GOAWAY`.
    public var keepAlive: Duration = .seconds(30)
    /// The largest reply accepted, in bytes; at least 1 MB. Where a page of records would be larger, fewer are asked
    /// for; one record that is larger alone cannot be read.
    public var maximumReplyBytes = 256 << 20
    /// The certificates that `qdrants://` trusts, as a PEM file; `nil` for the system's.
    public var trustedCertificates: String?
    /// Whether `qdrants://` checks the server's certificate and its name. Only a test should turn this off.
    public var verifiesCertificates = true

    /// The defaults.
    public init() {}
}

/// How records are written.
public struct QdrantWriteOptions: Sendable {
    /// How many records a request holds, at the most; a lower limit of the server's strict mode counts instead.
    public var batchCount = 256
    /// How many bytes a request holds, about. A single larger record is sent alone.
    public var batchBytes = 8 << 20
    /// How many requests of one upsert are under way at a time: 1 to 8. Of all calls of a store, eight requests of more
    /// than 64 KB are; others wait.
    public var requestsInFlight = 4
    /// Whether a write returns when the server has applied it. Without, a read may not see it yet.
    public var waits = true
    /// Whether an upsert, a deletion or a drop is sent again after the connection was lost before the server answered, or a
    /// gateway had no answer.
    ///
    /// The server may have the first copy still and apply it late, after the second one was acknowledged and even after
    /// what was written since, which it would undo. So by default such a call fails, with
    /// `VectorStoreError.Code.partialWrite` or `VectorStoreError.Code.unavailable`, and whether to send it again is up to
    /// you. Turn this on where records are not written again soon, as in a bulk load.
    public var repeatsLostWrites = false
    /// The order of writes that meet at one record in a cluster; `nil` for the server's default, weak.
    public var ordering: Ordering?

    /// The order of writes.
    public enum Ordering: Sendable, Hashable, CaseIterable {
        /// Any replica orders; the fastest.
        case weak
        /// A leader that may change orders.
        case medium
        /// A fixed leader orders.
        case strong
    }

    /// The defaults.
    public init() {}
}

/// How queries are run.
public struct QdrantSearchOptions: Sendable {
    /// Whether every vector is compared, past any index: exact, and slower. Ties at the cut are then ordered by id.
    public var exact = false
    /// How many candidates the HNSW index keeps in a query; `nil` for the collection's own.
    public var ef: Int?
    /// Whether the best of a quantised search are scored again by their full vectors; `nil` for yes, as the scores of
    /// scalar and product quantisation are not the contract's.
    public var rescore: Bool?
    /// How many more candidates a quantised search takes before that, as a factor of at least 1.
    public var oversampling: Double?
    /// How many replicas of a cluster have to agree on what is read; `nil` for one.
    public var consistency: Consistency?

    /// Which replicas answer a read.
    public enum Consistency: Sendable, Hashable {
        /// All of them.
        case all
        /// All are asked; what most of them say counts.
        case majority
        /// Most are asked; what all of these say counts.
        case quorum
        /// This many, at least 1.
        case replicas(Int)
    }

    /// The defaults.
    public init() {}
}
#endif
