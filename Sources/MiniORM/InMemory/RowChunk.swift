internal import CVectorKernels
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Musl)
internal import Musl
#else
internal import Glibc
#endif

/// Rows of a collection, side by side: vectors, ids, payloads and norms, a column each.
///
/// A chunk is filled from its beginning and never changed behind it: `append` is the only way in. All of the unsafe
/// storage is in this file.
///
/// `@unchecked Sendable`, as a lock would make readers wait for the writer. It is safe, because
/// - only the one writer of a collection calls `append`, and it writes to rows that no reader knows of;
/// - a reader learns the number of rows from a ``CollectionSnapshot``, which it takes under the lock under which the
///   writer published it, so that what was written before is visible to it;
/// - a row below that number is never written again, and the storage lives as long as the chunk.
final class RowChunk: @unchecked Sendable {
    let dimension: Int
    let width: Int
    let capacity: Int
    /// Rows that are there. Read by the writer alone; readers have the snapshot's count.
    private(set) var count = 0

    /// The codes of the first rows, once there are any.
    let codes = Mutex<ChunkCodes.Coded?>(nil)

    private let vectors: UnsafeMutablePointer<Float>
    private let ids: UnsafeMutablePointer<String>
    private let payloads: UnsafeMutablePointer<[String: PayloadValue]?>
    private let inverses: UnsafeMutablePointer<Double>
    /// Where the vectors are if they are not in memory of our own.
    private let mapping: MappedFile?
    /// Where everything is if the chunk is one of a directory's. `ids` and `payloads` are empty then.
    let stored: StoredRows?

    /// An empty chunk; `nil` where there is no memory for it.
    convenience init?(dimension: Int, capacity: Int) {
        let width = rowWidth(dimension: dimension)
        let (bytes, overflow) = (width * MemoryLayout<Float>.stride).multipliedReportingOverflow(by: capacity)
        guard !overflow, bytes > 0 else { return nil }
        // Pages that nobody has written to cost nothing and hold zeros: the padding of each row.
        let memory = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
        guard let memory, memory != MAP_FAILED else { return nil }
        #if os(Linux)
        // Fewer address translations while scanning; a hint that may be refused.
        if bytes >= 1 << 21 { _ = madvise(memory, bytes, MADV_HUGEPAGE) }
        #endif
        self.init(
            dimension: dimension, capacity: capacity,
            vectors: memory.bindMemory(to: Float.self, capacity: width * capacity), mapping: nil)
    }

    private init(dimension: Int, capacity: Int, vectors: UnsafeMutablePointer<Float>, mapping: MappedFile?) {
        self.dimension = dimension
        self.width = rowWidth(dimension: dimension)
        self.capacity = capacity
        self.vectors = vectors
        self.mapping = mapping
        stored = nil
        ids = .allocate(capacity: capacity)
        payloads = .allocate(capacity: capacity)
        inverses = .allocate(capacity: capacity)
    }

    /// A full chunk whose vectors stay in a file: `capacity` padded rows from `offset` on, which the caller has
    /// checked to be within it. `nil` if they are not aligned.
    convenience init?(
        mapping: MappedFile, offset: Int, dimension: Int, inverseNorms: [Double], ids: [String],
        payloads: [[String: PayloadValue]?]
    ) {
        let bytes = mapping.bytes
        let length = ids.count * rowWidth(dimension: dimension) * MemoryLayout<Float>.stride
        guard offset % 64 == 0, offset >= 0, length > 0, offset <= bytes.count - length, let base = bytes.baseAddress,
            payloads.count == ids.count, inverseNorms.count == ids.count
        else { return nil }
        // Never written to: `append` refuses, as the chunk is full.
        let vectors = UnsafeMutableRawPointer(mutating: base + offset).assumingMemoryBound(to: Float.self)
        self.init(dimension: dimension, capacity: ids.count, vectors: vectors, mapping: mapping)
        for row in ids.indices { initialize(row, ids[row], payloads[row], inverseNorms[row]) }
        count = ids.count
    }

    /// A full chunk that stays in a data file with all it has. Its sections are aligned to 64 bytes, in a mapping that
    /// is aligned to pages.
    init?(_ stored: StoredRows, dimension: Int) {
        let layout = stored.layout
        guard let vectors = stored.bytes(layout.vectors).baseAddress,
            let inverses = stored.bytes(layout.inverses).baseAddress
        else { return nil }
        self.dimension = dimension
        width = rowWidth(dimension: dimension)
        capacity = Int(stored.chunk.rows)
        count = capacity
        // Never written to: `append` refuses, as the chunk is full.
        self.vectors = UnsafeMutableRawPointer(mutating: vectors).assumingMemoryBound(to: Float.self)
        self.inverses = UnsafeMutableRawPointer(mutating: inverses).assumingMemoryBound(to: Double.self)
        ids = .allocate(capacity: 0)
        payloads = .allocate(capacity: 0)
        mapping = nil
        self.stored = stored
    }

    deinit {
        guard stored == nil else {
            ids.deallocate()
            payloads.deallocate()
            return
        }
        ids.deinitialize(count: count).deallocate()
        payloads.deinitialize(count: count).deallocate()
        inverses.deallocate()
        if mapping == nil { munmap(vectors, width * capacity * MemoryLayout<Float>.stride) }
    }

