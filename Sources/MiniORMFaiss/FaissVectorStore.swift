#if Faiss
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
/// has returned, and there whole or not at all if it has not. One process at a time has a directory open, unless all of
/// them only read; the stores of a process share it. Records are held in memory too, and with ``FaissIndexType/flat`` their
/// vectors twice, once as they are and once as FAISS compares them.
///
/// FAISS and OpenBLAS have settings for the whole process. The first store of a process, and ``setThreads(_:)``, set two of
/// them, for everybody who uses these libraries in the process: OpenBLAS's number of threads, and
/// `faiss::distance_compute_blas_threshold`, to 1.
public final class FaissVectorStore: VectorStorePort {
    let catalogue: FaissCatalogue
    private let isClosed = Mutex(false)
    private let configuration: FaissConfiguration
    private let plan: IndexPlan
    private let isPersistent: Bool
    private let isReadOnly: Bool

    /// A store in memory.
    ///
    /// Throws `VectorStoreError.Code.invalidArgument` for a configuration that is out of range.
    public init(configuration: FaissConfiguration = FaissConfiguration()) throws(VectorStoreError) {
        plan = try Self.plan(configuration)
        self.configuration = configuration
        isPersistent = false
        isReadOnly = false
        catalogue = FaissCatalogue(configuration)
        FaissThreads.setDefault()
    }

    /// A store in a directory, which is made if it is not there.
    ///
    /// Collections are read when they are first used. The index type may differ from the one they were written with.
    /// Stores of one process over the same directory share what is underneath, and have to have the same configuration.
    ///
    /// - Parameters:
    ///   - directory: A directory that is new or empty, or that a store has made.
    ///   - configuration: How it is searched and stored.
    ///   - readOnly: Whether the store only reads, beside any number of others that do, and leaves every file as it is.
    ///     Writing throws `VectorStoreError.Code.unauthorized`. An index that is not there is built in memory.
    /// - Throws: `VectorStoreError.Code.unavailable` while another process has the directory open and not both only read,
    ///   and, with `readOnly`, where there is no store; `VectorStoreError.Code.invalidArgument` for a directory that holds
    ///   files of somebody else.
    public init(
        directory: String, configuration: FaissConfiguration = FaissConfiguration(), readOnly: Bool = false
    ) throws(VectorStoreError) {
        plan = try Self.plan(configuration)
        self.configuration = configuration
        isPersistent = true
        isReadOnly = readOnly
        do throws(VectorStoreError) {
            catalogue = try FaissCatalogue.opening(directory, configuration, isReadOnly: readOnly)
        } catch { throw error.adding(store: Self.storeName) }
        FaissThreads.setDefault()
    }

    deinit {
        if !isClosed.withLock({ $0 }) { _ = catalogue.release() }
    }

    /// Checks a configuration.
    private static func plan(_ configuration: FaissConfiguration) throws(VectorStoreError) -> IndexPlan {
        func check(_ isInRange: Bool, _ message: String) throws(VectorStoreError) {
            guard isInRange else { throw VectorStoreError(.invalidArgument, message, store: storeName) }
        }
        try check((1...1_000).contains(configuration.candidateFactor), "candidateFactor is between 1 and 1,000")
        try check(
            configuration.rebuildThreshold > 0 && configuration.rebuildThreshold <= 1,
            "rebuildThreshold is above 0 and at most 1")
        do throws(VectorStoreError) { return try IndexPlan(configuration.index) } catch {
            throw error.adding(store: storeName)
        }
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

    /// Bounds the threads that FAISS and the BLAS underneath use, at least 1. At first they are the least of what the
    /// environment's `OMP_NUM_THREADS` and `OPENBLAS_NUM_THREADS` ask for or, without, as many as there are processors that
    /// the process may run on.
    ///
    /// This is about every store of the process. Beside the threads that call at most `count - 1` of FAISS's work at a
    /// time, whatever the number of calls, and as many of the BLAS's, which compute one matrix product after the other. With
    /// 1 every call runs on the thread that makes it, which serves many concurrent queries best; more make a batch, a single
    /// query of a flat index and the building of an index faster. To be set before searches begin.
    public static func setThreads(_ count: Int) { FaissThreads.set(count) }
}

// Collections.
extension FaissVectorStore {
    private func place(_ directory: CollectionDirectory?, _ lock: OpenFile?) -> FaissCollection.Place {
        FaissCollection.Place(
            configuration: configuration, directory: directory, lock: lock, maintenance: catalogue.maintenance)
    }

