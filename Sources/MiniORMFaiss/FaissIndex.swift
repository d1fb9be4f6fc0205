#if Faiss
internal import CFaiss
internal import MiniORM
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Musl)
internal import Musl
#else
internal import Glibc
#endif

/// An index of FAISS over a prefix of a collection's rows: the safe face of the C functions.
///
/// `@unchecked Sendable`: searching an index that nobody changes is safe from many threads; its owner changes it under
/// the collection's write lock only, or before anybody else has it.
final class FaissIndex: @unchecked Sendable {
    private let pointer: OpaquePointer
    private let dimension: Int

    /// Whether answers are exact.
    let isFlat: Bool
    /// Whether a search can be limited to some rows.
    let takesSelector: Bool

    private init(_ pointer: OpaquePointer, dimension: Int, _ plan: IndexPlan) {
        self.pointer = pointer
        self.dimension = dimension
        let facts = cfaiss_describe(pointer)
        isFlat = facts.is_flat
        takesSelector = facts.takes_selector
        cfaiss_tune(pointer, Int32(plan.efSearch), Int32(plan.probes))
    }

    deinit { cfaiss_free(pointer) }

    /// An empty index.
    convenience init(_ plan: IndexPlan, _ collection: CollectionDescription) throws(VectorStoreError) {
        var pointer: OpaquePointer?
        let status = cfaiss_create(
            plan.description, Int64(collection.dimension), collection.metric.shim, Int32(plan.efConstruction), &pointer)
        try Self.check(status)
        guard let pointer else { throw VectorStoreError(.backend, "FAISS made no index") }
        self.init(pointer, dimension: collection.dimension, plan)
    }

    /// The index that ``serialised()`` gave. The bytes have been compared with a checksum.
    convenience init(
        reading bytes: UnsafeRawBufferPointer, _ plan: IndexPlan, dimension: Int, metric: VectorMetric, rows: Int
    ) throws(VectorStoreError) {
        var pointer: OpaquePointer?
        let status = cfaiss_deserialise(
            bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, Int64(dimension), metric.shim, Int64(rows),
            &pointer)
        try Self.check(status)
        guard let pointer else { throw VectorStoreError(.backend, "FAISS read no index") }
        self.init(pointer, dimension: dimension, plan)
    }

    /// How many rows are in the index.
    var count: Int { Int(cfaiss_describe(pointer).count) }

    func train(_ vectors: VectorBlocks, on rows: [Int64]) throws(VectorStoreError) {
        try Self.check(vectors.withRows { cfaiss_train(pointer, $0, rows, Int64(rows.count)) })
    }

    /// Adds rows, beginning with the first that is not in the index.
    func add(_ vectors: VectorBlocks, _ rows: Range<Int>) throws(VectorStoreError) {
        try Self.check(vectors.withRows { cfaiss_add(pointer, $0, Int64(rows.lowerBound), Int64(rows.count)) })
    }

    /// Takes rows out of a flat index.
    func forget(_ rows: [Int64]) throws(VectorStoreError) {
        try Self.check(cfaiss_forget(pointer, rows, Int64(rows.count)))
    }

    /// What a search finds: for each query `width` rows, best first, -1 where there are fewer.
    struct Candidates {
        let width: Int
        let numbers: [Int64]
        /// In FAISS's own terms and precision: comparable within one query, larger is better.
        let approximations: [Float]
    }

    /// Searches for queries that lie one after the other.
    func search(
        _ queries: [Float], count: Int, width: Int, within selector: RowSet?
    ) throws(VectorStoreError) -> Candidates {
        guard queries.count == count * dimension, width > 0 else {
            throw VectorStoreError(.invalidVector, "a query has another length than the collection's dimension")
        }
        var numbers = [Int64](repeating: -1, count: count * width)
        var approximations = [Float](repeating: 0, count: count * width)
        // An empty array may have no address, and no bitmap would mean every row.
        let bitmap = selector.map { $0.bytes.isEmpty ? [0] : $0.bytes }
        let status =
            if let bitmap {
                cfaiss_search(
                    pointer, queries, Int64(count), Int64(width), bitmap, bitmap.count,
                    &approximations, &numbers)
            } else {
                cfaiss_search(
                    pointer, queries, Int64(count), Int64(width), nil, 0, &approximations, &numbers)
            }
        try Self.check(status)
        return Candidates(width: width, numbers: numbers, approximations: approximations)
    }

