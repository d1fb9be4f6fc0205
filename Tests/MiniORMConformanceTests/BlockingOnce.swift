import MiniORM
import MiniORMConformance

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A store that calls itself asynchronous and, in one of its operations, sleeps on the thread it is called on; or that
/// answers a cancelled task with an error of another kind.
struct BlockingOnce: AsyncVectorStorePort {
    enum Operation: Sendable { case create, describe, list, drop, deleteMatching, none }

    let base = InMemoryVectorStore()
    let operation: Operation
    var hidesCancellation = false

    init(_ operation: Operation, hidesCancellation: Bool = false) {
        self.operation = operation
        self.hidesCancellation = hidesCancellation
    }

    private func block(_ current: Operation) { if current == operation { usleep(200) } }

    let name = "blocking once"
    var capabilities: StoreCapabilities {
        var capabilities = base.capabilities
        capabilities.nativeOperations = [.describeCollection, .listCollections, .dropCollection, .deleteMatching]
        return capabilities
    }
    func createCollection(_ request: CreateCollectionRequest) async throws(VectorStoreError) {
        block(.create)
        try base.createCollection(request)
    }
    func upsert(_ request: UpsertRequest) async throws(VectorStoreError) { try base.upsert(request) }
    func query(_ request: QueryRequest) async throws(VectorStoreError) -> [VectorSearchResult] {
        if Task.isCancelled {
            throw VectorStoreError(hidesCancellation ? .backend : .cancelled, "the connection was closed")
        }
        return try base.query(request)
    }
    func fetch(_ request: FetchRequest) async throws(VectorStoreError) -> [VectorRecord] { try base.fetch(request) }
    func delete(_ request: DeleteRequest) async throws(VectorStoreError) -> Int { try base.delete(request) }
    func deleteMatching(_ request: DeleteMatchingRequest) async throws(VectorStoreError) -> Int {
        block(.deleteMatching)
        return try base.deleteMatching(request)
    }
    func describeCollection(_ name: String) async throws(VectorStoreError) -> CollectionDescription? {
        block(.describe)
        return try base.describeCollection(name)
    }
    func listCollections() async throws(VectorStoreError) -> [String] {
        block(.list)
        return try base.listCollections()
    }
    func dropCollection(_ name: String) async throws(VectorStoreError) {
        block(.drop)
        try base.dropCollection(name)
    }
}
