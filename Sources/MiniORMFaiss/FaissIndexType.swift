#if Faiss
/// How FAISS finds the nearest rows of a collection.
///
/// Whatever the type, answers have the contract's scores, computed from the stored float32 vectors, and as many of them
/// as there are matches; an approximate type can miss a near row for a farther one. The types that learn from the data
/// (``ivfFlat(lists:probes:)``, ``ivfPQ(lists:subquantizers:bits:probes:)``, ``sq8``) search exactly until enough rows
/// are there.
public enum FaissIndexType: Sendable, Hashable {
    /// Every row is compared: exact.
    case flat
    /// A graph of neighbours: fast to search, slow to build, the largest in memory.
    ///
    /// - Parameters:
    ///   - m: Neighbours per row, 2 to 256. More: better recall, more memory.
    ///   - efConstruction: Candidates looked at when a row is added, 1 to 65,536.
    ///   - efSearch: Candidates looked at in a search, 1 to 65,536; at least `topK` are.
    case hnsw(m: Int = 32, efConstruction: Int = 80, efSearch: Int = 64)
    /// Rows in lists round learned centroids; a search reads the lists nearest to the query.
    ///
    /// - Parameters:
    ///   - lists: How many lists, 1 to 1,048,576; about the square root of the number of rows is a good start. They are
    ///     learned once there are 39 rows a list.
    ///   - probes: How many of them a search reads, 1 to `lists`.
    case ivfFlat(lists: Int, probes: Int = 8)
    /// As ``ivfFlat(lists:probes:)``, with rows compressed to `subquantizers * bits / 8` bytes in the index.
    ///
    /// - Parameters:
    ///   - lists: As for ``ivfFlat(lists:probes:)``.
    ///   - subquantizers: Into how many parts a vector is cut; a divisor of the dimension.
    ///   - bits: Bits of a part's code, 4 to 12. The codes are learned once there are `39 << bits` rows.
    ///   - probes: As for ``ivfFlat(lists:probes:)``.
    case ivfPQ(lists: Int, subquantizers: Int, bits: Int = 8, probes: Int = 8)
    /// Every row is compared, with each component in 8 bits.
    case sq8
    /// A type by its text in FAISS's index factory, of those that ``FaissConfiguration`` lists.
    case factory(String)
}

/// How a ``FaissVectorStore`` searches and stores.
///
/// ```swift
/// let configuration = FaissConfiguration(index: .hnsw(m: 32, efConstruction: 200, efSearch: 128))
/// let store = try FaissVectorStore(configuration: configuration)
/// ```
///
/// The texts that ``FaissIndexType/factory(_:)`` takes, where `n`, `m`, `b` are numbers:
///
/// | text | type |
/// |---|---|
/// | `Flat` | every row |
/// | `HNSWn`, `HNSWn,Flat` | graph with `n` neighbours |
/// | `IVFn,Flat` | `n` lists |
/// | `IVFn,SQ8`, `IVFn,SQ4`, `IVFn,SQfp16` | `n` lists of scalar codes |
/// | `IVFn,PQm`, `IVFn,PQmxb` | `n` lists of product codes |
/// | `SQ8`, `SQ4`, `SQfp16` | scalar codes |
/// | `PQm`, `PQmxb` | product codes |
///
/// `IVFn_HNSWm` in the place of `IVFn` finds the lists by a graph, and `OPQm,` before a type with `PQm` rotates first.
public struct FaissConfiguration: Sendable, Hashable {
    /// How the nearest rows are found.
    public var index: FaissIndexType
    /// Re-ranking: how many times `topK` candidates an approximate index is asked for, of which the best by their stored
    /// vectors are the answer. 1 to 1,000. More than 1 pays for compressed types.
    public var candidateFactor: Int
    /// At which share of deleted and replaced rows, above 0 and at most 1, the index is built anew, in the background.
    public var rebuildThreshold: Double
    /// Whether a write to a store with a directory waits until the disk has it, so that a power cut does not lose what
    /// was acknowledged. Without, only the end of the process is survived.
    public var waitsForDisk: Bool

    /// A configuration; a store checks it when it is made.
    public init(
        index: FaissIndexType = .flat, candidateFactor: Int = 1, rebuildThreshold: Double = 0.25,
        waitsForDisk: Bool = true
    ) {
        self.index = index
        self.candidateFactor = candidateFactor
        self.rebuildThreshold = rebuildThreshold
        self.waitsForDisk = waitsForDisk
    }
}
#endif
