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
    /// How the collection's rows are coded; the same in all of its snapshots.
    let coding = CollectionCoding()
    /// The last entry of the log whose rows are in the snapshot.
    var sequence: UInt64 = 0

    /// How many rows there are, dead ones among them.
    var rowCount: Int { parts.reduce(0) { $0 + $1.count } }

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
