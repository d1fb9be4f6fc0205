internal import Dispatch
internal import Synchronization

/// A store that suspends, as one that blocks: each call waits on the calling thread.
///
/// The asynchronous side runs on an executor of its own, so that the waiting thread is never the one it waits for.
/// A call that an ``OffloadedVectorStore`` above makes is cancelled with the task that awaits it.
/// Not for asynchronous code: a call made from within a task throws ``VectorStoreError/Code/invalidArgument``.
/// ``VectorRepository`` makes one where it is given a store that suspends.
public struct BlockingVectorStore: VectorStorePort {
    /// The store underneath.
    public let base: any AsyncVectorStorePort

    /// A face for a store.
    public init(_ base: any AsyncVectorStorePort) { self.base = base }

    /// The name of the store underneath.
    public var name: String { base.name }
    /// What the store underneath can do.
    public var capabilities: StoreCapabilities { base.capabilities }

    private func wait<Value: Sendable>(
        _ call: @escaping @Sendable (any AsyncVectorStorePort) async throws(VectorStoreError) -> Value
    ) throws(VectorStoreError) -> Value {
        guard withUnsafeCurrentTask(body: { $0 == nil }) else {
            throw VectorStoreError(
                .invalidArgument,
                "this call would block a thread of Swift's pool; in a task, use AsyncVectorRepository",
                store: name)
        }
        let base = base
        let answer = Answer<Value>()
        let task = Task.detached(executorPreference: QueueExecutor.next()) {
            do throws(VectorStoreError) { answer.give(.success(try await call(base))) } catch {
                answer.give(.failure(error))
            }
        }
        guard let flag = BlockingCall.flag else { return try answer.wait().get() }
        // Cancelled, the call still ends by itself, with the store's answer.
        return try flag.whenSet({ task.cancel() }, during: { () throws(VectorStoreError) in try answer.wait().get() })
    }

    private final class Answer<Value: Sendable>: Sendable {
        private let result = Mutex<Result<Value, VectorStoreError>?>(nil)
        private let given = DispatchSemaphore(value: 0)

        func give(_ value: Result<Value, VectorStoreError>) {
            result.withLock { $0 = value }
            given.signal()
        }

        func wait() -> Result<Value, VectorStoreError> {
            given.wait()
            return result.withLock { $0 } ?? .failure(VectorStoreError(.backend, "the call ended without an answer"))
        }
    }

    /// Forwards to the store underneath.
    public func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        try wait { base async throws(VectorStoreError) in try await base.createCollection(request) }
    }
    /// Forwards to the store underneath.
    public func upsert(_ request: UpsertRequest) throws(VectorStoreError) {
        try wait { base async throws(VectorStoreError) in try await base.upsert(request) }
    }
    /// Forwards to the store underneath.
    public func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] {
        try wait { base async throws(VectorStoreError) in try await base.query(request) }
    }
    /// Forwards to the store underneath.
    public func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] {
        try wait { base async throws(VectorStoreError) in try await base.fetch(request) }
    }
    /// Forwards to the store underneath.
    public func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int {
        try wait { base async throws(VectorStoreError) in try await base.delete(request) }
    }
    /// Forwards to the store underneath.
    public func queryBatch(_ request: QueryBatchRequest) throws(VectorStoreError) -> [[VectorSearchResult]] {
        try wait { base async throws(VectorStoreError) in try await base.queryBatch(request) }
    }
    /// Forwards to the store underneath.
    public func deleteMatching(_ request: DeleteMatchingRequest) throws(VectorStoreError) -> Int {
        try wait { base async throws(VectorStoreError) in try await base.deleteMatching(request) }
    }
    /// Forwards to the store underneath.
    public func count(_ request: CountRequest) throws(VectorStoreError) -> Int {
        try wait { base async throws(VectorStoreError) in try await base.count(request) }
    }
    /// Forwards to the store underneath.
    public func scan(_ request: ScanRequest) throws(VectorStoreError) -> ScanPage {
        try wait { base async throws(VectorStoreError) in try await base.scan(request) }
    }
    /// Forwards to the store underneath.
    public func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        try wait { base async throws(VectorStoreError) in try await base.describeCollection(name) }
    }
    /// Forwards to the store underneath.
    public func listCollections() throws(VectorStoreError) -> [String] {
        try wait { base async throws(VectorStoreError) in try await base.listCollections() }
    }
    /// Forwards to the store underneath.
    public func dropCollection(_ name: String) throws(VectorStoreError) {
        try wait { base async throws(VectorStoreError) in try await base.dropCollection(name) }
    }
    /// Forwards to the store underneath.
    public func explain(_ request: ExplainRequest) throws(VectorStoreError) -> FilterPlan {
        try wait { base async throws(VectorStoreError) in try await base.explain(request) }
    }
    /// Forwards to the store underneath.
    public func close() throws(VectorStoreError) {
        try wait { base async throws(VectorStoreError) in try await base.close() }
    }
}
