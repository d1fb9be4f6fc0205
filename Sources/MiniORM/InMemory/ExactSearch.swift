internal import Synchronization

/// An exact search: every row of a snapshot is measured, or ruled out by a bound from its codes.
///
/// Rows come in blocks that fit the cache, and every query of a group meets a block while it is there. The answers
/// depend neither on the number of threads, as the order of rows is total, nor on which rows have codes.
struct ExactSearch: Sendable {
    let threads: ScanThreads
    let kernel: VectorKernel
    let coding: CodingPolicy
    let scratch: ScanScratch

    init(threads: ScanThreads, kernel: VectorKernel = .best, coding: CodingPolicy = CodingPolicy()) {
        self.threads = threads
        self.kernel = kernel
        self.coding = coding
        scratch = ScanScratch(keeping: threads.count)
    }

    /// Floats to read for which another thread pays.
    private static let worthSharing = 1 << 20
    /// Queries that share a look at a block of rows.
    private static let queriesPerGroup = 16
    /// With fewer queries than this for each thread, threads share the rows.
    private static let queriesPerThread = 4
    /// So many rows that are not selected are measured with those around them.
    private static let gapToBridge = 16
    /// Measuring a row on its own takes less than so many rows of a scan that measures all.
    static let rowsPerPick = 3

    /// The best rows for each query, of those that are selected and match the options' filter.
    func search(
        _ snapshot: CollectionSnapshot, _ queries: PreparedQueries, _ options: QueryOptions,
        _ selection: RowSelection = .all
    ) -> [[VectorSearchResult]] {
        guard queries.count > 0 else { return [] }
        let empty = (0..<queries.count).map { _ in
            TopK(snapshot, limit: options.topK, filter: options.filter, minScore: options.minScore)
        }
        guard options.topK > 0, !snapshot.parts.isEmpty else { return empty.map { _ in [] } }
        let rows = snapshot.parts.enumerated().reduce(0) {
            $0 + (selection.rows(of: $1.offset)?.count ?? $1.element.count)
        }
        let coded = coding.isOn ? CodedSearch(snapshot, queries, selection, options, kernel, coding) : nil
        let work = rows * queries.width / (coded == nil ? 1 : 4)
        let helpers = work > Self.worthSharing / queries.count ? threads.count : 1
        let pieces = Pieces(
            snapshot, queries: queries.count, atOnce: coded.map { _ in CodedSearch.queriesAtOnce(options.topK) },
            threads: helpers)
        let merged = Mutex(empty)
        threads.share(pieces.count, threads: helpers) { numbers in
            var group = 0..<0
            var best: [TopK] = []
            func handIn() {
                merged.withLock { merged in
                    for query in group { merged[query].merge(best[query - group.lowerBound]) }
                }
            }
            while let number = numbers.next() {
                let piece = pieces[number]
                if piece.queries != group {
                    handIn()
                    group = piece.queries
                    // Where others have been already: what they ruled out is ruled out here.
                    let floors = merged.withLock { merged in group.map { merged[$0].floor } }
                    best = zip(group, floors).map { empty[$0].raised(to: $1) }
                }
                if let coded {
                    coded.scan(piece.parts, group, &best, plain: self)
                } else {
                    for part in piece.parts { scan(snapshot, part, 0, selection, queries, group, &best) }
                }
            }
            handIn()
        }
        let best = merged.withLock { $0 }
        coded?.finish(floor: best[0].floor)
        return best.map { $0.results(includeVectors: options.includeVectors) }
    }

    /// Parts of a snapshot for a group of queries: what a thread takes at a time.
    private struct Pieces: Sendable {
        private let runs: [Range<Int>]
        private let groups: [Range<Int>]
        var count: Int { runs.count * groups.count }

        subscript(number: Int) -> (parts: Range<Int>, queries: Range<Int>) {
            (runs[number % runs.count], groups[number / runs.count])
        }

