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
/// rows; scores are exact with all of them. A filter is evaluated first, and the rows that match are handed to FAISS,
/// or scored directly where they are few.
///
/// A store with a directory survives the end of the process at any moment: an upsert or a delete is there whole once it
/// has returned, and there whole or not at all if it has not. One process at a time has a directory open, unless all of
/// them only read; the stores of a process share it. Records are held in memory too, and with ``FaissIndexType/flat``
/// their vectors twice, once as they are and once as FAISS compares them.
///
/// FAISS and OpenBLAS have settings for the whole process. The first store of a process, and ``setThreads(_:)``, set
/// two of them, for everybody who uses these libraries in the process: OpenBLAS's number of threads, and
/// `faiss::distance_compute_blas_threshold`, to 1.
public final class FaissVectorStore: VectorStorePort {
    let catalogue: FaissCatalogue
    let isClosed = Mutex(false)
    let configuration: FaissConfiguration
    let plan: IndexPlan
    private let isPersistent: Bool
    let isReadOnly: Bool

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
    /// - Throws: `VectorStoreError.Code.unavailable` while another process has the directory open and not both only
    ///   read, and, with `readOnly`, where there is no store; `VectorStoreError.Code.invalidArgument` for a directory
    ///   that holds files of somebody else.
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
    /// environment's `OMP_NUM_THREADS` and `OPENBLAS_NUM_THREADS` ask for or, without, as many as there are processors
    /// that the process may run on.
    ///
    /// This is about every store of the process. Beside the threads that call at most `count - 1` of FAISS's work at a
    /// time, whatever the number of calls, and as many of the BLAS's, which compute one matrix product after the other.
    /// With 1 every call runs on the thread that makes it, which serves many concurrent queries best; more make a
    /// batch, a single query of a flat index and the building of an index faster. To be set before searches begin.
    public static func setThreads(_ count: Int) { FaissThreads.set(count) }
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