    /// The index as bytes.
    func serialised() throws(VectorStoreError) -> SerialisedIndex {
        var bytes: UnsafeMutablePointer<UInt8>?
        var count = 0
        try Self.check(cfaiss_serialise(pointer, &bytes, &count))
        return SerialisedIndex(bytes, count)
    }

    private static func check(_ status: cfaiss_status) throws(VectorStoreError) {
        guard status != CFAISS_OK else { return }
        let reason = String(cString: cfaiss_message())
        throw VectorStoreError(.backend, "FAISS refused: \(reason)")
    }
}

/// An index as FAISS writes it, in the memory that it was written to: a copy would be as large again.
final class SerialisedIndex {
    private let start: UnsafeMutablePointer<UInt8>?
    /// Valid as long as the object is.
    let bytes: UnsafeRawBufferPointer

    fileprivate init(_ start: UnsafeMutablePointer<UInt8>?, _ count: Int) {
        self.start = start
        bytes = UnsafeRawBufferPointer(start: start, count: count)
    }

    deinit { free(start) }
}

extension VectorBlocks {
    /// The contract's scores of rows, computed in double precision.
    func scores(_ metric: VectorMetric, _ query: [Float], of rows: [Int64]) throws(VectorStoreError) -> [Float] {
        guard query.count == dimension else {
            throw VectorStoreError(
                .invalidVector, "the query vector has \(query.count) components; the collection has \(dimension)")
        }
        var scores = [Float](repeating: 0, count: rows.count)
        withRows { cfaiss_score($0, metric.shim, query, rows, Int64(rows.count), &scores) }
        return scores
    }

    /// The largest Euclidean norm among rows.
    func largestNorm(of rows: Range<Int>) -> Double {
        withRows { cfaiss_largest_norm($0, Int64(rows.lowerBound), Int64(rows.count)) }
    }
}

extension VectorMetric {
    fileprivate var shim: cfaiss_metric {
        switch self {
        case .cosine: CFAISS_COSINE
        case .dot: CFAISS_DOT
        case .l2: CFAISS_L2
        }
    }
}

/// The threads of FAISS and of the BLAS underneath, which all of a process shares.
enum FaissThreads {
    /// From one query on a flat search is a matrix product: on two cores that took a third of the time of FAISS's own
    /// loops for a single query (1.2 against 3.7 ms for 20,000 x 384), and less for every number of queries.
    static let blasThreshold: Int32 = 1

    private static let isChosen = Mutex(false)

    /// How many threads work beside those that call, at this moment.
    static var helpers: Int { Int(cfaiss_helpers()) }

    static func set(_ count: Int) {
        isChosen.withLock { isChosen in
            cfaiss_set_threads(Int32(clamping: max(1, count)), blasThreshold)
            isChosen = true
        }
    }

    /// What the environment asks for or, without, one thread a processor; unless a number was set.
    static func setDefault() {
        isChosen.withLock { isChosen in
            guard !isChosen else { return }
            let wanted = initial(processors: Int(cfaiss_processors())) { name in
                getenv(name).map { String(cString: $0) }
            }
            cfaiss_set_threads(Int32(clamping: wanted), blasThreshold)
            isChosen = true
        }
    }

    /// The least of the numbers that the variables of OpenMP and of OpenBLAS ask for, or one thread for each processor
    /// that the process may run on.
    static func initial(processors: Int, _ variable: (String) -> String?) -> Int {
        // OMP_NUM_THREADS may list numbers for regions within regions: the first one counts.
        let asked = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"].compactMap { name in
            variable(name)?.split(separator: ",").first.flatMap { text in
                Int(text.filter { $0 != " " }).flatMap { (1...65_536).contains($0) ? $0 : nil }
            }
        }
        return asked.min() ?? max(1, processors)
    }
}

/// FAISS's version.
func faissVersion() -> String { String(cString: cfaiss_version()) }
#endif
