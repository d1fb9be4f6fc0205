/// A filter in the terms of indexes: what it asks of which field.
indirect enum IndexedFilter: Sendable {
    /// A test of a field; the filter that means the same.
    case field(FieldPath, FieldSegment.Test, VectorFilter)
    case and([IndexedFilter])
    case or([IndexedFilter])
    case not(IndexedFilter)

    init(_ filter: VectorFilter) {
        switch filter {
        case .compare(let path, .equal, let operand): self = .field(path, .equal(OperandKeys([operand])), filter)
        case .compare(let path, .notEqual, let operand): self = .not(Self(.compare(path, .equal, operand)))
        case .compare(let path, let comparison, let operand): self = .field(path, .order(comparison, operand), filter)
        case .isIn(let path, let operands): self = .field(path, .equal(OperandKeys(operands)), filter)
        case .contains(let path, let operand): self = .field(path, .contains(OperandKeys([operand])), filter)
        case .exists(let path): self = .field(path, .exists, filter)
        case .and(let terms): self = .and(terms.map(Self.init))
        case .or(let terms): self = .or(terms.map(Self.init))
        case .not(let term): self = .not(Self(term))
        }
    }

    /// What indexes know of the rows of a part.
    func marks(_ part: CollectionSnapshot.Part, _ columns: [FieldPath: FieldIndex.Columns]) -> RowMarks {
        switch self {
        case .field(let path, let test, let filter):
            guard let column = columns[path] else { return RowMarks(unknown: part.count) }
            return Self.marks(part, column, test, filter)
        case .and(let terms):
            var marks = RowMarks(all: part.count)
            for term in terms {
                if marks.isEmpty { break }
                marks.formIntersection(term.marks(part, columns))
            }
            return marks
        case .or(let terms):
            var marks = RowMarks(none: part.count)
            for term in terms { marks.formUnion(term.marks(part, columns)) }
            return marks
        case .not(let term):
            var marks = term.marks(part, columns)
            marks.negate()
            return marks
        }
    }

    private static func marks(
        _ part: CollectionSnapshot.Part, _ column: FieldIndex.Columns, _ test: FieldSegment.Test, _ filter: VectorFilter
    ) -> RowMarks {
        let covered = column.covered(part.serial)
        let left = max(0, part.count - covered)
        // Without an index a payload is read for the few rows alone that come among the answers.
        if left > FieldIndex.tail { return RowMarks(unknown: part.count) }
        var bits = SegmentBits(rows: max(part.count, covered))
        for (number, segment) in (column.segments[part.serial] ?? []).enumerated() {
            bits.offset = number * (FieldSegment.capacity / 64)
            segment.mark(test, in: &bits)
        }
        for row in part.count - left..<part.count where filter.matches(part.chunk.payload(row)) { bits.add(row) }
        return RowMarks(part.count, bits)
    }
}
