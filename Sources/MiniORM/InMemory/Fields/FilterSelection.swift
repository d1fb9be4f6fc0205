/// What indexes make of a filter on a snapshot: rows that may match, and what is left to evaluate on them.
struct FilterSelection: Sendable {
    let snapshot: CollectionSnapshot
    /// Terms of the filter that indexes decide.
    let decided: VectorFilter?
    /// Terms that the evaluator finishes on the candidates.
    let finished: VectorFilter?
    /// How many rows may match.
    let candidateCount: Int
    private let marks: [RowMarks]

    init(_ filter: VectorFilter, _ snapshot: CollectionSnapshot, _ columns: [FieldPath: FieldIndex.Columns]) {
        let terms: [VectorFilter] = if case .and(let terms) = filter { terms } else { [filter] }
        let indexed = terms.map { IndexedFilter($0, columns) }
        var isExact = [Bool](repeating: true, count: terms.count)
        var all: [RowMarks] = []
        all.reserveCapacity(snapshot.parts.count)
        var candidateCount = 0
        for part in snapshot.parts {
            var known: RowMarks?
            for (index, term) in indexed.enumerated() {
                if known?.isEmpty ?? false { break }
                let next = term.marks(part)
                if !next.isExact { isExact[index] = false }
                if known == nil { known = next } else { known?.formIntersection(next) }
            }
            let marks = known ?? RowMarks(all: part.count)
            candidateCount += part.liveCount(of: marks.candidates)
            all.append(marks)
        }
        self.snapshot = snapshot
        marks = all
        self.candidateCount = candidateCount
        func whole(_ part: [VectorFilter]) -> VectorFilter? {
            part.isEmpty ? nil : part.count == 1 ? part[0] : .and(part)
        }
        decided = whole(zip(terms, isExact).filter(\.1).map(\.0))
        finished = whole(zip(terms, isExact).filter { !$1 }.map(\.0))
    }

    /// How a query gets at the candidates.
    enum Way: Sendable, Hashable {
        /// All rows are candidates.
        case everything
        /// A scan that passes over what is not in a bitmap.
        case bitmap
        /// The candidates are scored one by one.
        case few
    }

    var way: Way {
        if candidateCount == snapshot.liveCount { return .everything }
        return CodePlan.isFew(candidateCount, of: snapshot.liveCount, snapshot.coding.book) ? .few : .bitmap
    }

    /// The candidates.
    var rows: RowSelection {
        if way == .everything { return .all }
        return RowSelection(
            zip(snapshot.parts, marks).map { part, marks in
                let rows = RowSet(words: marks.candidates)
                return rows.count == part.count ? nil : rows
            })
    }

    /// How many rows match. Payloads are read for those alone that indexes leave in doubt.
    var count: Int {
        var count = 0
        for (part, marks) in zip(snapshot.parts, marks) {
            count += part.liveCount(of: marks.sure)
            guard let finished, !marks.isExact else { continue }
            let doubtful = RowSet(words: zip(marks.candidates, marks.sure).map { $0 & ~$1 })
            doubtful.forEach { row in
                if part.isLive(row), finished.matches(part.chunk.payload(row)) { count += 1 }
            }
        }
        return count
    }

    /// The first row of a part that matches, at or behind a row.
    func firstMatch(part position: Int, from start: Int) -> Int? {
        let (part, marks) = (snapshot.parts[position], marks[position])
        let candidates = marks.candidates
        var (index, from) = (start >> 6, UInt64(start & 63))
        while index < candidates.count {
            var rest = candidates[index] & (.max << from)
            while rest != 0 {
                let bit = UInt64(rest.trailingZeroBitCount)
                let row = index << 6 + Int(bit)
                if part.isLive(row) {
                    let isSure = marks.sure[index] & (1 << bit) != 0
                    if isSure || finished?.matches(part.chunk.payload(row)) ?? true { return row }
                }
                rest &= rest - 1
            }
            (index, from) = (index + 1, 0)
        }
        return nil
    }

    /// Calls a body with every row that matches.
    func forEachMatch(_ body: (CollectionSnapshot.Part, Int) -> Void) {
        for (position, part) in snapshot.parts.enumerated() {
            var start = 0
            while let row = firstMatch(part: position, from: start) {
                body(part, row)
                start = row + 1
            }
        }
    }
}

extension CollectionSnapshot.Part {
    /// How many rows of a bitmap are live.
    fileprivate func liveCount(of words: [UInt64]) -> Int {
        var count = 0
        for (index, word) in words.enumerated() {
            count += (word & ~(index < dead.words.count ? dead.words[index] : 0)).nonzeroBitCount
        }
        return count
    }
}
