internal import CVectorKernels
internal import Synchronization

/// A search over the codes of a snapshot's rows, for rows that have any; the others are measured as ever.
///
/// For a run of parts: the first stage gives a bound for every row. The best few by bound are measured, which puts the
/// floor near its final height. What is not below it then is refined by the second stage, and what still is not is
/// measured. A row is left out only if its bound says that its score is below the floor, so the answers are those of
/// measuring every row.
struct CodedSearch: Sendable {
    /// Rows of a run: their bounds, for some queries, are kept meanwhile.
    static let rowsPerRun = 1 << 17
    /// Groups of rows whose products are turned into bounds while they are in the first cache.
    private static let groupsPerBlock = 16

    private struct PartCodes: Sendable {
        var coded: ChunkCodes.Coded
        /// The position of its book's queries.
        var queries: Int
        var count: Int
    }

    private let snapshot: CollectionSnapshot
    private let queries: PreparedQueries
    private let selection: RowSelection
    private let kernel: VectorKernel
    private let limit: Int
    private let isFiltered: Bool
    private let parts: [PartCodes?]
    private let coded: [CodedQueries]
    private let tally: Tally

    /// What became of the rows with codes, over all queries.
    final class Tally: Sendable {
        struct Counts: Sendable {
            var rows = 0
            var refined = 0
            var measured = 0
        }
        let counts = Mutex(Counts())
    }

    /// `nil` where codes do not help: there are none, a query is not ordinary, or too many answers are wanted.
    init?(
        _ snapshot: CollectionSnapshot, _ queries: PreparedQueries, _ selection: RowSelection, _ options: QueryOptions,
        _ kernel: VectorKernel, _ policy: CodingPolicy
    ) {
        guard snapshot.coding.isWorthwhile(snapshot, metric: queries.metric, policy),
            options.topK <= max(64, snapshot.liveCount / 64), queries.areOrdinary
        else { return nil }
        self.snapshot = snapshot
        self.queries = queries
        self.selection = selection
        self.kernel = kernel
        limit = options.topK
        isFiltered = options.filter != nil
        tally = Tally()
        var books: [CodeBook] = []
        var coded: [CodedQueries] = []
        parts = snapshot.parts.enumerated().map { position, part in
            guard let codes = part.chunk.codes.withLock({ $0 }) else { return nil }
            // Where few rows are selected, they are measured.
            if let selected = selection.rows(of: position), RowSelection.isFew(selected.count, of: part.count) {
                return nil
            }
            if books.last !== codes.codes.book, !books.contains(where: { $0 === codes.codes.book }) {
                books.append(codes.codes.book)
                coded.append(CodedQueries(queries, codes.codes.book))
            }
            let index = books.firstIndex { $0 === codes.codes.book } ?? 0
            return PartCodes(coded: codes, queries: index, count: min(codes.count, part.count))
        }
        self.coded = coded
        if coded.isEmpty { return nil }
    }

    /// Lets the collection know how it went.
    func finish() {
        // A filter may have turned away what the bounds let through.
        if isFiltered { return }
        let rows = snapshot.parts.reduce(0) { $0 + $1.count }
        snapshot.coding.learn(from: tally.counts.withLock { $0 }, rows: rows)
    }

    private struct Seed {
        var bound: Float
        var part: Int
        var row: Int
    }

    /// Offers the rows of a run of parts for a group of queries.
    func scan(_ run: Range<Int>, _ group: Range<Int>, _ best: inout [TopK], plain: ExactSearch) {
        var offsets: [Int] = []
        var (room, largest) = (0, 0)
        for position in run {
            offsets.append(room)
            let rows = ((parts[position]?.count ?? 0) + 15) / 16 * 16
            room += rows
            largest = max(largest, rows)
        }
        var counts = Tally.Counts()
        counts.rows = room * group.count
        if room > 0 {
            // The bounds of every row and query of the group, and room for numbers of rows.
            _ = plain.scratch.withFloats(room * group.count + largest + 16) { bounds in
                let selected = UnsafeMutableRawPointer(bounds + room * group.count)
                    .bindMemory(to: UInt32.self, capacity: largest + 16)
                var seeds = [[Seed]](repeating: [], count: group.count)
                let seedEvery = max(32, room / max(64, 4 * limit))
                for (position, offset) in zip(run, offsets) {
                    guard let part = parts[position] else { continue }
                    bound(position, part, group, into: bounds + offset, stride: room)
                    for index in seeds.indices {
                        plant(&seeds[index], position, part, bounds + offset + index * room, every: seedEvery)
                    }
                }
                for (index, query) in group.enumerated() {
                    measure(seeds[index], query, offsets, run.lowerBound, bounds + index * room, &best[index], &counts)
                }
                for (position, offset) in zip(run, offsets) {
                    guard let part = parts[position] else { continue }
                    for (index, query) in group.enumerated() {
                        sift(position, part, query, bounds + offset + index * room, selected, &best[index], &counts)
                    }
                }
            }
        }
        for position in run {
            let start = parts[position]?.count ?? 0
            if start < snapshot.parts[position].count {
                plain.scan(snapshot, position, start, selection, queries, group, &best)
            }
        }
        tally.counts.withLock {
            $0.rows += counts.rows
            $0.refined += counts.refined
            $0.measured += counts.measured
        }
    }

