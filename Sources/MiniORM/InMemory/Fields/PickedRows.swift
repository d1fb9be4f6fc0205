extension ExactSearch {
    /// Rows that are measured before the best of them are offered.
    private static let picksPerBlock = 128

    /// Measures the selected rows of a part from one on one by one, each against a group of queries.
    func pick(
        _ snapshot: CollectionSnapshot, _ position: Int, _ first: Int, _ selected: RowSet, _ queries: PreparedQueries,
        _ group: Range<Int>, _ best: inout [TopK]
    ) {
        let part = snapshot.parts[position]
        var picked: [Int] = []
        picked.reserveCapacity(min(selected.count, Self.picksPerBlock))
        withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.picksPerBlock * group.count) { measures in
            withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: Self.picksPerBlock) { addresses in
                func offer() {
                    let rows = UnsafeBufferPointer(rebasing: addresses[..<picked.count])
                    queries.measure(group, picked: rows, kernel, into: measures)
                    for (number, query) in group.enumerated() {
                        offerPicked(
                            picked, measures[number * picked.count..<(number + 1) * picked.count], part, position,
                            query,
                            queries, &best[number])
                    }
                    picked.removeAll(keepingCapacity: true)
                }
                selected.forEach { row in
                    guard row >= first, part.isLive(row) else { return }
                    addresses.initializeElement(at: picked.count, to: part.chunk.address(of: row))
                    picked.append(row)
                    if picked.count == Self.picksPerBlock { offer() }
                }
                if !picked.isEmpty { offer() }
            }
        }
    }

    private func offerPicked(
        _ picked: [Int], _ measures: Slice<UnsafeMutableBufferPointer<Float>>, _ part: CollectionSnapshot.Part,
        _ position: Int, _ query: Int, _ queries: PreparedQueries, _ best: inout TopK
    ) {
        var floor = best.floor
        var cut = queries.cut(query, floor: floor)
        let takesAll = part.hasExtremes && queries.metric != .cosine
        for (row, measure) in zip(picked, measures) {
            let value = queries.metric == .cosine ? measure * Float(part.chunk.inverseNorm(row)) : measure
            // Written so that NaN passes.
            if !takesAll, queries.metric == .l2 ? value > cut : value < cut { continue }
            let score = queries.score(query, measure, part.chunk, row)
            best.offer(Candidate(score: score, part: UInt32(position), row: UInt32(row)))
            if best.floor != floor {
                floor = best.floor
                cut = queries.cut(query, floor: floor)
            }
        }
    }
}
