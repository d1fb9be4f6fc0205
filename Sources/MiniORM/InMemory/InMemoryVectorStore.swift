internal import Synchronization

/// Collections in memory, searched exactly.
///
/// ```swift
/// let store = InMemoryVectorStore()
/// let users = try VectorRepository(store, "users", dimension: 3)
/// try users.upsert([VectorRecord(id: "u1", vector: [0.1, 0.2, 0.3])])
/// try store.save(to: "users.vectors")
/// let again = try InMemoryVectorStore(opening: "users.vectors")
/// ```
///
/// Any number of threads read while others write. A query sees a collection as it was at one moment: all of an
/// upsert or nothing of it. Writers of one collection take turns.
///
/// A query looks at every record, on several cores where the collection is large; a batch of queries shares the look. In
/// a collection of at least 4,096 records it reads codes of 4 to 8 bits a component, a twelfth to a quarter of the
/// vectors' bytes, each with a bound of what it misses, and the vectors of those records alone that the bounds leave in
/// question. The first queries find no codes: they read every vector (`4 * dimension` bytes a record, at about the
/// speed of memory), while codes are made in the background, on one core, at some 100,000 records of 384 dimensions a
/// second. So do all queries where codes would not help. The same query has the same answers, to the last bit, on any
/// machine, with any number of threads, alone or in a batch, with codes or without.
///
/// A filter costs what it selects. Fields that are filtered on are indexed at their second use (see
/// ``indexFields(_:in:)``), and only the vectors of records that may match are read. Where there is no index, a filter is
/// evaluated for the records that would otherwise be among the answers, so one that most records match costs next to
/// nothing.
///
/// Memory: `4 * dimension` bytes a record, rounded up to 64, about 100 more for id and bookkeeping, and the payload; for
/// codes, once there are queries, about a quarter of the vectors; for indexes that nobody asked for, at most a 32nd of
/// the vectors (32 bytes a record where that is more, 1 MB in all).
/// Records that are replaced or deleted give theirs back when they are an eighth of a chunk.
public final class InMemoryVectorStore: VectorStorePort {
    let catalogue: Catalogue
    /// What makes the collections last; `nil` for a store that is in memory alone.
    let storage: StorageDirectory?
    private let search: ExactSearch

    /// An empty store, in memory alone.
    ///
    /// - Parameter threads: How many threads work on a large query or upsert, at least 1; `nil` for one a core.
    public init(threads: Int? = nil) {
        catalogue = Catalogue()
        storage = nil
        search = ExactSearch(threads: ScanThreads(threads))
    }

    /// A store of these collections, in memory alone.
    init(_ opened: [UTF8Key: InMemoryCollection], threads: Int?) {
        catalogue = Catalogue(opened)
        storage = nil
        search = ExactSearch(threads: ScanThreads(threads))
    }

    /// A store of the collections of a directory.
    init(_ storage: StorageDirectory, threads: Int?) {
        catalogue = storage.catalogue
        self.storage = storage
        search = ExactSearch(threads: ScanThreads(threads))
    }

    deinit { storage?.letGo() }

    /// `memory`.
    public var name: String { "memory" }

    /// The longest vector of a collection: the bounds of codes are proven up to here.
    static let maximumDimension = 1 << 16

    /// Exact and atomic; every operator is evaluated here; up to 65,536 dimensions.
    public var capabilities: StoreCapabilities {
        var capabilities = StoreCapabilities()
        capabilities.pushedDownOperators = .all
        capabilities.isExact = true
        capabilities.isUpsertAtomic = true
        capabilities.maximumDimension = Self.maximumDimension
        capabilities.isPersistent = storage != nil
        capabilities.nativeOperations = storage != nil ? .all : .all.subtracting(.close)
        return capabilities
    }

    /// Without the store's name, which the repository adds: a store built on this one has another.
    private func error(_ code: VectorStoreError.Code, _ message: String, _ collection: String) -> VectorStoreError {
        VectorStoreError(code, message, collection: collection)
    }

    func collection(_ name: String) throws(VectorStoreError) -> InMemoryCollection {
        guard let collection = catalogue[name] else {
            throw error(.collectionNotFound, "there is no such collection", name)
        }
        return collection
    }