    /// The collection of a slot, which is read from its files if it was not; `nil` if it is gone.
    func open(
        _ name: String, _ slot: FaissCatalogue.Slot, _ directory: StoreDirectory?
    ) throws(VectorStoreError) -> FaissCollection? {
        try slot.content.withLock { content throws(VectorStoreError) in
            switch content {
            case .open(let collection): return collection
            case .gone: return nil
            case .closed: throw FaissCollection.closed
            case .unread:
                guard let directory else { return nil }
                let files = try directory.collection(name)
                let opened = try FaissCollection(opening: files, plan, place(files, directory.lock))
                content = .open(opened)
                return opened
            }
        }
    }

    /// The collection of a name; `nil` if there is none.
    private func lookUp(_ name: String) throws(VectorStoreError) -> FaissCollection? {
        let (slot, directory) = try withContents { (catalogue) throws(VectorStoreError) in
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

    private func withWritable<Value>(
        _ name: String, _ body: (FaissCollection) throws(VectorStoreError) -> Value
    ) throws(VectorStoreError) -> Value {
        try with(name) { (collection) throws(VectorStoreError) in
            try checkIsWritable()
            return try body(collection)
        }
    }

    /// Works on the list of collections, unless the store is closed.
    private func withContents<Value: Sendable>(
        _ body: (inout FaissCatalogue.Contents) throws(VectorStoreError) -> Value
    ) throws(VectorStoreError) -> Value {
        try catalogue.contents.withLock { contents throws(VectorStoreError) in
            guard !contents.isClosed, !isClosed.withLock({ $0 }) else {
                throw FaissCollection.closed.adding(store: name)
            }
            return try body(&contents)
        }
    }

    private func checkIsWritable() throws(VectorStoreError) {
        guard !isReadOnly else {
            throw VectorStoreError(
                .unauthorized, "the store was opened with readOnly: true; open it without to write")
        }
    }

    /// Creates a collection.
    public func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        do throws(VectorStoreError) {
            let wanted = request.collection
            guard FaissLimits.dimensions.contains(wanted.dimension) else {
                throw VectorStoreError(
                    .invalidArgument,
                    "the dimension is \(wanted.dimension); FAISS takes 1 to \(FaissLimits.dimensions.upperBound)")
            }
            while true {
                typealias Found = (slot: FaissCatalogue.Slot, directory: StoreDirectory?)
                let found = try withContents { (catalogue) throws(VectorStoreError) -> Found? in
                    if let slot = catalogue.slots[UTF8Key(wanted.name)] { return (slot, catalogue.directory) }
                    let collection = try made(wanted, in: catalogue.directory)
                    catalogue.slots[UTF8Key(wanted.name)] = FaissCatalogue.Slot(.open(collection))
                    return nil
                }
                // A large collection is read, and its writers are waited for, while others look up theirs.
                guard let (slot, directory) = found, try !finish(request, slot, directory) else { return }
                // It was dropped meanwhile.
                forget(slot, wanted.name)
            }
        } catch {
            throw error.adding(store: name, collection: request.collection.name)
        }
    }

    private func made(
        _ wanted: CollectionDescription, in directory: StoreDirectory?
    ) throws(VectorStoreError) -> FaissCollection {
        try checkIsWritable()
        guard let directory else { return try FaissCollection(creating: wanted, plan, place(nil, nil)) }
        try directory.create(wanted.name) { (files) throws(VectorStoreError) in
            _ = try FaissCollection(creating: wanted, plan, place(files, directory.lock))
        }
        let files = try directory.collection(wanted.name)
        return try FaissCollection(opening: files, plan, place(files, directory.lock))
    }

    /// Does with a collection that is there what a creation asks for. `false` if it is gone.
    private func finish(
        _ request: CreateCollectionRequest, _ slot: FaissCatalogue.Slot, _ directory: StoreDirectory?
    ) throws(VectorStoreError) -> Bool {
        let wanted = request.collection
        if request.mode == .create {
            throw VectorStoreError(.collectionAlreadyExists, "the collection is there already")
        }
        if request.mode == .overwrite { try checkIsWritable() }
        guard let collection = try open(wanted.name, slot, directory) else { return false }
        do throws(VectorStoreError) {
            if request.mode == .overwrite {
                try collection.reset(wanted)
                return true
            }
            let present = try collection.read { $0.description }
            guard present.dimension == wanted.dimension, present.metric == wanted.metric else {
                throw VectorStoreError(
                    .collectionMismatch,
                    "it has \(present.dimension) dimensions and metric \(present.metric), not \(wanted.dimension) and "
                        + "\(wanted.metric)")
            }
            return true
        } catch  where error.code == .collectionNotFound { return false }
    }

    /// Takes a slot that is gone from the list, if another call has not.
    private func forget(_ slot: FaissCatalogue.Slot, _ name: String) {
        catalogue.contents.withLock { contents in
            if contents.slots[UTF8Key(name)] === slot { contents.slots[UTF8Key(name)] = nil }
        }
    }

    /// What a collection is.
    public func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        do throws(VectorStoreError) {
            guard let collection = try lookUp(name) else { return nil }
            return try collection.state.read { state throws(VectorStoreError) in
                if state.life == .dropped { return nil }
                try state.checkIsOpen()
                return state.description
            }
        } catch {
            throw error.adding(store: self.name, collection: name)
        }
    }

