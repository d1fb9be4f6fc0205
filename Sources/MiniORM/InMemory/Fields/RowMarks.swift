/// What indexes know of a condition on the rows of a part: rows that match, and rows that may. All others do not.
struct RowMarks: Sendable {
    /// How many rows the part has; no bits at or beyond.
    let count: Int
    /// Rows that match.
    private(set) var sure: [UInt64]
    /// Rows that match or may; `nil` where no row is in doubt.
    private(set) var possible: [UInt64]?

    /// No rows.
    init(none count: Int) {
        self.count = count
        sure = [UInt64](repeating: 0, count: (count + 63) / 64)
    }

    /// Every row.
    init(all count: Int) {
        self.count = count
        sure = Self.ones(count)
    }

    /// Nothing known.
    init(unknown count: Int) {
        self.init(none: count)
        possible = Self.ones(count)
    }

    /// What segments say; bits of rows at or beyond the count are dropped.
    init(_ count: Int, _ bits: SegmentBits) {
        self.count = count
        let words = (count + 63) / 64
        sure = bits.sure
        sure.removeLast(sure.count - words)
        possible = bits.doubtful.map { zip(bits.sure, $0).prefix(words).map { $0 | $1 } }
        let tail = UInt64(count & 63)
        if tail != 0, let last = self.sure.indices.last {
            self.sure[last] &= 1 << tail - 1
            possible?[last] &= 1 << tail - 1
        }
    }

    private static func ones(_ count: Int) -> [UInt64] {
        var words = [UInt64](repeating: .max, count: (count + 63) / 64)
        if count & 63 != 0 { words[words.count - 1] = 1 << UInt64(count & 63) - 1 }
        return words
    }

    var isExact: Bool { possible == nil }
    /// Rows that match or may.
    var candidates: [UInt64] { possible ?? sure }
    var isEmpty: Bool { candidates.allSatisfy { $0 == 0 } }

    /// Both conditions.
    mutating func formIntersection(_ other: RowMarks) {
        if !isExact || !other.isExact {
            var both = candidates
            for (index, word) in other.candidates.enumerated() { both[index] &= word }
            possible = both
        }
        for (index, word) in other.sure.enumerated() { sure[index] &= word }
        settle()
    }

    /// Either condition.
    mutating func formUnion(_ other: RowMarks) {
        if !isExact || !other.isExact {
            var either = candidates
            for (index, word) in other.candidates.enumerated() { either[index] |= word }
            possible = either
        }
        for (index, word) in other.sure.enumerated() { sure[index] |= word }
        settle()
    }

    /// The complement.
    mutating func negate() {
        let ones = Self.ones(count)
        let never = zip(ones, candidates).map { $0 & ~$1 }
        if !isExact { possible = zip(ones, sure).map { $0 & ~$1 } }
        sure = never
    }

    /// Forgets doubt where there is none left.
    private mutating func settle() { if possible == sure { possible = nil } }
}
