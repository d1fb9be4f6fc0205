import Dispatch
import MiniORM

/// A repository of either kind, with the calls of both.
enum CheckedRepository: Sendable {
    case async(AsyncVectorRepository)
    case sync(VectorRepository)

    private func call<Value: Sendable>(
        _ asynchronous: (AsyncVectorRepository) async throws -> Value,
        _ synchronous: @escaping @Sendable (VectorRepository) throws -> Value
    ) async throws -> Value {
        switch self {
        case .async(let repository): try await asynchronous(repository)
        case .sync(let repository): try await onOwnThread { try synchronous(repository) }
        }
    }

    func createCollection(overwrite: Bool = false) async throws {
        try await call(
            { try await $0.createCollection(overwrite: overwrite) }, { try $0.createCollection(overwrite: overwrite) })
    }

    func upsert(_ records: [VectorRecord]) async throws {
        try await call({ try await $0.upsert(records) }, { try $0.upsert(records) })
    }

    func query(
        _ vector: [Float], topK: Int = 10, filter: VectorFilter? = nil, minScore: Float? = nil,
        includeVectors: Bool = false
    ) async throws -> [VectorSearchResult] {
        try await call(
            {
                try await $0.query(
                    vector, topK: topK, filter: filter, minScore: minScore, includeVectors: includeVectors)
            },
            { try $0.query(vector, topK: topK, filter: filter, minScore: minScore, includeVectors: includeVectors) })
    }

    func queryBatch(
        _ vectors: [[Float]], topK: Int = 10, filter: VectorFilter? = nil, minScore: Float? = nil,
        includeVectors: Bool = false
    ) async throws -> [[VectorSearchResult]] {
        try await call(
            {
                try await $0.queryBatch(
                    vectors, topK: topK, filter: filter, minScore: minScore, includeVectors: includeVectors)
            },
            {
                try $0.queryBatch(
                    vectors, topK: topK, filter: filter, minScore: minScore, includeVectors: includeVectors)
            })
    }

    func fetch(_ ids: [String]? = nil) async throws -> [VectorRecord] {
        try await call({ try await $0.fetch(ids) }, { try $0.fetch(ids) })
    }

    func records(matching filter: VectorFilter? = nil, pageSize: Int = 512) async throws -> [VectorRecord] {
        try await call(
            { repository in
                var records: [VectorRecord] = []
                for try await record in try repository.records(matching: filter, pageSize: pageSize) {
                    records.append(record)
                }
                return records
            },
            { try $0.records(matching: filter, pageSize: pageSize).map { try $0.get() } })
    }

    func delete(_ ids: [String]) async throws -> Int {
        try await call({ try await $0.delete(ids) }, { try $0.delete(ids) })
    }

    func delete(matching filter: VectorFilter) async throws -> Int {
        try await call({ try await $0.delete(matching: filter) }, { try $0.delete(matching: filter) })
    }

    func count(matching filter: VectorFilter? = nil) async throws -> Int {
        try await call({ try await $0.count(matching: filter) }, { try $0.count(matching: filter) })
    }

    func collectionExists() async throws -> Bool {
        try await call({ try await $0.collectionExists() }, { try $0.collectionExists() })
    }

    func listCollections() async throws -> [String] {
        try await call({ try await $0.listCollections() }, { try $0.listCollections() })
    }

    func describe() async throws -> CollectionDescription {
        try await call({ try await $0.describe() }, { try $0.describe() })
    }

    func dropCollection() async throws {
        try await call({ try await $0.dropCollection() }, { try $0.dropCollection() })
    }

    func explain(_ filter: VectorFilter) async throws -> FilterPlan {
        try await call({ try await $0.explain(filter) }, { try $0.explain(filter) })
    }
}

/// Runs a body on a thread that belongs to no task, where it may block.
func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue(label: "mini-orm.conformance").async { continuation.resume(with: Result(catching: body)) }
    }
}
