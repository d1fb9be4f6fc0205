import MiniORM
import Synchronization

/// The slow and obvious in-memory store, which the fast one is compared with.
final class ModelVectorStore: VectorStorePort {
    private struct Collection {
        var description: CollectionDescription
        var records: [UTF8Key: VectorRecord] = [:]
    }

    private let collections = Mutex<[UTF8Key: Collection]>([:])

    /// `model`.
    var name: String { "model" }

    /// Exact and atomic.
    var capabilities: StoreCapabilities {
        var capabilities = StoreCapabilities()
        capabilities.pushedDownOperators = .all
        capabilities.isExact = true
        capabilities.isUpsertAtomic = true
        capabilities.nativeOperations = [.describeCollection, .listCollections, .dropCollection]
        return capabilities
    }

    /// Creates a collection.
    func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        try collections.withLock { collections throws(VectorStoreError) in
            let key = UTF8Key(request.collection.name)
            if let present = collections[key], request.mode != .overwrite {
                guard request.mode == .ensure else {
                    throw VectorStoreError(.collectionAlreadyExists, "the collection is there already")
                }
                guard present.description.dimension == request.collection.dimension,
                    present.description.metric == request.collection.metric
                else { throw VectorStoreError(.collectionMismatch, "it has another dimension or metric") }
                return
            }
            collections[key] = Collection(description: request.collection)
        }
    }

    private func with<Value>(
        _ name: String, _ body: (inout Collection) -> Value
    ) throws(VectorStoreError) -> Value {
        try collections.withLock { collections throws(VectorStoreError) in
            guard var collection = collections[UTF8Key(name)] else {
                throw VectorStoreError(.collectionNotFound, "there is no such collection", collection: name)
            }
            let value = body(&collection)
            collections[UTF8Key(name)] = collection
            return value
        }
    }

    /// Inserts or replaces.
    func upsert(_ request: UpsertRequest) throws(VectorStoreError) {
        try with(request.collection) { collection in
            for record in request.records { collection.records[UTF8Key(record.id)] = record }
        }
    }

    /// Scores every record.
    func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] {
        let (metric, records) = try with(request.collection) { ($0.description.metric, Array($0.records.values)) }
        let options = request.options
        var scored: [VectorSearchResult] = []
        for record in records where options.filter?.matches(record.payload) ?? true {
            let score = Self.score(metric, request.vector, record.vector)
            if let minimum = options.minScore, score < minimum { continue }
            scored.append(
                VectorSearchResult(id: record.id, score: score, payload: record.payload, vector: record.vector))
        }
        scored.sort { $0.score != $1.score ? $0.score > $1.score : UTF8Key($0.id) < UTF8Key($1.id) }
        return Array(scored.prefix(max(0, options.topK)))
    }

    private static func score(_ metric: VectorMetric, _ lhs: [Float], _ rhs: [Float]) -> Float {
        var dot = 0.0, left = 0.0, right = 0.0, distance = 0.0
        for (lhs, rhs) in zip(lhs, rhs) {
            let (lhs, rhs) = (Double(lhs), Double(rhs))
            dot += lhs * rhs
            left += lhs * lhs
            right += rhs * rhs
            distance += (lhs - rhs) * (lhs - rhs)
        }
        return switch metric {
        case .cosine: left == 0 || right == 0 ? 0 : Float(max(-1, min(1, dot / (left * right).squareRoot())))
        case .dot: Float(dot)
        case .l2: -Float(distance.squareRoot())
        }
    }

    /// Records by id.
    func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] {
        try with(request.collection) { collection in
            request.ids.map { ids in ids.compactMap { collection.records[UTF8Key($0)] } }
                ?? Array(collection.records.values)
        }
    }

    /// Deletes by id.
    func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int {
        try with(request.collection) { collection in
            request.ids.count { collection.records.removeValue(forKey: UTF8Key($0)) != nil }
        }
    }

    /// What a collection is.
    func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        collections.withLock { $0[UTF8Key(name)]?.description }
    }

    /// The names.
    func listCollections() throws(VectorStoreError) -> [String] {
        collections.withLock { $0.keys.sorted().map(\.string) }
    }

    /// Drops a collection.
    func dropCollection(_ name: String) throws(VectorStoreError) {
        guard collections.withLock({ $0.removeValue(forKey: UTF8Key(name)) }) != nil else {
            throw VectorStoreError(.collectionNotFound, "there is no such collection", collection: name)
        }
    }
}
