import MiniORM
import MiniORMConformance
import Synchronization

/// The embedded store with a journal of what was written, from which another one is made, as after a restart.
final class JournaledStore: VectorStorePort {
    private enum Entry: Sendable {
        case create(CreateCollectionRequest)
        case upsert(UpsertRequest)
        case delete(DeleteRequest)
        case drop(String)
    }

    /// What is lost on the way.
    enum Loss: Sendable { case nothing, everything, deletions, drops, metrics, replacements }

    private let base: InMemoryVectorStore
    private let journal = Mutex<[Entry]>([])

    init(_ base: InMemoryVectorStore = InMemoryVectorStore()) { self.base = base }

    /// A store of what the journal has, and what is not lost.
    func reopened(losing loss: Loss) throws -> JournaledStore {
        let store = InMemoryVectorStore()
        if loss == .everything { return JournaledStore(store) }
        for entry in journal.withLock({ $0 }) {
            switch entry {
            case .create(var request):
                if loss == .metrics { request.collection.metric = .cosine }
                try store.createCollection(request)
            case .upsert(var request):
                if loss == .replacements {
                    let ids = request.records.map(\.id)
                    let present = try store.fetch(FetchRequest(collection: request.collection, ids: ids))
                    let known = Set(present.map(\.id))
                    request.records.removeAll { known.contains($0.id) }
                }
                try store.upsert(request)
            case .delete(let request): if loss != .deletions { _ = try store.delete(request) }
            case .drop(let name): if loss != .drops { try store.dropCollection(name) }
            }
        }
        return JournaledStore(store)
    }

    private func note(_ entry: Entry) { journal.withLock { $0.append(entry) } }

    let name = "journaled"
    var capabilities: StoreCapabilities {
        var capabilities = base.capabilities
        capabilities.isPersistent = true
        capabilities.nativeOperations = [.describeCollection, .listCollections, .dropCollection]
        return capabilities
    }

    func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        try base.createCollection(request)
        note(.create(request))
    }
    func upsert(_ request: UpsertRequest) throws(VectorStoreError) {
        try base.upsert(request)
        note(.upsert(request))
    }
    func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] { try base.query(request) }
    func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] { try base.fetch(request) }
    func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int {
        note(.delete(request))
        return try base.delete(request)
    }
    func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        try base.describeCollection(name)
    }
    func listCollections() throws(VectorStoreError) -> [String] { try base.listCollections() }
    func dropCollection(_ name: String) throws(VectorStoreError) {
        try base.dropCollection(name)
        note(.drop(name))
    }
}
