/// A set of rows of a chunk: a bit for each row, 64 to a word.
struct RowSet: Sendable, Equatable {
    /// Row `r` is bit `r % 64` of word `r / 64`. Words that are not there are zero.
    private(set) var words: [UInt64] = []
    private(set) var count = 0

    /// No rows.
    init() {}

    /// The rows of a bitmap.
    init(words: [UInt64]) {
        self.words = words
        count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    static func == (lhs: Self, rhs: Self) -> Bool {
        let shared = min(lhs.words.count, rhs.words.count)
        return lhs.count == rhs.count && lhs.words.prefix(shared) == rhs.words.prefix(shared)
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

    /// Calls a body with every row, in order.
    func forEach(_ body: (Int) -> Void) {
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                body(index << 6 + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
    }

    /// Calls a body with ranges that hold every row of the set, in order: neighbours are in one range, and so are rows
    /// with a few others between them.
    ///
    /// - Parameters:
    ///   - gap: How many other rows may lie between two.
    ///   - length: The longest range.
    func forEachRun(bridging gap: Int, atMost length: Int, _ body: (Range<Int>) -> Void) {
        var (start, end) = (0, 0)
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                let row = index << 6 + rest.trailingZeroBitCount
                // A run of set bits at a time.
                let ones = min((~(rest >> UInt64(row & 63))).trailingZeroBitCount, 64 - row & 63)
                rest = row & 63 + ones == 64 ? 0 : rest & (~0 << UInt64(row & 63 + ones))
                if start < end, row - end <= gap {
                    end = row + ones
                } else {
                    if start < end { body(start..<end) }
                    (start, end) = (row, row + ones)
                }
                while end - start > length {
                    body(start..<start + length)
                    start += length
                }
            }
        }
        if start < end { body(start..<end) }
    }
}
