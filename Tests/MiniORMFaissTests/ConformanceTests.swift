#if Faiss
import MiniORM
import MiniORMConformance
import Synchronization
import Testing

@testable import MiniORMFaiss

/// The conformance kit, in memory and in a directory, exact and approximate.
@Suite struct ConformanceTests {
    @Test(arguments: ConformanceCheck.all)
    func `flat, in memory`(_ check: ConformanceCheck) async throws {
        try await check(
            FaissHarness(configuration: FaissConfiguration(), isPersistent: false),
            undeclared: ["idPolicy .uuid", "isPersistent"])
    }

    @Test(arguments: ConformanceCheck.all)
    func `flat, in a directory`(_ check: ConformanceCheck) async throws {
        try await check(
            FaissHarness(configuration: FaissConfiguration(), isPersistent: true), undeclared: ["idPolicy .uuid"])
    }

    @Test(arguments: ConformanceCheck.all)
    func `a graph, in a directory`(_ check: ConformanceCheck) async throws {
        let configuration = FaissConfiguration(index: .hnsw(m: 16, efConstruction: 80, efSearch: 64))
        try await check(
            FaissHarness(configuration: configuration, isPersistent: true), undeclared: ["idPolicy .uuid", "isExact"])
    }

    @Test(arguments: ConformanceCheck.all)
    func `inverted lists, in memory`(_ check: ConformanceCheck) async throws {
        let configuration = FaissConfiguration(index: .ivfFlat(lists: 4, probes: 3))
        try await check(
            FaissHarness(configuration: configuration, isPersistent: false),
            undeclared: ["idPolicy .uuid", "isExact", "isPersistent"])
    }
}

private final class FaissHarness: ConformanceHarness {
    private let configuration: FaissConfiguration
    private let directory: TemporaryDirectory?
    init(configuration: FaissConfiguration, isPersistent: Bool) {
        self.configuration = configuration
        directory = isPersistent ? TemporaryDirectory() : nil
    }

    /// Of 4 lists 3 are read, and a few hundred records in a graph of 16 neighbours are nearly all looked at.
    var minimumRecall: Double { 0.85 }

    private func open() throws -> FaissVectorStore {
        guard let directory else { return try FaissVectorStore(configuration: configuration) }
        return try FaissVectorStore(directory: directory.path, configuration: configuration)
    }

    func makeStore() async throws -> ConformanceStore { .blocking(RestartedStore(try open())) }

    /// The store is closed first, so that its collections are read from their files; what holds it goes on with another
    /// one.
    func reopen(_ store: ConformanceStore) async throws -> ConformanceStore? {
        guard directory != nil, case .blocking(let store) = store, let store = store as? RestartedStore else {
            return nil
        }
        try store.faiss.close()
        let second = RestartedStore(try open())
        store.replace(try open())
        return .blocking(second)
    }

    func cleanUp(_ store: ConformanceStore) async throws {
        if case .blocking(let store) = store { try store.close() }
    }
}

/// A store that can be opened anew under those who hold it, and whose queries wait for the index that they are to
/// check: one that is made in the background would be ready after the check.
private final class RestartedStore: VectorStorePort {
    private let current: Mutex<FaissVectorStore>
    init(_ store: FaissVectorStore) { current = Mutex(store) }

    var faiss: FaissVectorStore { current.withLock { $0 } }
    func replace(_ store: FaissVectorStore) { current.withLock { $0 = store } }

    private func indexed() throws(VectorStoreError) -> FaissVectorStore {
        let store = faiss
        try store.waitForIndexes()
        return store
    }

    var name: String { faiss.name }
    var capabilities: StoreCapabilities { faiss.capabilities }
    func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        try faiss.createCollection(request)
    }
    func upsert(_ request: UpsertRequest) throws(VectorStoreError) { try faiss.upsert(request) }
    func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] {
        try indexed().query(request)
    }
    func queryBatch(_ request: QueryBatchRequest) throws(VectorStoreError) -> [[VectorSearchResult]] {
        try indexed().queryBatch(request)
    }
    func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] { try faiss.fetch(request) }
    func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int { try faiss.delete(request) }
    func deleteMatching(_ request: DeleteMatchingRequest) throws(VectorStoreError) -> Int {
        try faiss.deleteMatching(request)
    }
    func count(_ request: CountRequest) throws(VectorStoreError) -> Int { try faiss.count(request) }
    func scan(_ request: ScanRequest) throws(VectorStoreError) -> ScanPage { try faiss.scan(request) }
    func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        try faiss.describeCollection(name)
    }
    func listCollections() throws(VectorStoreError) -> [String] { try faiss.listCollections() }
    func dropCollection(_ name: String) throws(VectorStoreError) { try faiss.dropCollection(name) }
    func explain(_ request: ExplainRequest) throws(VectorStoreError) -> FilterPlan { try faiss.explain(request) }
    func close() throws(VectorStoreError) { try faiss.close() }
}
#endif
