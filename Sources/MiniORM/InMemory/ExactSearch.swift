internal import Synchronization

/// An exact search: every row of a snapshot is measured.
///
/// Rows come in blocks that fit the cache, and every query meets a block while it is there. The answers do not depend
/// on the number of threads, as the order of rows is total.
struct ExactSearch: Sendable {
    var threads: ScanThreads
    var kernel = VectorKernel.best

    /// Floats to read for which another thread pays.
    private static let worthSharing = 1 << 20
    private static let queriesPerBlock = 16
    /// So many rows that are not selected are measured with those around them.
    private static let gapToBridge = 3

    /// The best rows for each query, of those that are selected and match the options' filter.
    func search(
        _ snapshot: CollectionSnapshot, _ queries: PreparedQueries, _ options: QueryOptions,
        _ selection: RowSelection = .all
    ) -> [[VectorSearchResult]] {
        guard queries.count > 0 else { return [] }
        let empty = (0..<queries.count).map { _ in
            TopK(snapshot, limit: options.topK, filter: options.filter, minScore: options.minScore)
        }
        let rows = snapshot.parts.enumerated().reduce(0) {
            $0 + (selection.rows(of: $1.offset)?.count ?? $1.element.count)
        }
        let work = rows * queries.width
        guard options.topK > 0, threads.count > 1, work > Self.worthSharing / max(1, queries.count) else {
            var best = empty
            if options.topK > 0 {
                for part in snapshot.parts.indices { scan(snapshot, part, selection, queries, &best) }
            }
            return best.map { $0.results(includeVectors: options.includeVectors) }
        }
        let merged = Mutex(empty)
        // The last parts are the largest; they come first, so that no thread is left with one at the end.
        let last = snapshot.parts.count - 1
        threads.share(snapshot.parts.count) { pieces in
            var best = empty
            while let piece = pieces.next() { scan(snapshot, last - piece, selection, queries, &best) }
            merged.withLock { merged in
                for query in merged.indices { merged[query].merge(best[query]) }
            }
        }
        return merged.withLock { $0 }.map { $0.results(includeVectors: options.includeVectors) }
    }
}

extension ExactSearch {
    /// Measures the selected rows of a part against every query, and unselected ones between them where that is quicker
    /// than to begin anew.
    private func scan(
        _ snapshot: CollectionSnapshot, _ position: Int, _ selection: RowSelection, _ queries: PreparedQueries,
        _ best: inout [TopK]
    ) {
        let part = snapshot.parts[position]
        let selected = selection.rows(of: position)
        if part.count == part.dead.count || selected?.count == 0 { return }
        let rowsPerBlock = max(16, min(256, (1 << 16) / queries.width / 16 * 16))
        let queriesPerBlock = min(Self.queriesPerBlock, queries.count)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: rowsPerBlock * queriesPerBlock) { measures in
            func scanBlock(_ block: Range<Int>) {
                let rows = part.chunk.rows(block)
                for first in stride(from: 0, to: queries.count, by: queriesPerBlock) {
                    let group = first..<min(first + queriesPerBlock, queries.count)
                    queries.measure(group, rows, kernel, into: measures)
                    for query in group {
                        let slice = measures[(query - first) * block.count..<(query - first + 1) * block.count]
                        sift(
                            UnsafeBufferPointer(rebasing: slice), block, part, position, selected, query, queries,
                            &best[query])
                    }
                }
            }
            if let selected {
                selected.forEachRun(bridging: Self.gapToBridge, atMost: rowsPerBlock, scanBlock)
            } else {
                for start in stride(from: 0, to: part.count, by: rowsPerBlock) {
                    scanBlock(start..<min(start + rowsPerBlock, part.count))
                }
            }
        }
    }

    /// Offers the rows of a block whose measure is good enough. Sixteen at a time, as hardly any is.
    private func sift(
        _ measures: UnsafeBufferPointer<Float>, _ block: Range<Int>, _ part: CollectionSnapshot.Part, _ position: Int,
        _ selected: RowSet?, _ query: Int, _ queries: PreparedQueries, _ best: inout TopK
    ) {
        // Rows of an extreme norm have measures that say nothing; for cosine their inverse norm is NaN, which passes.
        let metric = queries.metric
        let takesAll = part.hasExtremes && metric != .cosine
        let inverses = part.chunk.roughInverseNorms(block)
        guard let measured = UnsafeRawPointer(measures.baseAddress), let scales = UnsafeRawPointer(inverses.baseAddress)
        else { return }
        var cut = queries.cut(query, floor: best.floor)
        var index = 0
        while index < measures.count {
            let end = min(index + 16, measures.count)
            if end == index + 16, !takesAll {
                var values = measured.loadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self)
                if metric == .cosine {
                    values *= scales.loadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self)
                }
                // Written so that NaN passes.
                let fails = metric == .l2 ? values .> cut : values .< cut
                if all(fails) {
                    index = end
                    continue
                }
            }
            for offset in index..<end {
                let measure = measures[offset]
                let value = metric == .cosine ? measure * inverses[offset] : measure
                if !takesAll, metric == .l2 ? value > cut : value < cut { continue }
                let row = block.lowerBound + offset
                guard selected?.contains(row) ?? true, part.isLive(row) else { continue }
                let score = queries.score(query, measure, part.chunk, row)
                let floor = best.floor
                best.offer(Candidate(score: score, part: UInt32(position), row: UInt32(row)))
                if best.floor != floor { cut = queries.cut(query, floor: best.floor) }
            }
            index = end
        }
    }
}
