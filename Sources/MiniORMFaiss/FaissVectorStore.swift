#if Faiss
internal import Dispatch
public import MiniORM
internal import Synchronization

/// Collections searched by FAISS in this process, in memory or in a directory.
///
/// ```swift
/// import MiniORMFaiss
///
/// let faiss = try FaissVectorStore(directory: "vectors", configuration: FaissConfiguration(index: .hnsw()))
/// let words = try VectorRepository(faiss, "words", dimension: 384)
/// ```
///
/// With ``FaissIndexType/flat`` answers are exact. The other types are faster on large collections and can miss near
/// rows; scores are exact with all of them. A filter is evaluated first, and the rows that match are handed to FAISS, or
/// scored directly where they are few.
///
/// A store with a directory survives the end of the process at any moment: an upsert or a delete is there whole once it
/// has returned, and there whole or not at all if it has not. One store at a time has a directory open. Records are held
/// in memory too.
public final class FaissVectorStore: VectorStorePort {
    /// A collection's place, whether it was read from its files already or not.
    private final class Slot: Sendable {
        let collection: Mutex<FaissCollection?>
        init(_ collection: FaissCollection?) { self.collection = Mutex(collection) }
    }

    private struct Catalogue {
        var slots: [UTF8Key: Slot] = [:]
        var directory: StoreDirectory?
        var isClosed = false
    }

    private let catalogue: Mutex<Catalogue>
    private let configuration: FaissConfiguration
    private let plan: IndexPlan
    private let maintenance = DispatchQueue(label: "mini-orm.faiss.maintenance")
    private let isPersistent: Bool

    /// A store in memory.
    ///
    /// Throws ``VectorStoreError/Code/invalidArgument`` for a configuration that is out of range.
    public convenience init(configuration: FaissConfiguration = FaissConfiguration()) throws(VectorStoreError) {
        try self.init(configuration, nil)
    }

    /// A store in a directory, which is made if it is not there.
    ///
    /// Collections are read when they are first used. The index type may differ from the one they were written with.
    /// Throws ``VectorStoreError/Code/unavailable`` while another store has the directory open.
    public convenience init(
        directory: String, configuration: FaissConfiguration = FaissConfiguration()
    ) throws(VectorStoreError) {
        do throws(VectorStoreError) { try self.init(configuration, StoreDirectory(directory)) } catch {
            throw error.adding(store: Self.storeName)
        }
    }

    private init(_ configuration: FaissConfiguration, _ directory: StoreDirectory?) throws(VectorStoreError) {
        func check(_ isInRange: Bool, _ message: String) throws(VectorStoreError) {
            guard isInRange else { throw VectorStoreError(.invalidArgument, message, store: Self.storeName) }
        }
        try check((1...1_000).contains(configuration.candidateFactor), "candidateFactor is between 1 and 1,000")
        try check(
            configuration.rebuildThreshold > 0 && configuration.rebuildThreshold <= 1,
            "rebuildThreshold is above 0 and at most 1")
        do throws(VectorStoreError) { plan = try IndexPlan(configuration.index) } catch {
            throw error.adding(store: Self.storeName)
        }
        self.configuration = configuration
        isPersistent = directory != nil
        var catalogue = Catalogue()
        catalogue.directory = directory
        for name in try directory?.collections() ?? [] { catalogue.slots[UTF8Key(name)] = Slot(nil) }
        self.catalogue = Mutex(catalogue)
        FaissThreads.setDefault()
    }

    private static let storeName = "faiss"

    /// `faiss`.
    public var name: String { Self.storeName }

    /// Exact with ``FaissIndexType/flat``, atomic, and persistent with a directory.
    public var capabilities: StoreCapabilities {
        var capabilities = StoreCapabilities()
        capabilities.pushedDownOperators = .all
        capabilities.isExact = plan.isFlat
        capabilities.isUpsertAtomic = true
        capabilities.isPersistent = isPersistent
        capabilities.maximumDimension = FaissLimits.dimensions.upperBound
        capabilities.nativeOperations = .all
        return capabilities
    }

    /// FAISS's version, such as `1.7.3`.
    public static var engineVersion: String { faissVersion() }

    /// Bounds the threads that FAISS and the BLAS underneath use, at least 1; at first as many as processors.
    ///
    /// Both have one pool of threads for the whole process, so this is about every store. Concurrent calls share the
    /// number. With 1 every call runs on the thread that makes it, which serves many concurrent queries best; more make a
    /// single one faster. To be set before searches begin.
    public static func setThreads(_ count: Int) { FaissThreads.set(count) }
}

// Collections.
extension FaissVectorStore {
    private func place(_ directory: CollectionDirectory?, _ lock: OpenFile?) -> FaissCollection.Place {
        FaissCollection.Place(
            configuration: configuration, directory: directory, lock: lock, maintenance: maintenance)
    }

