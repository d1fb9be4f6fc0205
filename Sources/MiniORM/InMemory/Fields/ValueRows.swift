/// The rows of each value of one type, in the order of the values.
struct ValueRows<Key: Hashable & Comparable & Sendable>: Sendable {
    /// Distinct, in order.
    private let keys: [Key]
    /// Where the rows of each key begin, and where the last ones end.
    private let starts: [UInt16]
    private let rows: RankedRows

    /// Gathers values and their rows.
    struct Builder {
        private var groups: [Key: UInt16] = [:]
        private var keys: [Key] = []
        private var entries: [(group: UInt16, row: UInt16)] = []

        /// How many pairs of a value and a row there can be.
        static var limit: Int { Int(UInt16.max) }

        /// Rows in order; false when there is no more room.
        mutating func add(_ key: Key, _ row: UInt16) -> Bool {
            guard entries.count < Self.limit else { return false }
            if let group = groups[key] {
                entries.append((group, row))
            } else {
                let group = UInt16(keys.count)
                groups[key] = group
                keys.append(key)
                entries.append((group, row))
            }
            return true
        }

        /// - Parameter isUnique: Whether no row was added twice.
        func finish(isUnique: Bool) -> ValueRows {
            let order = keys.indices.sorted { keys[$0] < keys[$1] }
            var rank = [Int](repeating: 0, count: keys.count)
            for (position, group) in order.enumerated() { rank[group] = position }
            var next = [Int](repeating: 0, count: keys.count + 1)
            for entry in entries { next[rank[Int(entry.group)] + 1] += 1 }
            for position in keys.indices { next[position + 1] += next[position] }
            let starts = next.map { UInt16($0) }
            var rows = [UInt16](repeating: 0, count: entries.count)
            for entry in entries {
                let position = rank[Int(entry.group)]
                rows[next[position]] = entry.row
                next[position] += 1
            }
            return ValueRows(
                keys: order.map { keys[$0] }, starts: starts, rows: RankedRows(rows, isUnique: isUnique))
        }
    }

    private init(keys: [Key], starts: [UInt16], rows: RankedRows) {
        self.keys = keys
        self.starts = starts
        self.rows = rows
    }

    var bytes: Int { keys.count * MemoryLayout<Key>.stride + starts.count * 2 + rows.bytes }

    /// Marks the rows of a key that equals one of the operands, which are distinct and in order.
    func mark(equal operands: [Key], in words: inout [UInt64], at offset: Int) {
        var position = 0
        for operand in operands {
            position = firstPosition(from: position) { keys[$0] >= operand }
            guard position < keys.count else { return }
            if keys[position] == operand {
                rows.mark(Int(starts[position])..<Int(starts[position + 1]), in: &words, at: offset)
            }
        }
    }

    /// Marks the rows of a key that stands so to the operand.
    func mark(_ comparison: VectorFilter.Comparison, _ operand: Key, in words: inout [UInt64], at offset: Int) {
        let none = 0..<0
        let positions: Range<Int> =
            switch comparison {
            case .less: 0..<firstPosition(from: 0) { keys[$0] >= operand }
            case .lessOrEqual: 0..<firstPosition(from: 0) { keys[$0] > operand }
            case .greater: firstPosition(from: 0) { keys[$0] > operand }..<keys.count
            case .greaterOrEqual: firstPosition(from: 0) { keys[$0] >= operand }..<keys.count
            case .equal, .notEqual: none
            }
        guard !positions.isEmpty else { return }
        rows.mark(Int(starts[positions.lowerBound])..<Int(starts[positions.upperBound]), in: &words, at: offset)
    }

    /// The first position that fits, where all behind one that fits do. In steps that double first, so that many near
    /// operands cost little.
    private func firstPosition(from start: Int, fits: (Int) -> Bool) -> Int {
        var (low, step) = (start, 1)
        while low + step <= keys.count, !fits(low + step - 1) {
            low += step
            step *= 2
        }
        var high = min(keys.count, low + step)
        while low < high {
            let middle = (low + high) / 2
            if fits(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