    private func initialize(_ row: Int, _ id: String, _ payload: [String: PayloadValue]?, _ inverse: Double) {
        (ids + row).initialize(to: id)
        (payloads + row).initialize(to: payload)
        (inverses + row).initialize(to: inverse)
    }

    var room: Int { capacity - count }

    /// Writes vectors into rows behind those that are there, for ``append(_:_:)`` to take; returns the first record whose
    /// vector is not of the chunk's dimension or not finite, or for whose row there is no room.
    ///
    /// Several threads may write to different rows at once.
    ///
    /// - Parameter inverseNorms: What ``inverseNorm(of:)`` says of each record's vector, where that is known. Otherwise
    ///   each is measured where it now lies, so that memory is read once.
    func place(_ records: [VectorRecord], from first: Int, _ inverseNorms: [Double]?, in rows: Range<Int>) -> Int? {
        for row in rows {
            let index = first + row - rows.lowerBound
            guard row >= count, row < capacity, records[index].vector.count == dimension else { return index }
            let target = vectors + row * width
            records[index].vector.withUnsafeBufferPointer { source in
                if let base = source.baseAddress { target.update(from: base, count: dimension) }
            }
            let measured =
                inverseNorms?[index] ?? Self.inverseNorm(of: UnsafeBufferPointer(start: target, count: dimension))
            guard let measured else { return index }
            (inverses + row).initialize(to: measured)
        }
        return nil
    }

    /// Adds the next row, whose vector has been placed.
    func append(_ id: String, _ payload: [String: PayloadValue]?) {
        guard count < capacity else { return }
        var id = id
        id.makeContiguousUTF8()
        (ids + count).initialize(to: id)
        (payloads + count).initialize(to: payload)
        count += 1
    }

    /// Takes away the last rows, of which no reader knows.
    func truncate(to rows: Int) {
        guard stored == nil, mapping == nil, rows < count else { return }
        (ids + rows).deinitialize(count: count - rows)
        (payloads + rows).deinitialize(count: count - rows)
        count = rows
    }

    /// Adds a row of another chunk; false where the chunk is full.
    func append(_ row: Int, of other: RowChunk) -> Bool {
        guard count < capacity, other.dimension == dimension else { return false }
        (vectors + count * width).update(from: other.vectors + row * width, count: dimension)
        initialize(count, other.id(row), other.payload(row), other.inverses[row])
        count += 1
        return true
    }

    // What readers see: `row` is below the count of their snapshot.

    func id(_ row: Int) -> String { stored?.id(row) ?? ids[row] }
    func hasID(_ row: Int, _ id: String) -> Bool { stored?.hasID(row, id) ?? (UTF8Key(ids[row]) == UTF8Key(id)) }
    func payload(_ row: Int) -> [String: PayloadValue]? {
        if let stored { return stored.payload(row) }
        return payloads[row]
    }
    /// 1 / the row's norm; 0 for a zero row, NaN for one to be measured in double precision.
    func inverseNorm(_ row: Int) -> Double {
        stored?.isIntact(.identities)
        return inverses[row]
    }
    func vector(_ row: Int) -> [Float] {
        stored?.isIntact(.vectors)
        return Array(UnsafeBufferPointer(start: vectors + row * width, count: dimension))
    }
    func record(_ row: Int) -> VectorRecord { VectorRecord(id: id(row), vector: vector(row), payload: payload(row)) }

    /// A padded row.
    func address(of row: Int) -> UnsafePointer<Float>? { rows(row..<row + 1).baseAddress }

    /// Padded rows, one after the other.
    func rows(_ range: Range<Int>) -> UnsafeBufferPointer<Float> {
        stored?.isIntact(.vectors)
        return UnsafeBufferPointer(start: vectors + range.lowerBound * width, count: range.count * width)
    }

    /// ``inverseNorm(_:)`` of rows one after the other.
    func inverseNorms(_ range: Range<Int>) -> UnsafeBufferPointer<Double> {
        stored?.isIntact(.identities)
        return UnsafeBufferPointer(start: inverses + range.lowerBound, count: range.count)
    }
}

extension RowChunk {
    /// What ``inverseNorm(_:)`` holds for a vector; `nil` if a component is infinite or NaN.
    static func inverseNorm(of vector: [Float]) -> Double? { vector.withUnsafeBufferPointer { inverseNorm(of: $0) } }

    private static func inverseNorm(of vector: UnsafeBufferPointer<Float>) -> Double? {
        guard let base = vector.baseAddress else { return 0 }
        let squares = cvk_sum_of_squares(base, vector.count)
        guard squares.isFinite else { return nil }
        if squares == 0 { return 0 }
        let norm = squares.squareRoot()
        return ordinaryNorms.contains(norm) ? 1 / norm : .nan
    }

    /// How many rows the next chunk of a collection takes: as many as there are, so that small collections stay
    /// small, up to about 4 MB.
    static func capacity(width: Int, rowsBefore: Int, needed: Int) -> Int {
        let most = max(8, min(16_384, (1 << 20) / width))
        return min(most, max(64, rowsBefore, needed))
    }
}
