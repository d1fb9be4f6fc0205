/// A collection of vectors in a store, for asynchronous code.
///
/// ```swift
/// let users = try await AsyncVectorRepository(InMemoryVectorStore(), "users", dimension: 3)
/// try await users.upsert([VectorRecord(id: "u1", vector: [0.1, 0.2, 0.3], payload: ["name": "alice"])])
/// let hits = try await users.query([0.1, 0.2, 0.25], topK: 2, filter: ["name": "alice"])
/// ```
///
/// Every call checks its arguments before any I/O, and means the same on every engine. A repository is a value: it
/// holds no connection of its own and can be copied and used from many tasks. Nothing here blocks a thread of the
/// cooperative pool. ``VectorRepository`` has the same methods without `await`.
public struct AsyncVectorRepository: Sendable {
    /// The store underneath. A store that blocks is seen through ``OffloadedVectorStore``.
    public let store: any AsyncVectorStorePort
    private let rules: RepositoryRules

    /// Opens a collection in a store.
    ///
    /// With `autoCreate` the collection is there afterwards: it is created if absent; if present, its dimension and
    /// metric are compared, and ``VectorStoreError/Code/collectionMismatch`` thrown on a difference. Without, nothing
    /// is sent.
    ///
    /// - Parameters:
    ///   - store: Where the collection is.
    ///   - collection: Its name. 3 to 63 characters `[A-Za-z0-9_-]`, the first and last a letter or digit, work on
    ///     every engine.
    ///   - dimension: The length of its vectors, at least 1.
    ///   - metric: How vectors are compared.
    ///   - autoCreate: Whether to create the collection if it is absent.
    ///   - overwrite: Whether to drop the collection with its data first.
    ///   - payloadCodec: What turns payloads into what the store keeps.
    public init(
        _ store: any AsyncVectorStorePort, _ collection: String, dimension: Int, metric: VectorMetric = .cosine,
        autoCreate: Bool = true, overwrite: Bool = false,
        payloadCodec: any VectorPayloadCodec = IdentityVectorPayloadCodec()
    ) async throws(VectorStoreError) {
        self.store = store
        rules = try RepositoryRules(
            collection: CollectionDescription(name: collection, dimension: dimension, metric: metric),
            store: store.name, capabilities: store.capabilities, codec: payloadCodec)
        if let request = try rules.creation(autoCreate: autoCreate, overwrite: overwrite) {
            do { try await store.createCollection(request) } catch { throw rules.inContext(error) }
        }
    }

    /// Opens a collection in a store that blocks; its calls run on threads of their own.
    ///
    /// The threads belong to this repository and its copies. To share them between repositories, or to set their
    /// number, make an ``OffloadedVectorStore`` and pass that. Four calls run at once and 4,096 more wait; beyond these a
    /// call throws ``VectorStoreError/Code/unavailable``: bound the number of tasks that call at once, or make room for
    /// more with ``OffloadedVectorStore/init(_:threads:maximumWaiting:)``.
    public init(
        _ store: any VectorStorePort, _ collection: String, dimension: Int, metric: VectorMetric = .cosine,
        autoCreate: Bool = true, overwrite: Bool = false,
        payloadCodec: any VectorPayloadCodec = IdentityVectorPayloadCodec()
    ) async throws(VectorStoreError) {
        try await self.init(
            OffloadedVectorStore(store), collection, dimension: dimension, metric: metric, autoCreate: autoCreate,
            overwrite: overwrite, payloadCodec: payloadCodec)
    }

    /// Creates the collection.
    ///
    /// - Parameter overwrite: Whether to drop one that is there, with its data. Otherwise
    ///   ``VectorStoreError/Code/collectionAlreadyExists`` is thrown.
    public func createCollection(overwrite: Bool = false) async throws(VectorStoreError) {
        do { try await store.createCollection(rules.creation(overwrite: overwrite)) } catch {
            throw rules.inContext(error)
        }
    }

