import MiniORM
import Synchronization
import Testing

/// A store that notes its calls and answers nothing.
final class RecordingStore: VectorStorePort {
    let name = "recording"
    let capabilities: StoreCapabilities
    private let log = Mutex<[String]>([])

    init(idPolicy: VectorIdPolicy = .any) {
        var capabilities = StoreCapabilities()
        capabilities.idPolicy = idPolicy
        self.capabilities = capabilities
    }

    var calls: [String] { log.withLock { $0 } }
    private func note(_ call: String) { log.withLock { $0.append(call) } }

    func createCollection(_ request: CreateCollectionRequest) { note("create") }
    func upsert(_ request: UpsertRequest) { note("upsert") }
    func query(_ request: QueryRequest) -> [VectorSearchResult] {
        note("query")
        return []
    }
    func fetch(_ request: FetchRequest) -> [VectorRecord] {
        note("fetch")
        return []
    }
    func delete(_ request: DeleteRequest) -> Int {
        note("delete")
        return 0
    }
}

/// The embedded store seen through the five required calls only.
struct FiveCalls: VectorStorePort {
    let base = InMemoryVectorStore()
    var declared: StoreOperations = []

    var name: String { "five" }
    var capabilities: StoreCapabilities {
        var capabilities = base.capabilities
        capabilities.nativeOperations = declared
        return capabilities
    }

    func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        try base.createCollection(request)
    }
    func upsert(_ request: UpsertRequest) throws(VectorStoreError) { try base.upsert(request) }
    func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] { try base.query(request) }
    func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] { try base.fetch(request) }
    func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int { try base.delete(request) }
}