    private func open(_ name: String, _ slot: Slot, _ directory: StoreDirectory?) throws(VectorStoreError)
        -> FaissCollection
    {
        try slot.collection.withLock { collection throws(VectorStoreError) in
            if let collection { return collection }
            guard let directory else { throw FaissCollection.dropped }
            let files = try directory.collection(name)
            let opened = try FaissCollection(opening: files, plan, place(files, directory.lock))
            collection = opened
            return opened
        }
    }

    /// The collection of a name; `nil` if there is none.
    private func lookUp(_ name: String) throws(VectorStoreError) -> FaissCollection? {
        let (slot, directory) = try catalogue.withLock { catalogue throws(VectorStoreError) in
            try Self.checkOpen(catalogue)
            return (catalogue.slots[UTF8Key(name)], catalogue.directory)
        }
        guard let slot else { return nil }
        return try open(name, slot, directory)
    }

    /// Does something with a collection, and says in an error which one it was.
    private func with<Value>(
        _ name: String, _ body: (FaissCollection) throws(VectorStoreError) -> Value
    ) throws(VectorStoreError) -> Value {
        do throws(VectorStoreError) {
            guard let collection = try lookUp(name) else { throw FaissCollection.dropped }
            return try body(collection)
        } catch {
            throw error.adding(store: self.name, collection: name)
        }
    }

    private static func checkOpen(_ catalogue: Catalogue) throws(VectorStoreError) {
        if catalogue.isClosed { throw VectorStoreError(.unavailable, "the store is closed") }
    }

    /// Creates a collection.
    public func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        do throws(VectorStoreError) {
            try catalogue.withLock { catalogue throws(VectorStoreError) in
                try Self.checkOpen(catalogue)
                try create(request, in: &catalogue)
            }
        } catch {
            throw error.adding(store: name, collection: request.collection.name)
        }
    }

    private func create(_ request: CreateCollectionRequest, in catalogue: inout Catalogue) throws(VectorStoreError) {
        let wanted = request.collection
        guard FaissLimits.dimensions.contains(wanted.dimension) else {
            throw VectorStoreError(
                .invalidArgument,
                "the dimension is \(wanted.dimension); FAISS takes 1 to \(FaissLimits.dimensions.upperBound)")
        }
        guard let slot = catalogue.slots[UTF8Key(wanted.name)] else {
            let collection: FaissCollection
            if let directory = catalogue.directory {
                try directory.create(wanted.name) { (files) throws(VectorStoreError) in
                    _ = try FaissCollection(creating: wanted, plan, place(files, directory.lock))
                }
                let files = try directory.collection(wanted.name)
                collection = try FaissCollection(opening: files, plan, place(files, directory.lock))
            } else {
                collection = try FaissCollection(creating: wanted, plan, place(nil, nil))
            }
            catalogue.slots[UTF8Key(wanted.name)] = Slot(collection)
            return
        }
        if request.mode == .create {
            throw VectorStoreError(.collectionAlreadyExists, "the collection is there already")
        }
        let collection = try open(wanted.name, slot, catalogue.directory)
        if request.mode == .overwrite { return try collection.reset(wanted) }
        let present = try collection.read { $0.description }
        guard present.dimension == wanted.dimension, present.metric == wanted.metric else {
            throw VectorStoreError(
                .collectionMismatch,
                "it has \(present.dimension) dimensions and metric \(present.metric), not \(wanted.dimension) and "
                    + "\(wanted.metric)")
        }
    }

    /// What a collection is.
    public func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        do throws(VectorStoreError) {
            guard let collection = try lookUp(name) else { return nil }
            return collection.state.read { $0.isDropped ? nil : $0.description }
        } catch {
            throw error.adding(store: self.name, collection: name)
        }
    }

    /// The names of the collections.
    public func listCollections() throws(VectorStoreError) -> [String] {
        try catalogue.withLock { catalogue throws(VectorStoreError) in
            try Self.checkOpen(catalogue)
            return catalogue.slots.keys.sorted().map(\.string)
        }
    }

    /// Drops a collection with its files, also one whose files are damaged.
    public func dropCollection(_ name: String) throws(VectorStoreError) {
        do throws(VectorStoreError) {
            try catalogue.withLock { catalogue throws(VectorStoreError) in
                try Self.checkOpen(catalogue)
                guard let slot = catalogue.slots[UTF8Key(name)] else { throw FaissCollection.dropped }
                let directory = catalogue.directory
                try slot.collection.withLock { collection throws(VectorStoreError) in
                    if let collection {
                        try collection.drop { () throws(VectorStoreError) in try directory?.remove(name) }
                    } else {
                        try directory?.remove(name)
                    }
                }
                catalogue.slots[UTF8Key(name)] = nil
            }
        } catch {
            throw error.adding(store: self.name, collection: name)
        }
    }

    /// Waits for what is done in the background, saves indexes and releases the directory. Later calls throw
    /// ``VectorStoreError/Code/unavailable``; a second close does nothing.
    public func close() throws(VectorStoreError) {
        let slots = catalogue.withLock { catalogue in
            defer {
                catalogue.slots = [:]
                catalogue.isClosed = true
                catalogue.directory = nil
            }
            return catalogue.slots.values.map { $0 }
        }
        for slot in slots {
            guard let collection = slot.collection.withLock({ $0 }) else { continue }
            try collection.close()
        }
    }

    /// Waits until no index is being built or saved in the background, so that every query after it has its index.
    public func waitForIndexes() throws(VectorStoreError) {
        let slots = try catalogue.withLock { catalogue throws(VectorStoreError) in
            try Self.checkOpen(catalogue)
            return Array(catalogue.slots.values)
        }
        for slot in slots { slot.collection.withLock { $0 }?.finishMaintenance() }
    }
}

