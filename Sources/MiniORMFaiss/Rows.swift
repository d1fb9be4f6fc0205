#if Faiss
internal import MiniORM

/// The records of a collection by row number, those that were deleted or replaced included. A value: a copy is a
/// snapshot that later changes do not touch.
struct Rows: Sendable {
    private(set) var vectors: VectorBlocks
    private(set) var ids: [UTF8Key] = []
    private(set) var payloads: [[String: PayloadValue]?] = []
    /// Which rows are there still.
    private(set) var live = RowSet()

    init(dimension: Int) { vectors = VectorBlocks(dimension: dimension) }

    /// All rows, the dead ones included.
    var count: Int { ids.count }
    /// The rows that are there still.
    var liveCount: Int { live.count }

    mutating func append(_ record: VectorRecord) {
        live.insert(count)
        vectors.append(record.vector)
        ids.append(UTF8Key(record.id))
        payloads.append(record.payload)
    }

    mutating func remove(_ row: Int) {
        live.remove(row)
        payloads[row] = nil
    }

    func record(_ row: Int) -> VectorRecord {
        VectorRecord(id: ids[row].string, vector: vectors[row], payload: payloads[row])
    }

    /// The rows that are there and match.
    func matching(_ filter: VectorFilter?) -> RowSet {
        guard let filter else { return live }
        var matching = RowSet()
        live.forEach { row in
            if filter.matches(payloads[row]) { matching.insert(row) }
        }
        return matching
    }
}

/// Row numbers, a bit each.
struct RowSet: Sendable {
    private(set) var count = 0
    /// Bit `row % 8` of byte `row / 8`, as FAISS has it.
    private(set) var bytes: [UInt8] = []

    func contains(_ row: Int) -> Bool {
        let byte = row >> 3
        return row >= 0 && byte < bytes.count && bytes[byte] & (1 << UInt8(row & 7)) != 0
    }

    mutating func insert(_ row: Int) {
        while bytes.count <= row >> 3 { bytes.append(0) }
        guard !contains(row) else { return }
        bytes[row >> 3] |= 1 << UInt8(row & 7)
        count += 1
    }

    mutating func remove(_ row: Int) {
        guard contains(row) else { return }
        bytes[row >> 3] &= ~(1 << UInt8(row & 7))
        count -= 1
    }

    /// Visits the rows in ascending order.
    func forEach<Failure>(from start: Int = 0, _ body: (Int) throws(Failure) -> Void) throws(Failure) {
        guard start >> 3 < bytes.count else { return }
        for index in (start >> 3)..<bytes.count {
            var bits = bytes[index]
            while bits != 0 {
                let row = index << 3 | bits.trailingZeroBitCount
                bits &= bits - 1
                if row >= start { try body(row) }
            }
        }
    }

    /// The rows in ascending order, from one on.
    func rows(from start: Int = 0) -> [Int64] {
        var rows: [Int64] = []
        rows.reserveCapacity(count)
        forEach(from: start) { rows.append(Int64($0)) }
        return rows
    }
}
#endif
