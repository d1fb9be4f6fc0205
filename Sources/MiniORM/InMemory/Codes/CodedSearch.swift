internal import CVectorKernels
internal import Synchronization

/// A search over the codes of a snapshot's rows, for rows that have any; the others are measured as ever.
///
/// The first stage gives a bound for every row, and a query takes down the rows whose bound is not below the floor: the
/// score of the worst of its answers so far. From time to time (see ``CodedScan``) the best of them by bound are
/// measured, which raises the floor; in the end the others are refined by the second stage, and what still is not below
/// the floor is measured. A row is left out only if its bound says that its score is below the floor, so the answers are
/// those of measuring every row.
struct CodedSearch: Sendable {
    /// A part's codes, for the rows that have any.
    struct PartCodes: Sendable {
        var coded: ChunkCodes.Coded
        /// The position of its book's queries.
        var book: Int
        var count: Int
        /// The number of the first row, among those of all parts.
        var base: Int
        /// The first word of its rows in `present`.
        var firstWord: Int
    }

    let snapshot: CollectionSnapshot
    let queries: PreparedQueries
    let selection: RowSelection
    let kernel: VectorKernel
    let limit: Int
    let parts: [PartCodes?]
    /// The number of each part's first row.
    let bases: [Int]
    /// The queries in the terms of each book.
    let coded: [CodedQueries]
    /// A bit for each row with a code: whether it is live and selected.
    let present: [UInt64]
    private let kind: CollectionCoding.Kind
    private let isTelling: Bool
    private let tally = Tally()

    /// What became of the rows, over all queries.
    final class Tally: Sendable {
        struct Counts: Sendable {
            /// Rows whose bound was found; of those, rows that were refined, and measured.
            var bounded = 0
            var refined = 0
            var measured = 0
            /// Rows that were measured in a scan instead, as bounds ruled out too few.
            var scanned = 0
        }
        let counts = Mutex(Counts())

        func add(_ counts: Counts) {
            self.counts.withLock {
                $0.bounded += counts.bounded
                $0.refined += counts.refined
                $0.measured += counts.measured
                $0.scanned += counts.scanned
            }
        }
    }

    /// `nil` where codes do not help: there are none, a query is not ordinary, or too many answers are wanted.
    init?(
        _ snapshot: CollectionSnapshot, _ queries: PreparedQueries, _ selection: RowSelection, _ options: QueryOptions,
        _ kernel: VectorKernel, _ policy: CodingPolicy
    ) {
        kind = CollectionCoding.Kind(topK: options.topK, isFiltered: options.filter != nil || selection.isSome)
        guard snapshot.coding.isWorthwhile(snapshot, metric: queries.metric, kind, policy),
            options.topK <= max(64, snapshot.liveCount / 64), queries.areOrdinary
        else { return nil }
        self.snapshot = snapshot
        self.queries = queries
        self.selection = selection
        self.kernel = kernel
        limit = options.topK
        // Otherwise the floor is not that of the best rows.
        isTelling = kind.isTelling && options.minScore == nil
        var books: [CodeBook] = []
        var coded: [CodedQueries] = []
        var present: [UInt64] = []
        var parts: [PartCodes?] = []
        var base = 0
        var bases: [Int] = []
        for (position, part) in snapshot.parts.enumerated() {
            bases.append(base)
            defer { base += part.count }
            let selected = selection.rows(of: position)
            // Where few rows are selected, they are measured.
            guard let codes = part.chunk.codes.withLock({ $0 }), codes.count > 0, part.count > 0,
                !(selected.map { CodePlan.isFew($0.count, of: part.count, codes.codes.book) } ?? false)
            else {
                parts.append(nil)
                continue
            }
            if books.last !== codes.codes.book, !books.contains(where: { $0 === codes.codes.book }) {
                books.append(codes.codes.book)
                coded.append(CodedQueries(queries, codes.codes.book, kernel))
            }
            let count = min(codes.count, part.count)
            parts.append(
                PartCodes(
                    coded: codes, book: books.firstIndex { $0 === codes.codes.book } ?? 0, count: count, base: base,
                    firstWord: present.count))
            Self.append(&present, count, selected, part.dead)
        }
        if coded.isEmpty { return nil }
        self.coded = coded
        self.present = present
        self.parts = parts
        self.bases = bases
    }

    /// The words of a part: the first rows but for those that are dead or not selected.
    private static func append(_ present: inout [UInt64], _ count: Int, _ selected: RowSet?, _ dead: RowSet) {
        let words = (count + 63) / 64
        let start = present.count
        if let selected {
            present += selected.words.prefix(words)
            while present.count < start + words { present.append(0) }
        } else {
            for _ in 0..<words { present.append(.max) }
        }
        for (index, word) in dead.words.prefix(words).enumerated() { present[start + index] &= ~word }
        if count & 63 != 0 { present[start + words - 1] &= 1 << UInt64(count & 63) - 1 }
    }

    /// Rows of one of so many queries that wait to be refined and measured, before they are. The more wait, the fewer
    /// are refined that a later floor would have ruled out; the lists of all queries fit the second cache.
    static func rowsWaiting(_ limit: Int, queries: Int) -> Int {
        max(1024, min(8192, (1 << 15) / queries), 64 * limit)
    }

    /// How many queries go over the codes at once: as many as the second cache has room for, with what they find.
    static func queriesAtOnce(_ limit: Int) -> Int {
        let most = 64
        let room = rowsWaiting(min(limit, 1 << 20), queries: most) + CodedScan.rowsPerBlock + 16
        return max(4, min(most, 140_000 / room / 4 * 4))
    }

    /// Offers the rows of a run of parts for a group of queries.
    func scan(_ run: Range<Int>, _ group: Range<Int>, _ best: inout [TopK], plain: ExactSearch) {
        let rows = snapshot.parts[run].reduce(0) { $0 + $1.count }
        let room = min(Self.rowsWaiting(limit, queries: group.count), rows) + CodedScan.rowsPerBlock + 16
        _ = plain.scratch.withFloats(2 * room * group.count) { memory in
            withUnsafeTemporaryAllocation(of: cvk_found.self, capacity: group.count) { found in
                withUnsafeTemporaryAllocation(of: cvk_coded_query.self, capacity: group.count * coded.count) { raw in
                    var scan = CodedScan(self, group, run, plain, memory, room: room, found, raw)
                    scan.run(&best)
                    tally.add(scan.counts)
                }
            }
        }
    }

    /// Lets the collection know how it went.
    ///
    /// - Parameter floor: The score of the first query's worst answer.
    func finish(floor: Float) {
        let asked = isTelling && floor.isFinite ? AskedQuery(queries, 0, floor: Double(floor)) : nil
        snapshot.coding.learn(from: tally.counts.withLock { $0 }, kind, snapshot, asked: asked)
    }
}