// Records.
extension FaissVectorStore {
    /// Inserts or replaces: all of the records or, where an error is thrown, none.
    public func upsert(_ request: UpsertRequest) throws(VectorStoreError) {
        try with(request.collection) { (collection) throws(VectorStoreError) in
            try collection.upsert(request.records)
        }
    }

    /// The records nearest to a vector.
    public func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] {
        try with(request.collection) { (collection) throws(VectorStoreError) in
            try collection.query([request.vector], request.options).first ?? []
        }
    }

    /// The records nearest to each of many vectors, which FAISS compares together.
    public func queryBatch(_ request: QueryBatchRequest) throws(VectorStoreError) -> [[VectorSearchResult]] {
        try with(request.collection) { (collection) throws(VectorStoreError) in
            try collection.query(request.vectors, request.options)
        }
    }

    /// Records by id.
    public func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] {
        try with(request.collection) { (collection) throws(VectorStoreError) in
            try collection.read { state in
                guard let ids = request.ids else { return state.rows.live.rows().map { state.rows.record(Int($0)) } }
                return ids.compactMap { state.positions[UTF8Key($0)].map(state.rows.record) }
            }
        }
    }

    /// Deletes by id.
    public func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int {
        try with(request.collection) { (collection) throws(VectorStoreError) in try collection.delete(request.ids) }
    }

    /// Deletes what matches, in one step.
    public func deleteMatching(_ request: DeleteMatchingRequest) throws(VectorStoreError) -> Int {
        try with(request.collection) { (collection) throws(VectorStoreError) in
            try collection.delete(matching: request.filter)
        }
    }

    /// Counts what matches.
    public func count(_ request: CountRequest) throws(VectorStoreError) -> Int {
        try with(request.collection) { (collection) throws(VectorStoreError) in
            try collection.read { $0.rows.matching(request.filter).count }
        }
    }

    private struct Remaining: Sendable {
        let rows: Rows
        let next: Int
    }

    /// A page of the collection as it was when the first page was read.
    public func scan(_ request: ScanRequest) throws(VectorStoreError) -> ScanPage {
        try with(request.collection) { (collection) throws(VectorStoreError) in
            let rows: Rows
            var row = 0
            if let cursor = request.cursor {
                guard let remaining = cursor.state as? Remaining else {
                    throw VectorStoreError(.invalidArgument, "the cursor is not one of this store's")
                }
                (rows, row) = (remaining.rows, remaining.next)
            } else {
                rows = try collection.read { $0.rows }
            }
            var page = ScanPage(records: [], next: nil)
            while row < rows.count {
                if page.records.count >= max(1, request.pageSize) {
                    page.next = ScanCursor(Remaining(rows: rows, next: row))
                    break
                }
                if rows.live.contains(row), request.filter?.matches(rows.payloads[row]) ?? true {
                    page.records.append(rows.record(row))
                }
                row += 1
            }
            return page
        }
    }

    /// Says whether the matching rows are handed to FAISS or scored directly.
    public func explain(_ request: ExplainRequest) throws(VectorStoreError) -> FilterPlan {
        try with(request.collection) { (collection) throws(VectorStoreError) in
            try collection.read { state in
                var options = QueryOptions()
                options.filter = request.filter
                let search = Search(
                    state, plan: plan, candidateFactor: configuration.candidateFactor, options: options)
                return FilterPlan(pushedDown: request.filter, finished: nil, native: search.summary)
            }
        }
    }
}

/// What FAISS, and a file that claims to be ours, are held to.
enum FaissLimits {
    static let dimensions = 1...65_536
}
#else
/// Not in this build: enable the `Faiss` trait of this package.
@available(
    *, unavailable,
    message: "enable the trait where you depend on this package: .package(url: ..., traits: [\"Faiss\"])"
)
public enum FaissVectorStore {}
#endif