        /// - Parameter most: How many queries go over codes at once; `nil` without codes.
        init(_ snapshot: CollectionSnapshot, queries: Int, atOnce most: Int?, threads: Int) {
            // Without codes a batch reads each row from memory once, for all queries.
            var perGroup = queries
            let sharesQueries = most != nil && queries >= ExactSearch.queriesPerThread * threads
            if let most {
                // As many groups for one thread as for another, of whole blocks of the kernel.
                let rounds = sharesQueries ? threads * ((queries + most * threads - 1) / (most * threads)) : 1
                perGroup = min(most, ((queries + rounds - 1) / rounds + 3) / 4 * 4)
            }
            groups = stride(from: 0, to: queries, by: perGroup).map { $0..<min($0 + perGroup, queries) }
            let rows = snapshot.rowCount
            let pieces = threads == 1 || sharesQueries ? 1 : 4 * threads
            let rowsPerRun = max(1, rows / pieces)
            var runs: [Range<Int>] = []
            var (start, count) = (0, 0)
            for (position, part) in snapshot.parts.enumerated() {
                count += part.count
                if count >= rowsPerRun || position + 1 == snapshot.parts.count {
                    runs.append(start..<position + 1)
                    (start, count) = (position + 1, 0)
                }
            }
            // The last parts are the largest; they come first, so that no thread is left with one at the end.
            self.runs = runs.reversed()
        }
    }
}

extension ExactSearch {
    /// Measures the selected rows of a part from one on against a group of queries, and unselected ones between them
    /// where that is quicker than to begin anew.
    func scan(
        _ snapshot: CollectionSnapshot, _ position: Int, _ first: Int, _ selection: RowSelection,
        _ queries: PreparedQueries, _ group: Range<Int>, _ best: inout [TopK]
    ) {
        let part = snapshot.parts[position]
        let selected = selection.rows(of: position)
        if part.count == part.dead.count || selected?.count == 0 { return }
        if let selected, selected.count <= part.count / Self.rowsPerPick {
            return pick(snapshot, position, first, selected, queries, group, &best)
        }
        let rowsPerBlock = max(16, min(256, (1 << 16) / queries.width / 16 * 16))
        let queriesPerBlock = min(Self.queriesPerGroup, group.count)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: rowsPerBlock * queriesPerBlock) { measures in
            func scanBlock(_ run: Range<Int>) {
                let block = max(first, run.lowerBound)..<max(first, run.upperBound)
                if block.isEmpty { return }
                let rows = part.chunk.rows(block)
                for first in stride(from: group.lowerBound, to: group.upperBound, by: queriesPerBlock) {
                    let few = first..<min(first + queriesPerBlock, group.upperBound)
                    queries.measure(few, rows, kernel, into: measures)
                    for query in few {
                        let slice = measures[(query - first) * block.count..<(query - first + 1) * block.count]
                        sift(
                            UnsafeBufferPointer(rebasing: slice), block, part, position, selected, query, queries,
                            &best[query - group.lowerBound])
                    }
                }
            }
            if let selected {
                selected.forEachRun(bridging: Self.gapToBridge, atMost: rowsPerBlock, scanBlock)
            } else {
                for start in stride(from: first, to: part.count, by: rowsPerBlock) {
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
        let inverses = part.chunk.inverseNorms(block)
        guard let measured = UnsafeRawPointer(measures.baseAddress), let scales = UnsafeRawPointer(inverses.baseAddress)
        else { return }
        var cut = queries.cut(query, floor: best.floor)
        var index = 0
        while index < measures.count {
            let end = min(index + 16, measures.count)
            if end == index + 16, !takesAll {
                var values = measured.loadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self)
                if metric == .cosine {
                    let exact = scales.loadUnaligned(fromByteOffset: index * 8, as: SIMD16<Double>.self)
                    values *= SIMD16<Float>(exact)
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
                let value = metric == .cosine ? measure * Float(inverses[offset]) : measure
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
