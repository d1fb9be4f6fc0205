extension ExactSearch {
    /// Rows that are measured before the best of them are offered.
    private static let picksPerBlock = 128

    /// Measures the selected rows of a part one by one, each against every query.
    func pick(
        _ snapshot: CollectionSnapshot, _ position: Int, _ selected: RowSet, _ queries: PreparedQueries,
        _ best: inout [TopK]
    ) {
        let part = snapshot.parts[position]
        var picked: [UInt32] = []
        picked.reserveCapacity(min(selected.count, Self.picksPerBlock))
        withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.picksPerBlock * queries.count) { measures in
            func offer() {
                queries.measure(0..<queries.count, picked, of: part.chunk, kernel, into: measures)
                for query in 0..<queries.count {
                    for (index, row) in picked.enumerated() {
                        let score = queries.score(query, measures[query * picked.count + index], part.chunk, Int(row))
                        if score < best[query].floor { continue }
                        best[query].offer(Candidate(score: score, part: UInt32(position), row: row))
                    }
                }
                picked.removeAll(keepingCapacity: true)
            }
            selected.forEach { row in
                guard part.isLive(row) else { return }
                picked.append(UInt32(row))
                if picked.count == Self.picksPerBlock { offer() }
            }
            if !picked.isEmpty { offer() }
        }
    }
}
