/// Which rows of a segment hold which value, by the value's type.
///
/// Bools, numbers and texts are found exactly. Of long texts, arrays and objects only the type is known: their rows are
/// in doubt, and the evaluator decides.
struct ValueIndex: Sendable {
    private var nulls = RowSet()
    private var trues = RowSet()
    private var falses = RowSet()
    private var longTexts = RowSet()
    private(set) var arrays = RowSet()
    private var others = RowSet()
    private let numbers: ValueRows<NumberKey>
    private let texts: ValueRows<UTF8Key>

    /// Gathers values.
    struct Builder {
        private var index = ValueIndex()
        private var numbers = ValueRows<NumberKey>.Builder()
        private var texts = ValueRows<UTF8Key>.Builder()
        private var hasRoom = true

        /// Takes a row's value, `nil` for none. Rows come in order.
        mutating func add(_ value: PayloadValue?, _ row: Int) {
            let short = UInt16(truncatingIfNeeded: row)
            switch value {
            case nil, .null: index.nulls.insert(row)
            case .bool(true): index.trues.insert(row)
            case .bool(false): index.falses.insert(row)
            case .int(let value): if !numbers.add(NumberKey(value), short) { hasRoom = false }
            case .double(let value):
                if let key = NumberKey(value) {
                    if !numbers.add(key, short) { hasRoom = false }
                } else {
                    index.others.insert(row)
                }
            case .string(let text):
                if OperandKeys.isLong(text) {
                    index.longTexts.insert(row)
                } else if !texts.add(UTF8Key(text), short) {
                    hasRoom = false
                }
            case .array: index.arrays.insert(row)
            case .object, .rich: index.others.insert(row)
            }
        }

        /// The index; `nil` if there were too many values.
        ///
        /// - Parameter isUnique: Whether no row had several values.
        func finish(isUnique: Bool) -> ValueIndex? {
            hasRoom ? ValueIndex(index, numbers.finish(isUnique: isUnique), texts.finish(isUnique: isUnique)) : nil
        }
    }

    private init() {
        numbers = ValueRows<NumberKey>.Builder().finish(isUnique: true)
        texts = ValueRows<UTF8Key>.Builder().finish(isUnique: true)
    }

    private init(_ base: ValueIndex, _ numbers: ValueRows<NumberKey>, _ texts: ValueRows<UTF8Key>) {
        (nulls, trues, falses) = (base.nulls, base.trues, base.falses)
        (longTexts, arrays, others) = (base.longTexts, base.arrays, base.others)
        self.numbers = numbers
        self.texts = texts
    }

    /// What it takes in memory. Texts that do not fit their 16 bytes are shared with the payloads.
    var bytes: Int {
        [nulls, trues, falses, longTexts, arrays, others].reduce(numbers.bytes + texts.bytes) {
            $0 + $1.words.count * 8
        }
    }

    /// Rows with one of the operands.
    func mark(equal operands: OperandKeys, in bits: inout SegmentBits) {
        if operands.hasNull { bits.addSure(nulls) }
        if operands.hasTrue { bits.addSure(trues) }
        if operands.hasFalse { bits.addSure(falses) }
        if !operands.numbers.isEmpty { numbers.mark(equal: operands.numbers, in: &bits.sure, at: bits.offset) }
        if !operands.texts.isEmpty { texts.mark(equal: operands.texts, in: &bits.sure, at: bits.offset) }
        if operands.hasLongText { bits.addDoubtful(longTexts) }
        if operands.hasArray { bits.addDoubtful(arrays) }
        if operands.hasOther { bits.addDoubtful(others) }
    }

    /// Rows whose value stands so to the operand: between numbers or between texts.
    func mark(_ comparison: VectorFilter.Comparison, _ operand: PayloadValue, in bits: inout SegmentBits) {
        switch operand {
        case .int(let value): numbers.mark(comparison, NumberKey(value), in: &bits.sure, at: bits.offset)
        case .double(let value):
            if let key = NumberKey(value) { numbers.mark(comparison, key, in: &bits.sure, at: bits.offset) }
        case .string(let text):
            texts.mark(comparison, UTF8Key(text), in: &bits.sure, at: bits.offset)
            bits.addDoubtful(longTexts)
        case .null, .bool, .array, .object, .rich: break
        }
    }

    /// Rows with any value, of the first `count`.
    func markPresent(_ count: Int, in bits: inout SegmentBits) {
        for word in 0..<(count + 63) / 64 {
            let valid: UInt64 = word * 64 + 64 <= count ? .max : 1 << UInt64(count & 63) - 1
            let absent = word < nulls.words.count ? nulls.words[word] : 0
            bits.sure[bits.offset + word] |= valid & ~absent
        }
    }
}

/// Bits of a part's rows, where a segment of it begins.
struct SegmentBits {
    var sure: [UInt64]
    private(set) var doubtful: [UInt64]?
    /// The segment's first word.
    var offset = 0

    /// - Parameter rows: At least as many as are indexed, which may be more than a snapshot has.
    init(rows: Int) { sure = [UInt64](repeating: 0, count: (rows + 63) / 64) }

    mutating func addSure(_ rows: RowSet) {
        for (index, word) in rows.words.enumerated() { sure[offset + index] |= word }
    }

    mutating func addDoubtful(_ rows: RowSet) {
        if rows.count == 0 { return }
        var bits = doubtful ?? [UInt64](repeating: 0, count: sure.count)
        for (index, word) in rows.words.enumerated() { bits[offset + index] |= word }
        doubtful = bits
    }

    /// Adds a row of the part.
    mutating func add(_ row: Int) { sure[row >> 6] |= 1 << UInt64(row & 63) }

    /// Puts rows of the part in doubt.
    mutating func doubt(_ rows: Range<Int>) {
        var bits = doubtful ?? [UInt64](repeating: 0, count: sure.count)
        for row in rows { bits[row >> 6] |= 1 << UInt64(row & 63) }
        doubtful = bits
    }
}
