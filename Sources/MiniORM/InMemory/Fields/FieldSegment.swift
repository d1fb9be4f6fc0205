/// The index of a field over some consecutive rows of a chunk. Never changed: where rows have come, it is built anew.
final class FieldSegment: Sendable {
    /// The most rows of a segment; a multiple of 64 that 16 bits can number.
    static let capacity = 4096
    /// The elements of arrays are indexed while they take at most so many bytes a row.
    private static let elementBytes = 64

    /// How many rows are covered.
    let count: Int
    let bytes: Int
    private let values: ValueIndex?
    private let elements: ValueIndex?

    /// What a filter asks of a field.
    enum Test: Sendable {
        /// `==` or `in`
        case equal(OperandKeys)
        /// `<`, `<=`, `>` or `>=`
        case order(VectorFilter.Comparison, PayloadValue)
        case contains(OperandKeys)
        case exists
    }

    /// Reads the rows of a chunk, all of them published.
    init(_ path: FieldPath, _ chunk: RowChunk, _ rows: Range<Int>) {
        var values = ValueIndex.Builder()
        var elements = ValueIndex.Builder()
        var hasArrays = false
        for row in rows {
            let value = path.value(in: chunk.payload(row))
            values.add(value, row - rows.lowerBound)
            guard case .array(let members)? = value else { continue }
            hasArrays = true
            for member in members { elements.add(member, row - rows.lowerBound) }
        }
        count = rows.count
        self.values = values.finish(isUnique: true)
        let indexed = hasArrays ? elements.finish(isUnique: false) : nil
        self.elements = indexed.flatMap { $0.bytes <= rows.count * Self.elementBytes ? $0 : nil }
        bytes = MemoryLayout<ValueIndex>.size * 2 + (self.values?.bytes ?? 0) + (self.elements?.bytes ?? 0)
    }

    /// Marks the rows that pass a test, and those that may.
    func mark(_ test: Test, in bits: inout SegmentBits) {
        guard let values else { return bits.doubt(bits.offset * 64..<bits.offset * 64 + count) }
        switch test {
        case .equal(let operands): values.mark(equal: operands, in: &bits)
        case .order(let comparison, let operand): values.mark(comparison, operand, in: &bits)
        case .exists: values.markPresent(count, in: &bits)
        case .contains(let operands):
            if let elements {
                elements.mark(equal: operands, in: &bits)
            } else {
                bits.addDoubtful(values.arrays)
            }
        }
    }
}
