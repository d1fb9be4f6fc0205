extension ExactSearch {
    /// Rows that are measured before the best of them are offered.
    private static let picksPerBlock = 128

    /// Measures the selected rows of a part from one on one by one, each against a group of queries.
    func pick(
        _ snapshot: CollectionSnapshot, _ position: Int, _ first: Int, _ selected: RowSet, _ queries: PreparedQueries,
        _ group: Range<Int>, _ best: inout [TopK]
    ) {
        let part = snapshot.parts[position]
        var picked: [UInt32] = []
        picked.reserveCapacity(min(selected.count, Self.picksPerBlock))
        withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.picksPerBlock * group.count) { measures in
            func offer() {
                queries.measure(group, picked, of: part.chunk, kernel, into: measures)
                for (number, query) in group.enumerated() {
                    for (index, row) in picked.enumerated() {
                        let score = queries.score(query, measures[number * picked.count + index], part.chunk, Int(row))
                        if score < best[number].floor { continue }
                        best[number].offer(Candidate(score: score, part: UInt32(position), row: row))
                    }
                }
                picked.removeAll(keepingCapacity: true)
            }
            selected.forEach { row in
                guard row >= first, part.isLive(row) else { return }
                picked.append(UInt32(row))
                if picked.count == Self.picksPerBlock { offer() }
            }
            if !picked.isEmpty { offer() }
        }
    }
}