    /// Creates a collection; see ``CreateCollectionRequest/Mode``.
    public func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        let wanted = request.collection
        guard (1...Self.maximumDimension).contains(wanted.dimension) else {
            throw error(.invalidArgument, "a dimension is between 1 and \(Self.maximumDimension)", wanted.name)
        }
        try storage?.prepareToCreate(request, catalogue)
        try catalogue.create(request, storage)
        storage?.noteWrite()
    }

    /// Inserts records, or replaces them whole: all or, if one is not valid, none.
    public func upsert(_ request: UpsertRequest) throws(VectorStoreError) {
        let collection = try collection(request.collection)
        try storage?.prepareToWrite()
        do { try collection.upsert(request.records, search.threads) } catch {
            throw error.adding(collection: request.collection)
        }
        storage?.noteWrite()
    }

    /// The records nearest to a vector, best first, ties by id.
    public func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] {
        let collection = try collection(request.collection)
        return try answers(to: [request.vector], request.options, in: collection)[0]
    }

    /// The records nearest to each of many vectors, which share one pass over the collection.
    public func queryBatch(_ request: QueryBatchRequest) throws(VectorStoreError) -> [[VectorSearchResult]] {
        try answers(to: request.vectors, request.options, in: collection(request.collection))
    }

    private func answers(
        to vectors: [[Float]], _ options: QueryOptions, in collection: InMemoryCollection
    ) throws(VectorStoreError) -> [[VectorSearchResult]] {
        if vectors.isEmpty { return [] }
        let description = collection.description
        for vector in vectors where vector.count != description.dimension || !vector.isFinite {
            throw error(
                .invalidVector, "a query vector has \(description.dimension) components, all of them finite",
                description.name)
        }
        let queries = PreparedQueries(vectors, metric: description.metric, dimension: description.dimension)
        let snapshot = collection.snapshot
        let answers: [[VectorSearchResult]]
        if let filter = options.filter, options.topK > 0 {
            let selection = collection.select(filter, in: snapshot)
            var options = options
            options.filter = selection.finished
            answers = search.search(snapshot, queries, options, selection.rows)
        } else {
            answers = search.search(snapshot, queries, options)
        }
        try intact(snapshot, description.name)
        return answers
    }

    /// Throws where what was read is in a file that is damaged.
    private func intact(_ snapshot: CollectionSnapshot, _ collection: String) throws(VectorStoreError) {
        do throws(VectorStoreError) { try snapshot.checkIntact() } catch { throw error.adding(collection: collection) }
    }

    /// Records by id, all of one moment; every record for `nil`.
    public func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] {
        let collection = try collection(request.collection)
        do { return try collection.fetch(request.ids) } catch { throw error.adding(collection: request.collection) }
    }

    /// Deletes records by id, and says how many there were.
    public func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int {
        let collection = try collection(request.collection)
        try storage?.prepareToWrite()
        defer { storage?.noteWrite() }
        do { return try collection.delete(request.ids) } catch { throw error.adding(collection: request.collection) }
    }

    /// Deletes the records that match, and says how many there were.
    public func deleteMatching(_ request: DeleteMatchingRequest) throws(VectorStoreError) -> Int {
        let collection = try collection(request.collection)
        try storage?.prepareToWrite()
        defer { storage?.noteWrite() }
        do { return try collection.delete(matching: request.filter) } catch {
            throw error.adding(collection: request.collection)
        }
    }

    /// The number of records that match; at no cost without a filter.
    public func count(_ request: CountRequest) throws(VectorStoreError) -> Int {
        let collection = try collection(request.collection)
        let snapshot = collection.snapshot
        guard let filter = request.filter else { return snapshot.liveCount }
        let count = collection.select(filter, in: snapshot).count
        try intact(snapshot, request.collection)
        return count
    }

    private struct ScanPosition: Sendable {
        var collection: UTF8Key
        var rows: FilterSelection
        var part = 0
        var row = 0
    }

    /// A page of the records that match. All pages are of the moment and the filter of the first one; the cursor keeps
    /// the memory of what has been deleted since.
    public func scan(_ request: ScanRequest) throws(VectorStoreError) -> ScanPage {
        let collection = try collection(request.collection)
        let key = UTF8Key(request.collection)
        var records: [VectorRecord] = []
        var position: ScanPosition
        if let cursor = request.cursor {
            guard let earlier = cursor.state as? ScanPosition, earlier.collection == key else {
                throw error(.invalidArgument, "the cursor is not one of this collection's", request.collection)
            }
            position = earlier
        } else {
            let rows = collection.select(request.filter ?? .and([]), in: collection.snapshot)
            position = ScanPosition(collection: key, rows: rows)
        }
        while position.part < position.rows.snapshot.parts.count {
            while let row = position.rows.firstMatch(part: position.part, from: position.row) {
                position.row = row
                // Only now, so that there is no empty page after the last record.
                if records.count >= max(1, request.pageSize) {
                    try intact(position.rows.snapshot, request.collection)
                    return ScanPage(records: records, next: ScanCursor(position))
                }
                records.append(position.rows.snapshot.parts[position.part].chunk.record(row))
                position.row += 1
            }
            position.part += 1
            position.row = 0
        }
        try intact(position.rows.snapshot, request.collection)
        return ScanPage(records: records, next: nil)
    }

    /// What a collection is, or `nil` if there is none of that name.
    public func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        catalogue[name]?.description
    }

    /// The names of all collections, ordered by their UTF-8 bytes.
    public func listCollections() throws(VectorStoreError) -> [String] {
        catalogue.collections.withLock { $0.keys.sorted().map(\.string) }
    }

    /// Drops a collection with its data. Queries that run finish on the data they see.
    public func dropCollection(_ name: String) throws(VectorStoreError) {
        if catalogue[name] != nil { try storage?.prepareToWrite() }
        try catalogue.drop(name, storage)
        storage?.noteWrite()
    }

    /// What indexes decide, what is evaluated on the rows they leave, and in words: which indexes, how many rows, and
    /// whether these are scored one by one or in a scan with a bitmap. Builds no index, and takes about as long as
    /// counting with those that are there.
    public func explain(_ request: ExplainRequest) throws(VectorStoreError) -> FilterPlan {
        try collection(request.collection).explain(request.filter)
    }
}
