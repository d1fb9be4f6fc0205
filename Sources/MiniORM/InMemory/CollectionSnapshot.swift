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
    /// The last entry of the log whose rows are in the snapshot.
    var sequence: UInt64 = 0

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
    private(set) var words: [UInt64] = []
    private(set) var count = 0

    init() {}

    /// A set by its bits.
    init(words: [UInt64]) {
        self.words = words
        count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

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

// Chunks that stay in files.
extension CollectionSnapshot {
    /// Throws where the use of a chunk has shown that its file is damaged.
    func checkIntact() throws(VectorStoreError) {
        for part in parts { try part.chunk.checkIntact() }
    }
}

extension RowChunk {
    /// Throws where a use has shown that the chunk's file is damaged.
    func checkIntact() throws(VectorStoreError) {
        guard let stored, stored.isDamaged else { return }
        throw Self.damaged(stored.chunk.file)
    }

    /// Whether all of it is what was written; reads it where nobody has.
    var isIntact: Bool { stored.map { stored in StoredChunk.Section.allCases.allSatisfy { stored.isIntact($0) } } ?? true }

    /// The error of a data file that is not what was written.
    static func damaged(_ file: UInt64) -> VectorStoreError {
        VectorStoreError(
            .corruptedStorage,
            "data file \(file) of the directory is damaged; InMemoryVectorStore.recover(at:to:) saves what can be saved")
    }
}
