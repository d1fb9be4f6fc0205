/// What a store that suspends (over a network, say) implements: five operations, and the others where it can do
/// better than the defaults.
///
/// - Important: Swift lets a synchronous method be the witness of an `async` requirement. A method that blocks, or
///   computes for long, must not be one: it would hold a thread of the cooperative pool. Conform to
///   ``VectorStorePort`` then; ``AsyncVectorRepository`` takes either and runs a blocking store on threads of its own.
public protocol AsyncVectorStorePort: Sendable {
    /// The store's name in errors and tables: `memory`, `pgvector`, ...
    var name: String { get }
    /// What the store can do.
    var capabilities: StoreCapabilities { get }

    /// Creates a collection, or makes sure that it is there; see ``CreateCollectionRequest/Mode``.
    func createCollection(_ request: CreateCollectionRequest) async throws(VectorStoreError)

    /// Inserts records, or replaces them whole.
    func upsert(_ request: UpsertRequest) async throws(VectorStoreError)

    /// The records nearest to a vector, best first, ties by id.
    ///
    /// Returns `min(topK, matches)` answers: an index that finds fewer is asked again, wider or exactly.
    func query(_ request: QueryRequest) async throws(VectorStoreError) -> [VectorSearchResult]

    /// Records by id, in any order, those that are missing left out; every record for `nil`.
    ///
    /// Throws ``VectorStoreError/Code/collectionNotFound`` for a missing collection, for an empty list of ids too.
    func fetch(_ request: FetchRequest) async throws(VectorStoreError) -> [VectorRecord]

    /// Deletes records by id, and says how many there were.
    func delete(_ request: DeleteRequest) async throws(VectorStoreError) -> Int

    /// Answers as by ``query(_:)``, vector by vector.
    ///
    /// Optional.
    func queryBatch(_ request: QueryBatchRequest) async throws(VectorStoreError) -> [[VectorSearchResult]]

    /// Deletes the records that match, and says how many there were.
    ///
    /// Optional.
    func deleteMatching(_ request: DeleteMatchingRequest) async throws(VectorStoreError) -> Int

    /// The number of records that match.
    ///
    /// Optional.
    func count(_ request: CountRequest) async throws(VectorStoreError) -> Int

    /// A page of the records that match, every record once over all pages, in the engine's order.
    ///
    /// Optional.
    func scan(_ request: ScanRequest) async throws(VectorStoreError) -> ScanPage

    /// What a collection is, or `nil` if there is none of that name.
    ///
    /// Optional, and without a default that could do it: it throws ``VectorStoreError/Code/invalidArgument``.
    func describeCollection(_ name: String) async throws(VectorStoreError) -> CollectionDescription?

    /// The names of the collections that this store can open, ordered by their UTF-8 bytes.
    ///
    /// Optional, and without a default that could do it: it throws ``VectorStoreError/Code/invalidArgument``.
    func listCollections() async throws(VectorStoreError) -> [String]

    /// Drops a collection with its data, if this library created it.
    ///
    /// Optional, and without a default that could do it: it throws ``VectorStoreError/Code/invalidArgument``.
    func dropCollection(_ name: String) async throws(VectorStoreError)

    /// How the store evaluates a filter.
    ///
    /// Optional.
    func explain(_ request: ExplainRequest) async throws(VectorStoreError) -> FilterPlan

    /// Closes what the store holds open: connections, files. Optional.
    func close() async throws(VectorStoreError)
}

extension AsyncVectorStorePort {
    /// Whether the store takes filters.
    public var supportsFilters: Bool { capabilities.supportsFilters }
    /// Which ids the store takes.
    public var idPolicy: VectorIdPolicy { capabilities.idPolicy }
}

// The defaults: each refuses to stand in for an operation that the store declares as its own.
extension AsyncVectorStorePort {
    /// One query after the other.
    public func queryBatch(_ request: QueryBatchRequest) async throws(VectorStoreError) -> [[VectorSearchResult]] {
        try PortDefaults.check(.queryBatch, name, capabilities)
        var answers: [[VectorSearchResult]] = []
        for vector in request.vectors {
            answers.append(
                try await query(
                    QueryRequest(collection: request.collection, vector: vector, options: request.options)))
        }
        return answers
    }

    /// Fetches every record and deletes those that match.
    public func deleteMatching(_ request: DeleteMatchingRequest) async throws(VectorStoreError) -> Int {
        try PortDefaults.check(.deleteMatching, name, capabilities)
        let records = try await fetch(FetchRequest(collection: request.collection, ids: nil))
        let ids = records.filter { request.filter.matches($0.payload) }.map(\.id)
        return ids.isEmpty ? 0 : try await delete(DeleteRequest(collection: request.collection, ids: ids))
    }

    /// Fetches every record and counts those that match.
    public func count(_ request: CountRequest) async throws(VectorStoreError) -> Int {
        try PortDefaults.check(.count, name, capabilities)
        let records = try await fetch(FetchRequest(collection: request.collection, ids: nil))
        guard let filter = request.filter else { return records.count }
        return records.count { filter.matches($0.payload) }
    }

    /// Fetches every record once, and cuts that into pages.
    public func scan(_ request: ScanRequest) async throws(VectorStoreError) -> ScanPage {
        try PortDefaults.check(.scan, name, capabilities)
        if let cursor = request.cursor { return try PortDefaults.page(after: cursor, request) }
        let records = try await fetch(FetchRequest(collection: request.collection, ids: nil))
        return PortDefaults.firstPage(of: records, request)
    }

    /// Throws ``VectorStoreError/Code/invalidArgument``.
    public func describeCollection(_ name: String) async throws(VectorStoreError) -> CollectionDescription? {
        throw PortDefaults.missing(.describeCollection, "describe a collection", name, capabilities)
    }

    /// Throws ``VectorStoreError/Code/invalidArgument``.
    public func listCollections() async throws(VectorStoreError) -> [String] {
        throw PortDefaults.missing(.listCollections, "list collections", name, capabilities)
    }

    /// Throws ``VectorStoreError/Code/invalidArgument``.
    public func dropCollection(_ name: String) async throws(VectorStoreError) {
        throw PortDefaults.missing(.dropCollection, "drop a collection", name, capabilities)
    }

    /// Everything on our side.
    public func explain(_ request: ExplainRequest) async throws(VectorStoreError) -> FilterPlan {
        try PortDefaults.check(.explain, name, capabilities)
        return FilterPlan(pushedDown: nil, finished: request.filter, native: "")
    }

    /// Nothing to close.
    public func close() async throws(VectorStoreError) {
        try PortDefaults.check(.close, name, capabilities)
    }
}
