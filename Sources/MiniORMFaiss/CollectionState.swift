#if Faiss
internal import MiniORM

/// What a collection holds at one moment: its rows, and the index over the first of them.
struct CollectionState: Sendable {
    var description: CollectionDescription
    var rows: Rows
    /// Where each record is.
    var positions: [UTF8Key: Int] = [:]
    /// `nil` while there are too few rows to learn from, or the index is being built.
    var index: FaissIndex?
    /// How many rows are in the index; those after them are compared one by one.
    var indexed = 0
    /// At least the largest Euclidean norm of a row.
    var largestNorm = 0.0
    /// Grows when the collection is emptied.
    var epoch = 0
    /// Why there is no index, or none on disk, since maintenance failed last.
    var failure: VectorStoreError?

    enum Life: Sendable { case open, dropped, closed }
    var life = Life.open

    /// Throws where the collection was dropped, or its store closed, since it was looked up.
    func checkIsOpen() throws(VectorStoreError) {
        switch life {
        case .open: return
        case .dropped: throw FaissCollection.dropped
        case .closed: throw FaissCollection.closed
        }
    }

    init(_ description: CollectionDescription) {
        self.description = description
        rows = Rows(dimension: description.dimension)
    }

    /// Inserts or replaces records, whose ids differ.
    mutating func apply(_ records: [VectorRecord]) {
        let first = rows.count
        var replaced: [Int64] = []
        for record in records {
            if let row = positions.updateValue(rows.count, forKey: UTF8Key(record.id)) {
                rows.remove(row)
                replaced.append(Int64(row))
            }
            rows.append(record)
        }
        largestNorm = max(largestNorm, rows.vectors.largestNorm(of: first..<rows.count))
        forget(replaced)
    }

    /// Removes records, and says how many there were.
    mutating func remove(_ ids: [String]) -> Int {
        var removed: [Int64] = []
        for id in ids {
            guard let row = positions.removeValue(forKey: UTF8Key(id)) else { continue }
            rows.remove(row)
            removed.append(Int64(row))
        }
        forget(removed)
        return removed.count
    }

    private mutating func forget(_ removed: [Int64]) {
        guard let index, index.isFlat, !removed.isEmpty else { return }
        do throws(VectorStoreError) { try index.forget(removed.filter { $0 < indexed }) } catch { dropIndex(error) }
    }

    /// Adds rows to the index, all of them to a flat one. `false` once all are in it.
    @discardableResult
    mutating func extendIndex(by limit: Int) -> Bool {
        guard let index, indexed < rows.count else { return false }
        let step = index.isFlat ? rows.count - indexed : min(limit, rows.count - indexed)
        do throws(VectorStoreError) {
            try index.add(rows.vectors, indexed..<indexed + step)
            if index.isFlat, rows.liveCount < rows.count {
                try index.forget((indexed..<indexed + step).filter { !rows.live.contains($0) }.map(Int64.init))
            }
            indexed += step
        } catch { dropIndex(error) }
        return indexed < rows.count && self.index != nil
    }

    /// Without an index every answer is exact; maintenance builds another.
    private mutating func dropIndex(_ error: VectorStoreError) {
        index = nil
        indexed = 0
        failure = error
    }
}
#endif
