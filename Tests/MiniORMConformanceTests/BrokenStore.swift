import MiniORM
import MiniORMConformance

/// The embedded store's five required calls, each of which can be replaced by one that is wrong.
struct BrokenStore: VectorStorePort {
    let base = InMemoryVectorStore()
    var declared: StoreOperations = []
    var create: @Sendable (InMemoryVectorStore, CreateCollectionRequest) throws(VectorStoreError) -> Void = {
        base, request throws(VectorStoreError) in try base.createCollection(request)
    }
    var write: @Sendable (InMemoryVectorStore, UpsertRequest) throws(VectorStoreError) -> Void = {
        base, request throws(VectorStoreError) in try base.upsert(request)
    }
    var search: @Sendable (InMemoryVectorStore, QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] = {
        base, request throws(VectorStoreError) in try base.query(request)
    }
    var read: @Sendable (InMemoryVectorStore, FetchRequest) throws(VectorStoreError) -> [VectorRecord] = {
        base, request throws(VectorStoreError) in try base.fetch(request)
    }
    var remove: @Sendable (InMemoryVectorStore, DeleteRequest) throws(VectorStoreError) -> Int = {
        base, request throws(VectorStoreError) in try base.delete(request)
    }
    var batch: (@Sendable (InMemoryVectorStore, QueryBatchRequest) throws(VectorStoreError) -> [[VectorSearchResult]])?

    init(_ breaking: (inout BrokenStore) -> Void) { breaking(&self) }

    var name: String { base.name }
    var capabilities: StoreCapabilities {
        var capabilities = base.capabilities
        capabilities.isExact = true
        capabilities.isPersistent = false
        capabilities.nativeOperations = declared.union([.describeCollection, .listCollections, .dropCollection])
        return capabilities
    }

    func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) { try create(base, request) }
    func upsert(_ request: UpsertRequest) throws(VectorStoreError) { try write(base, request) }
    func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] { try search(base, request) }
    func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] { try read(base, request) }
    func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int { try remove(base, request) }
    func queryBatch(_ request: QueryBatchRequest) throws(VectorStoreError) -> [[VectorSearchResult]] {
        if let batch { return try batch(base, request) }
        var answers: [[VectorSearchResult]] = []
        for vector in request.vectors {
            answers.append(
                try query(QueryRequest(collection: request.collection, vector: vector, options: request.options)))
        }
        return answers
    }
    func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        try base.describeCollection(name)
    }
    func listCollections() throws(VectorStoreError) -> [String] { try base.listCollections() }
    func dropCollection(_ name: String) throws(VectorStoreError) { try base.dropCollection(name) }
}