    /// Inserts records, or replaces them whole: keys absent from a new payload are gone.
    ///
    /// Every record is checked before any I/O. Of several records with one id the last one counts.
    public func upsert(_ records: [VectorRecord]) async throws(VectorStoreError) {
        let request = try rules.upsert(records)
        guard !request.records.isEmpty else { return }
        do { try await store.upsert(request) } catch { throw rules.inContext(error) }
    }

    /// The records nearest to a vector, best first, ties ordered by id.
    ///
    /// - Parameters:
    ///   - vector: As long as the collection's dimension.
    ///   - topK: How many answers, at the most. `[]` for 0 and less.
    ///   - filter: Which records are asked for.
    ///   - minScore: Answers with a lower score are left out.
    ///   - includeVectors: Whether answers hold their vectors.
    /// - Returns: `min(topK, matches)` answers. If the payload of one cannot be decoded the call throws
    ///   ``VectorStoreError/Code/payloadDecoding``, which names the record.
    public func query(
        _ vector: [Float], topK: Int = 10, filter: VectorFilter? = nil, minScore: Float? = nil,
        includeVectors: Bool = false
    ) async throws(VectorStoreError) -> [VectorSearchResult] {
        let options = QueryOptions(topK: topK, filter: filter, minScore: minScore, includeVectors: includeVectors)
        let request = try rules.query(vector, options)
        guard topK > 0 else { return [] }
        let results: [VectorSearchResult]
        do { results = try await store.query(request) } catch { throw rules.inContext(error) }
        return try rules.finish(results, options)
    }

    /// The records nearest to each of many vectors, in one call.
    ///
    /// The answers are those that ``query(_:topK:filter:minScore:includeVectors:)`` gives one by one.
    public func queryBatch(
        _ vectors: [[Float]], topK: Int = 10, filter: VectorFilter? = nil, minScore: Float? = nil,
        includeVectors: Bool = false
    ) async throws(VectorStoreError) -> [[VectorSearchResult]] {
        let options = QueryOptions(topK: topK, filter: filter, minScore: minScore, includeVectors: includeVectors)
        let request = try rules.query(vectors, options)
        guard topK > 0, !vectors.isEmpty else { return vectors.map { _ in [] } }
        let results: [[VectorSearchResult]]
        do { results = try await store.queryBatch(request) } catch { throw rules.inContext(error) }
        return try rules.finish(results, options, queries: vectors.count)
    }

    /// Records by id: in the order asked for, missing ones skipped, repeats kept.
    ///
    /// - Parameter ids: The ids; `nil` for every record, ordered by id. For a large collection
    ///   ``records(matching:pageSize:)`` does not hold them all at once, and goes on past a record whose payload cannot
    ///   be decoded, where this call throws ``VectorStoreError/Code/payloadDecoding``.
    public func fetch(_ ids: [String]? = nil) async throws(VectorStoreError) -> [VectorRecord] {
        let request = try rules.fetch(ids)
        if ids?.isEmpty == true { return [] }
        let records: [VectorRecord]
        do { records = try await store.fetch(request) } catch { throw rules.inContext(error) }
        return try rules.finish(records, ids)
    }

    /// Every record that matches, once, page by page, in the engine's order.
    ///
    /// Memory holds one page at a time. A record whose payload cannot be decoded throws
    /// ``VectorStoreError/Code/payloadDecoding``, which names it, and `next()` goes on with the one after it; `for try
    /// await` ends with the first error. When a page cannot be read the sequence is at its end after the error.
    public func records(
        matching filter: VectorFilter? = nil, pageSize: Int = 512
    ) throws(VectorStoreError) -> AsyncVectorRecordSequence {
        AsyncVectorRecordSequence(
            store: store, rules: rules, request: try rules.scan(matching: filter, pageSize: pageSize))
    }

