import MiniORM

/// ``TinyEngine`` as a store.
///
/// The engine's calls suspend, so this is the asynchronous port; nothing here is needed for the synchronous repository.
struct TinyStore: AsyncVectorStorePort {
    let engine: TinyEngine

    var name: String { "tiny" }

    /// What a caller can rely on. Everything that is declared here is checked by the kit.
    var capabilities: StoreCapabilities {
        var capabilities = StoreCapabilities()
        capabilities.metrics = [.dot, .l2]
        capabilities.isExact = true
        capabilities.isUpsertAtomic = true
        capabilities.isPersistent = true
        capabilities.pushedDownOperators = [.equal, .and]
        // The operations that are implemented below; the others have defaults.
        capabilities.nativeOperations = [.scan, .describeCollection, .listCollections, .dropCollection, .explain]
        return capabilities
    }

    // Collections.

    func createCollection(_ request: CreateCollectionRequest) async throws(VectorStoreError) {
        let wanted = request.collection
        if request.mode == .overwrite { _ = await engine.drop(Key.of(wanted.name)) }
        let metadata = [
            "name": wanted.name, "dimension": "\(wanted.dimension)", "metric": wanted.metric.description,
        ]
        let space: TinyEngine.Space = wanted.metric == .l2 ? .squaredL2 : .negativeProduct
        if await engine.create(Key.of(wanted.name), space, metadata: metadata) { return }
        if request.mode == .create {
            throw VectorStoreError(
                .collectionAlreadyExists, "the collection is there; overwrite it, or choose another name",
                store: name, collection: wanted.name)
        }
        guard let present = try await describeCollection(wanted.name) else { return }
        guard present == wanted else {
            throw VectorStoreError(
                .collectionMismatch, "the collection has \(present.dimension) dimensions and metric \(present.metric)",
                store: name, collection: wanted.name)
        }
    }

    func describeCollection(_ name: String) async throws(VectorStoreError) -> CollectionDescription? {
        guard let metadata = await engine.metadata(of: Key.of(name)) else { return nil }
        guard let dimension = metadata["dimension"].flatMap({ Int($0) }),
            let metric = metadata["metric"].flatMap({ VectorMetric($0) })
        else { throw VectorStoreError(.corruptedStorage, "the table is not one of this library's", collection: name) }
        return CollectionDescription(name: name, dimension: dimension, metric: metric)
    }

    func listCollections() async throws(VectorStoreError) -> [String] {
        var names: [UTF8Key] = []
        for table in await engine.names() {
            if let name = await engine.metadata(of: table)?["name"] { names.append(UTF8Key(name)) }
        }
        return names.sorted().map(\.string)
    }

    func dropCollection(_ name: String) async throws(VectorStoreError) {
        guard await engine.drop(Key.of(name)) else { throw notFound(name) }
    }

    // Records.

    func upsert(_ request: UpsertRequest) async throws(VectorStoreError) {
        let rows = request.records.map(TinyRow.row)
        try await call(request.collection) { try await engine.put(rows, into: Key.of(request.collection)) }
    }

    func fetch(_ request: FetchRequest) async throws(VectorStoreError) -> [VectorRecord] {
        guard let ids = request.ids else {
            var records: [VectorRecord] = []
            var scan = ScanRequest(collection: request.collection, pageSize: 1000)
            repeat {
                let page = try await self.scan(scan)
                records += page.records
                scan.cursor = page.next
            } while scan.cursor != nil
            return records
        }
        let rows = try await call(request.collection) {
            try await engine.get(ids.map(Key.of), from: Key.of(request.collection))
        }
        return try rows.map(TinyRow.record)
    }

    func delete(_ request: DeleteRequest) async throws(VectorStoreError) -> Int {
        try await call(request.collection) {
            try await engine.remove(request.ids.map(Key.of), from: Key.of(request.collection))
        }
    }

    /// The cursor is the key that the last page ended with, so that deleting what was read skips nothing.
    func scan(_ request: ScanRequest) async throws(VectorStoreError) -> ScanPage {
        let plan = TinyFilter(request.filter)
        let pageSize = max(1, request.pageSize)
        let last = request.cursor?.state as? String
        if request.cursor != nil, last == nil {
            throw VectorStoreError(.invalidArgument, "the cursor is not one of this store's", store: name)
        }
        let rows = try await call(request.collection) {
            try await engine.page(
                of: Key.of(request.collection), after: last, count: pageSize, where: plan.pairs)
        }
        let records = try rows.map(TinyRow.record).filter { plan.finished?.matches($0.payload) ?? true }
        let isLast = rows.count < pageSize
        return ScanPage(records: records, next: isLast ? nil : rows.last.map { ScanCursor($0.key) })
    }

    /// Asks for more than `topK` where a part of the filter is finished here, until enough match or nothing is left.
    func query(_ request: QueryRequest) async throws(VectorStoreError) -> [VectorSearchResult] {
        let options = request.options
        guard let description = try await describeCollection(request.collection) else {
            throw notFound(request.collection)
        }
        guard options.topK > 0 else { return [] }
        let plan = TinyFilter(options.filter)
        var count = options.topK
        while true {
            let asked = count
            let found = try await call(request.collection) {
                try await engine.nearest(
                    request.vector, in: Key.of(request.collection), count: asked, where: plan.pairs)
            }
            var results: [VectorSearchResult] = []
            for (row, distance) in found {
                let record = try TinyRow.record(row)
                guard plan.finished?.matches(record.payload) ?? true else { continue }
                // The contract's score: higher is better, and l2 is not squared.
                let score = description.metric == .l2 ? -distance.squareRoot() : -distance
                results.append(
                    VectorSearchResult(
                        id: record.id, score: Float(score), payload: record.payload, vector: record.vector))
            }
            if results.count >= options.topK || found.count < asked { return results }
            count = count > Int.max / 4 ? Int.max : count * 4
        }
    }

    func explain(_ request: ExplainRequest) async throws(VectorStoreError) -> FilterPlan {
        let plan = TinyFilter(request.filter)
        return FilterPlan(pushedDown: plan.pushed, finished: plan.finished, native: "\(plan.pairs)")
    }

    // Errors.

    private func notFound(_ collection: String) -> VectorStoreError {
        VectorStoreError(.collectionNotFound, "there is no such collection", store: name, collection: collection)
    }

    /// Calls the engine, and says in the library's terms what went wrong.
    private func call<Value>(
        _ collection: String, _ body: () async throws -> Value
    ) async throws(VectorStoreError) -> Value {
        if Task.isCancelled { throw VectorStoreError(.cancelled, "the task was cancelled", store: name) }
        do { return try await body() } catch is TinyEngine.NoSuchTable {
            throw notFound(collection)
        } catch {
            throw VectorStoreError(.backend, "the engine failed", store: name, collection: collection, cause: error)
        }
    }
}
