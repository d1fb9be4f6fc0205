/// A store that blocks, as one that suspends: each call runs on one of a few threads of its own.
///
/// Never on the cooperative pool, whose threads other tasks need. Calls beyond the number of threads wait; one that
/// is cancelled while it waits never reaches the store. ``AsyncVectorRepository`` makes one where it is given a store
/// that blocks; make one yourself to share its threads or to choose their number.
public struct OffloadedVectorStore: AsyncVectorStorePort {
    /// The store underneath.
    public let base: any VectorStorePort
    private let threads: BlockingThreads

    /// A face for a store.
    ///
    /// - Parameters:
    ///   - base: The store that blocks.
    ///   - threads: How many calls run at once, at least 1.
    ///   - maximumWaiting: How many further calls wait; one more throws ``VectorStoreError/Code/unavailable``.
    public init(_ base: any VectorStorePort, threads: Int = 4, maximumWaiting: Int = 4096) {
        self.base = base
        self.threads = BlockingThreads(count: max(1, threads), maximumWaiting: max(0, maximumWaiting))
    }

    /// The name of the store underneath.
    public var name: String { base.name }
    /// What the store underneath can do.
    public var capabilities: StoreCapabilities { base.capabilities }

    private func run<Value: Sendable>(
        _ call: @escaping @Sendable (any VectorStorePort) throws(VectorStoreError) -> Value
    ) async throws(VectorStoreError) -> Value {
        let base = base
        return try await threads.run { () throws(VectorStoreError) in try call(base) }
    }

    /// Forwards to the store underneath.
    public func createCollection(_ request: CreateCollectionRequest) async throws(VectorStoreError) {
        try await run { base throws(VectorStoreError) in try base.createCollection(request) }
    }
    /// Forwards to the store underneath.
    public func upsert(_ request: UpsertRequest) async throws(VectorStoreError) {
        try await run { base throws(VectorStoreError) in try base.upsert(request) }
    }
    /// Forwards to the store underneath.
    public func query(_ request: QueryRequest) async throws(VectorStoreError) -> [VectorSearchResult] {
        try await run { base throws(VectorStoreError) in try base.query(request) }
    }
    /// Forwards to the store underneath.
    public func fetch(_ request: FetchRequest) async throws(VectorStoreError) -> [VectorRecord] {
        try await run { base throws(VectorStoreError) in try base.fetch(request) }
    }
    /// Forwards to the store underneath.
    public func delete(_ request: DeleteRequest) async throws(VectorStoreError) -> Int {
        try await run { base throws(VectorStoreError) in try base.delete(request) }
    }
    /// Forwards to the store underneath.
    public func queryBatch(_ request: QueryBatchRequest) async throws(VectorStoreError) -> [[VectorSearchResult]] {
        try await run { base throws(VectorStoreError) in try base.queryBatch(request) }
    }
    /// Forwards to the store underneath.
    public func deleteMatching(_ request: DeleteMatchingRequest) async throws(VectorStoreError) -> Int {
        try await run { base throws(VectorStoreError) in try base.deleteMatching(request) }
    }
    /// Forwards to the store underneath.
    public func count(_ request: CountRequest) async throws(VectorStoreError) -> Int {
        try await run { base throws(VectorStoreError) in try base.count(request) }
    }
    /// Forwards to the store underneath.
    public func scan(_ request: ScanRequest) async throws(VectorStoreError) -> ScanPage {
        try await run { base throws(VectorStoreError) in try base.scan(request) }
    }
    /// Forwards to the store underneath.
    public func describeCollection(_ name: String) async throws(VectorStoreError) -> CollectionDescription? {
        try await run { base throws(VectorStoreError) in try base.describeCollection(name) }
    }
    /// Forwards to the store underneath.
    public func listCollections() async throws(VectorStoreError) -> [String] {
        try await run { base throws(VectorStoreError) in try base.listCollections() }
    }
    /// Forwards to the store underneath.
    public func dropCollection(_ name: String) async throws(VectorStoreError) {
        try await run { base throws(VectorStoreError) in try base.dropCollection(name) }
    }
    /// Forwards to the store underneath.
    public func explain(_ request: ExplainRequest) async throws(VectorStoreError) -> FilterPlan {
        try await run { base throws(VectorStoreError) in try base.explain(request) }
    }
    /// Forwards to the store underneath.
    public func close() async throws(VectorStoreError) {
        try await run { base throws(VectorStoreError) in try base.close() }
    }
}