    /// Deletes records by id.
    ///
    /// - Returns: How many records were there and are gone; repeats count once.
    @discardableResult
    public func delete(_ ids: [String]) async throws(VectorStoreError) -> Int {
        let request = try rules.delete(ids)
        guard !request.ids.isEmpty else { return 0 }
        do { return try await store.delete(request) } catch { throw rules.inContext(error) }
    }

    /// Deletes the records that match; `[:]` matches all.
    ///
    /// - Returns: How many records were there and are gone.
    @discardableResult
    public func delete(matching filter: VectorFilter) async throws(VectorStoreError) -> Int {
        let request = try rules.delete(matching: filter)
        do { return try await store.deleteMatching(request) } catch { throw rules.inContext(error) }
    }

    /// The number of records that match; of all records without a filter.
    public func count(matching filter: VectorFilter? = nil) async throws(VectorStoreError) -> Int {
        let request = try rules.count(matching: filter)
        do { return try await store.count(request) } catch { throw rules.inContext(error) }
    }

    /// Whether the collection is there.
    public func collectionExists() async throws(VectorStoreError) -> Bool {
        do {
            if rules.canDescribe { return try await store.describeCollection(rules.collection.name) != nil }
            _ = try await store.fetch(rules.probe)
            return true
        } catch {
            if error.code == .collectionNotFound { return false }
            throw rules.inContext(error)
        }
    }

    /// The names of the collections that the store can open.
    public func listCollections() async throws(VectorStoreError) -> [String] {
        do { return try await store.listCollections() } catch { throw error.adding(store: rules.store) }
    }

    /// What the collection is. Throws ``VectorStoreError/Code/collectionNotFound`` if it is not there.
    public func describe() async throws(VectorStoreError) -> CollectionDescription {
        guard rules.canDescribe else {
            if try await collectionExists() { return rules.collection }
            throw rules.notFound
        }
        do {
            if let description = try await store.describeCollection(rules.collection.name) { return description }
        } catch { throw rules.inContext(error) }
        throw rules.notFound
    }

    /// Drops the collection with its data. Throws ``VectorStoreError/Code/collectionNotFound`` if it is not there.
    public func dropCollection() async throws(VectorStoreError) {
        do { try await store.dropCollection(rules.collection.name) } catch { throw rules.inContext(error) }
    }

    /// How the store would evaluate a filter.
    public func explain(_ filter: VectorFilter) async throws(VectorStoreError) -> FilterPlan {
        let request = try rules.explain(filter)
        do { return try await store.explain(request) } catch { throw rules.inContext(error) }
    }
}

/// The records of a collection, read page by page as they are asked for.
public struct AsyncVectorRecordSequence: AsyncSequence, Sendable {
    /// A record.
    public typealias Element = VectorRecord
    /// What reading a page throws.
    public typealias Failure = VectorStoreError

    fileprivate let store: any AsyncVectorStorePort
    fileprivate let rules: RepositoryRules
    fileprivate let request: ScanRequest

    /// Starts from the first page.
    public func makeAsyncIterator() -> Iterator { Iterator(store: store, rules: rules, request: request) }

    /// Reads a page when the one before is used up.
    public struct Iterator: AsyncIteratorProtocol {
        private let store: any AsyncVectorStorePort
        private let rules: RepositoryRules
        private var request: ScanRequest
        private var page: ArraySlice<VectorRecord> = []
        private var isLast = false

        fileprivate init(store: any AsyncVectorStorePort, rules: RepositoryRules, request: ScanRequest) {
            self.store = store
            self.rules = rules
            self.request = request
        }

        /// The next record.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(VectorStoreError) -> VectorRecord? {
            while page.isEmpty, !isLast {
                let answer: ScanPage
                do { answer = try await store.scan(request) } catch {
                    isLast = true
                    throw rules.inContext(error)
                }
                page = answer.records[...]
                request.cursor = answer.next
                isLast = answer.next == nil
            }
            guard let record = page.popFirst() else { return nil }
            return try rules.loaded(record)
        }
    }
}
