/// Rows of a segment in the order of their values. Any stretch of that order becomes a bitmap at about the cost of an
/// eighth of it, as the bitmaps of the first rows, an eighth more each, are kept.
struct RankedRows: Sendable {
    private let rows: [UInt16]
    private let step: Int
    private let wordsEach: Int
    /// The bitmaps of the first `step`, `2 * step`, ... rows, one behind the other.
    private let prefixes: [UInt64]

    private static let prefixCount = 8
    /// Fewer rows than this are marked one by one.
    private static let fewest = 512

    /// - Parameters:
    ///   - rows: Rows by value.
    ///   - isUnique: Whether each row is there at most once; only then do prefixes tell a stretch.
    init(_ rows: [UInt16], isUnique: Bool) {
        self.rows = rows
        guard isUnique, rows.count >= Self.fewest, let last = rows.max() else {
            (step, wordsEach, prefixes) = (0, 0, [])
            return
        }
        step = rows.count / Self.prefixCount
        wordsEach = Int(last) >> 6 + 1
        var prefixes: [UInt64] = []
        prefixes.reserveCapacity(wordsEach * Self.prefixCount)
        var words = [UInt64](repeating: 0, count: wordsEach)
        for (rank, row) in rows.prefix(step * Self.prefixCount).enumerated() {
            words[Int(row) >> 6] |= 1 << UInt64(row & 63)
            if (rank + 1) % step == 0 { prefixes += words }
        }
        self.prefixes = prefixes
    }

    var count: Int { rows.count }
    var bytes: Int { rows.count * 2 + prefixes.count * 8 }

    /// Sets the bits of the rows of some ranks, in words that begin at an offset.
    func mark(_ ranks: Range<Int>, in words: inout [UInt64], at offset: Int) {
        var (lower, upper) = (ranks.lowerBound, ranks.upperBound)
        if step > 0, ranks.count > step {
            // From the first prefix that ends in the stretch to the last.
            let first = (lower + step - 1) / step
            let last = min(upper / step, Self.prefixCount)
            if first < last {
                for word in 0..<wordsEach {
                    let before = first == 0 ? 0 : prefixes[(first - 1) * wordsEach + word]
                    words[offset + word] |= prefixes[(last - 1) * wordsEach + word] & ~before
                }
                mark(each: lower..<first * step, in: &words, at: offset)
                (lower, upper) = (last * step, upper)
            }
        }
        mark(each: lower..<upper, in: &words, at: offset)
    }

    private func mark(each ranks: Range<Int>, in words: inout [UInt64], at offset: Int) {
        for row in rows[ranks] { words[offset + Int(row) >> 6] |= 1 << UInt64(row & 63) }
    }
}
