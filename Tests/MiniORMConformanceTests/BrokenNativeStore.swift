import MiniORM
import MiniORMConformance

/// The embedded store with all its operations, each of which can be replaced by one that is wrong.
struct BrokenNativeStore: VectorStorePort {
    typealias Call<Request, Answer> = @Sendable (InMemoryVectorStore, Request) throws(VectorStoreError) -> Answer

    var base = InMemoryVectorStore()
    var declare: @Sendable (inout StoreCapabilities) -> Void = { _ in }
    var create: Call<CreateCollectionRequest, Void> = { base, request throws(VectorStoreError) in
        try base.createCollection(request)
    }
    var write: Call<UpsertRequest, Void> = { base, request throws(VectorStoreError) in try base.upsert(request) }
    var search: Call<QueryRequest, [VectorSearchResult]> = { base, request throws(VectorStoreError) in
        try base.query(request)
    }
    var batch: Call<QueryBatchRequest, [[VectorSearchResult]]> = { base, request throws(VectorStoreError) in
        try base.queryBatch(request)
    }
    var read: Call<FetchRequest, [VectorRecord]> = { base, request throws(VectorStoreError) in try base.fetch(request) }
    var page: Call<ScanRequest, ScanPage> = { base, request throws(VectorStoreError) in try base.scan(request) }
    var remove: Call<DeleteRequest, Int> = { base, request throws(VectorStoreError) in try base.delete(request) }
    var sweep: Call<DeleteMatchingRequest, Int> = { base, request throws(VectorStoreError) in
        try base.deleteMatching(request)
    }
    var tally: Call<CountRequest, Int> = { base, request throws(VectorStoreError) in try base.count(request) }
    var plan: Call<ExplainRequest, FilterPlan> = { base, request throws(VectorStoreError) in try base.explain(request) }
    var list: @Sendable ([String]) -> [String] = { $0 }
    var drop: Call<String, Void> = { base, name throws(VectorStoreError) in try base.dropCollection(name) }

    init(_ breaking: (inout BrokenNativeStore) -> Void = { _ in }) { breaking(&self) }

    var name: String { base.name }
    var capabilities: StoreCapabilities {
        var capabilities = base.capabilities
        declare(&capabilities)
        return capabilities
    }

    func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) { try create(base, request) }
    func upsert(_ request: UpsertRequest) throws(VectorStoreError) { try write(base, request) }
    func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] { try search(base, request) }
    func queryBatch(_ request: QueryBatchRequest) throws(VectorStoreError) -> [[VectorSearchResult]] {
        try batch(base, request)
    }
    func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] { try read(base, request) }
    func scan(_ request: ScanRequest) throws(VectorStoreError) -> ScanPage { try page(base, request) }
    func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int { try remove(base, request) }
    func deleteMatching(_ request: DeleteMatchingRequest) throws(VectorStoreError) -> Int { try sweep(base, request) }
    func count(_ request: CountRequest) throws(VectorStoreError) -> Int { try tally(base, request) }
    func explain(_ request: ExplainRequest) throws(VectorStoreError) -> FilterPlan { try plan(base, request) }
    func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        try base.describeCollection(name)
    }
    func listCollections() throws(VectorStoreError) -> [String] { list(try base.listCollections()) }
    func dropCollection(_ name: String) throws(VectorStoreError) { try drop(base, name) }
}

extension VectorFilter {
    /// The filter with other leaves.
    func mappingLeaves(_ change: (VectorFilter) -> VectorFilter) -> VectorFilter {
        switch self {
        case .and(let terms): .and(terms.map { $0.mappingLeaves(change) })
        case .or(let terms): .or(terms.map { $0.mappingLeaves(change) })
        case .not(let term): .not(term.mappingLeaves(change))
        default: change(self)
        }
    }
}

extension UpsertRequest {
    func mapping(_ change: (inout VectorRecord) -> Void) -> UpsertRequest {
        var request = self
        for index in request.records.indices { change(&request.records[index]) }
        return request
    }
}
