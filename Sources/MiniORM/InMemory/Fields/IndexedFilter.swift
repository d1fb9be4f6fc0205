/// A filter in the terms of indexes: what it asks of which field.
indirect enum IndexedFilter: Sendable {
    /// A test of an indexed field; the filter that means the same.
    case field(FieldIndex.Columns, FieldSegment.Test, VectorFilter)
    /// A test of a field that has no index.
    case unknown
    case and([IndexedFilter])
    case or([IndexedFilter])
    case not(IndexedFilter)

    init(_ filter: VectorFilter, _ columns: [FieldPath: FieldIndex.Columns]) {
        func field(_ path: FieldPath, _ test: @autoclosure () -> FieldSegment.Test) -> Self {
            columns[path].map { .field($0, test(), filter) } ?? .unknown
        }
        switch filter {
        case .compare(let path, .equal, let operand): self = field(path, .equal(OperandKeys([operand])))
        case .compare(let path, .notEqual, let operand): self = .not(Self(.compare(path, .equal, operand), columns))
        case .compare(let path, let comparison, let operand): self = field(path, .order(comparison, operand))
        case .isIn(let path, let operands): self = field(path, .equal(OperandKeys(operands)))
        case .contains(let path, let operand): self = field(path, .contains(OperandKeys([operand])))
        case .exists(let path): self = field(path, .exists)
        case .and(let terms): self = .and(terms.map { Self($0, columns) })
        case .or(let terms): self = .or(terms.map { Self($0, columns) })
        case .not(let term): self = .not(Self(term, columns))
        }
    }

    /// What indexes know of the rows of a part.
    func marks(_ part: CollectionSnapshot.Part) -> RowMarks {
        switch self {
        case .field(let column, let test, let filter): return Self.marks(part, column, test, filter)
        case .unknown: return RowMarks(unknown: part.count)
        case .and(let terms):
            guard var marks = terms.first?.marks(part) else { return RowMarks(all: part.count) }
            for term in terms.dropFirst() {
                if marks.isEmpty { break }
                marks.formIntersection(term.marks(part))
            }
            return marks
        case .or(let terms):
            guard var marks = terms.first?.marks(part) else { return RowMarks(none: part.count) }
            for term in terms.dropFirst() { marks.formUnion(term.marks(part)) }
            return marks
        case .not(let term):
            var marks = term.marks(part)
            marks.negate()
            return marks
        }
    }

    private static func marks(
        _ part: CollectionSnapshot.Part, _ column: FieldIndex.Columns, _ test: FieldSegment.Test, _ filter: VectorFilter
    ) -> RowMarks {
        let (segments, covered) = column.part(part.serial)
        let left = max(0, part.count - covered)
        // Without an index a payload is read for the few rows alone that come among the answers.
        if left > FieldIndex.tail { return RowMarks(unknown: part.count) }
        var bits = SegmentBits(rows: max(part.count, covered))
        for (number, segment) in segments.enumerated() {
            bits.offset = number * (FieldSegment.capacity / 64)
            segment.mark(test, in: &bits)
        }
        for row in part.count - left..<part.count where filter.matches(part.chunk.payload(row)) { bits.add(row) }
        return RowMarks(part.count, bits)
    }
}