    /// The names of the collections.
    public func listCollections() throws(VectorStoreError) -> [String] {
        try withContents { (catalogue) throws(VectorStoreError) in
            return catalogue.slots.keys.sorted().map(\.string)
        }
    }

    /// Drops a collection with its files, also one whose files are damaged.
    public func dropCollection(_ name: String) throws(VectorStoreError) {
        do throws(VectorStoreError) {
            try checkIsWritable()
            let (slot, directory) = try withContents { (catalogue) throws(VectorStoreError) in
                return (catalogue.slots[UTF8Key(name)], catalogue.directory)
            }
            guard let slot else { throw FaissCollection.dropped }
            try slot.content.withLock { content throws(VectorStoreError) in
                switch content {
                case .open(let collection):
                    try collection.drop { () throws(VectorStoreError) in try directory?.remove(name) }
                case .unread: try directory?.remove(name)
                case .gone: throw FaissCollection.dropped
                case .closed: throw FaissCollection.closed
                }
                content = .gone
            }
            forget(slot, name)
        } catch {
            throw error.adding(store: self.name, collection: name)
        }
    }

    /// Saves indexes and releases the directory, if no other store of this process shares it.
    ///
    /// An index that is being built is given up, and built anew when the collection is used again; ``waitForIndexes()``
    /// before a close has it saved. Later calls throw `VectorStoreError.Code.unavailable`; a second close does nothing.
    /// Throws what an index could not be built or saved for, when all is closed; no record is lost by that.
    public func close() throws(VectorStoreError) {
        let wasClosed = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return isClosed
        }
        guard !wasClosed, catalogue.release() else { return }
        let (slots, directory) = catalogue.contents.withLock { contents in
            defer { contents = FaissCatalogue.Contents(isClosed: true) }
            return (contents.slots, contents.directory)
        }
        // All of them first, as they share the queue of what is done in the background.
        for slot in slots.values { slot.collection?.isStopping.store(true, ordering: .relaxed) }
        // Calls under way may still hold a collection: what is closed here writes no more, so the lock can go.
        defer { directory?.lock.unlock() }
        var failure: VectorStoreError?
        for (key, slot) in slots {
            do throws(VectorStoreError) {
                try slot.content.withLock { content throws(VectorStoreError) in
                    defer { content = .closed }
                    if case .open(let collection) = content { try collection.close() }
                }
            } catch {
                failure = failure ?? error.adding(store: name, collection: key.string)
            }
        }
        if let failure { throw failure }
    }

    /// Waits until no index is being built or saved in the background, so that every query after it has its index.
    ///
    /// Throws what an index could not be built or saved for. Records and answers are right without; the next write tries
    /// again.
    public func waitForIndexes() throws(VectorStoreError) {
        let slots = try withContents { (catalogue) throws(VectorStoreError) in return catalogue.slots }
        var failure: VectorStoreError?
        for (key, slot) in slots {
            do throws(VectorStoreError) { try slot.collection?.waitForIndex() } catch {
                failure = failure ?? error.adding(store: name, collection: key.string)
            }
        }
        if let failure { throw failure }
    }
}

// Records.
extension FaissVectorStore {
    /// Inserts or replaces: all of the records or, where an error is thrown, none.
    public func upsert(_ request: UpsertRequest) throws(VectorStoreError) {
        try withWritable(request.collection) { (collection) throws(VectorStoreError) in
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
        try withWritable(request.collection) { (collection) throws(VectorStoreError) in
            try collection.delete(request.ids)
        }
    }

    /// Deletes what matches, in one step.
    public func deleteMatching(_ request: DeleteMatchingRequest) throws(VectorStoreError) -> Int {
        try withWritable(request.collection) { (collection) throws(VectorStoreError) in
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