    /// The bounds of a part's rows; those of rows that are not there are -infinity.
    private func bound(
        _ position: Int, _ part: PartCodes, _ group: Range<Int>, into bounds: UnsafeMutablePointer<Float>, stride: Int
    ) {
        var rows = part.coded.codes.rows
        let queries = coded[part.queries]
        let groups = (part.count + 15) / 16
        for first in Swift.stride(from: 0, to: groups, by: Self.groupsPerBlock) {
            let number = min(Self.groupsPerBlock, groups - first)
            let values = bounds + first * 16
            UnsafeMutableRawPointer(values).withMemoryRebound(to: Int32.self, capacity: 1) {
                cvk_code_dots(
                    kernel.raw, &rows, first, number, queries.pointer(group.lowerBound), group.count, $0, stride)
            }
            for query in group {
                cvk_code_bounds(
                    kernel.raw, queries.shape, &rows, first, number, queries.pointer(query),
                    values + (query - group.lowerBound) * stride)
            }
        }
        let source = snapshot.parts[position]
        let selected = selection.rows(of: position)
        for index in 0..<group.count {
            let values = bounds + index * stride
            for row in part.count..<groups * 16 { values[row] = -.infinity }
            if source.dead.count > 0 {
                source.dead.forEach { if $0 < part.count { values[$0] = -.infinity } }
            }
            if let selected {
                for row in 0..<part.count where !selected.contains(row) { values[row] = -.infinity }
            }
        }
    }

    /// Takes the row with the best bound out of every so many.
    private func plant(
        _ seeds: inout [Seed], _ position: Int, _ part: PartCodes, _ bounds: UnsafePointer<Float>, every rows: Int
    ) {
        for start in stride(from: 0, to: part.count, by: rows) {
            let count = min(rows, part.count - start)
            let row = cvk_highest(bounds + start, count)
            if row < count { seeds.append(Seed(bound: bounds[start + row], part: position, row: start + row)) }
        }
    }

    /// Measures the seeds, and takes them out of the rows.
    private func measure(
        _ seeds: [Seed], _ query: Int, _ offsets: [Int], _ firstPart: Int, _ bounds: UnsafeMutablePointer<Float>,
        _ best: inout TopK, _ counts: inout Tally.Counts
    ) {
        for seed in seeds.sorted(by: { $0.bound > $1.bound }) {
            guard let part = parts[seed.part] else { continue }
            // Below the floor, it is left to be passed over with the others.
            if seed.bound < threshold(query, part, best.floor) { break }
            offer(seed.row, seed.part, query, &best)
            counts.measured += 1
            bounds[offsets[seed.part - firstPart] + seed.row] = -.infinity
        }
    }

    /// Finite, so that a bound of -infinity is always below it: that of a row which is not to be looked at (again).
    private func threshold(_ query: Int, _ part: PartCodes, _ floor: Float) -> Float {
        let threshold = coded[part.queries].threshold(query, floor: floor, cut: queries.cut(query, floor: floor))
        return max(threshold, -.greatestFiniteMagnitude)
    }

    private func offer(_ row: Int, _ position: Int, _ query: Int, _ best: inout TopK) {
        let chunk = snapshot.parts[position].chunk
        let score = queries.score(query, queries.measure(query, row, of: chunk, kernel), chunk, row)
        best.offer(Candidate(score: score, part: UInt32(position), row: UInt32(row)))
    }

    /// Offers the rows of a part that no bound rules out.
    private func sift(
        _ position: Int, _ part: PartCodes, _ query: Int, _ bounds: UnsafeMutablePointer<Float>,
        _ selected: UnsafeMutablePointer<UInt32>, _ best: inout TopK, _ counts: inout Tally.Counts
    ) {
        var rows = part.coded.codes.rows
        let queries = coded[part.queries]
        var limit = threshold(query, part, best.floor)
        var count = cvk_select(kernel.raw, bounds, part.count, limit, selected)
        if rows.records != nil {
            counts.refined += count
            count = cvk_refine(kernel.raw, queries.shape, &rows, queries.pointer(query), limit, bounds, selected, count)
        }
        counts.measured += count
        if count > part.count / 8 {
            sift(position, query, selected, count, &best)
            return
        }
        var floor = best.floor
        for index in 0..<count {
            let row = Int(selected[index])
            if bounds[row] < limit { continue }
            offer(row, position, query, &best)
            if best.floor != floor {
                floor = best.floor
                limit = threshold(query, part, floor)
            }
        }
    }

    /// The same where so many rows are left that it is quicker to measure all between them as well.
    private func sift(
        _ position: Int, _ query: Int, _ selected: UnsafeMutablePointer<UInt32>, _ count: Int, _ best: inout TopK
    ) {
        let chunk = snapshot.parts[position].chunk
        var index = 0
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 256) { measures in
            while index < count {
                let first = Int(selected[index])
                var end = index
                while end < count, Int(selected[end]) < first + 256 { end += 1 }
                let block = first..<Int(selected[end - 1]) + 1
                queries.measure(query..<query + 1, chunk.rows(block), kernel, into: measures)
                for number in index..<end {
                    let row = Int(selected[number])
                    let score = queries.score(query, measures[row - first], chunk, row)
                    best.offer(Candidate(score: score, part: UInt32(position), row: UInt32(row)))
                }
                index = end
            }
        }
    }
}
