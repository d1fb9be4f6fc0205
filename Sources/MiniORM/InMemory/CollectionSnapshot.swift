/// The rows of a collection at one moment. A value: who holds it can read at leisure while others write.
struct CollectionSnapshot: Sendable {
    /// The part of a chunk that belongs to the snapshot.
    struct Part: Sendable {
        /// Grows from chunk to chunk, so that parts are ordered by it.
        let serial: UInt32
        let chunk: RowChunk
        var count: Int
        var dead = RowSet()
        /// Whether a row is to be measured in double precision.
        var hasExtremes = false

        var liveCount: Int { count - dead.count }
        func isLive(_ row: Int) -> Bool { dead.count == 0 || !dead.contains(row) }
    }

    var parts: [Part] = []
    var liveCount = 0

    /// The position of the part with a serial number.
    func position(of serial: UInt32) -> Int? {
        var (low, high) = (0, parts.count)
        while low < high {
            let middle = (low + high) / 2
            if parts[middle].serial < serial { low = middle + 1 } else { high = middle }
        }
        return low < parts.count && parts[low].serial == serial ? low : nil
    }

    /// Calls a body with every row that is there.
    func forEachRow(_ body: (Part, Int) -> Void) {
        for part in parts {
            for row in 0..<part.count where part.isLive(row) { body(part, row) }
        }
    }
}

/// Where a row is.
struct RowLocation: Sendable, Hashable {
    var serial: UInt32
    var row: UInt32
}

/// A set of rows of a chunk.
struct RowSet: Sendable {
    private var words: [UInt64] = []
    private(set) var count = 0

    func contains(_ row: Int) -> Bool {
        row >> 6 < words.count && words[row >> 6] & (1 << UInt64(row & 63)) != 0
    }

    mutating func insert(_ row: Int) {
        while words.count <= row >> 6 { words.append(0) }
        let bit: UInt64 = 1 << UInt64(row & 63)
        if words[row >> 6] & bit == 0 { count += 1 }
        words[row >> 6] |= bit
    }
}
