internal import Dispatch
internal import Synchronization

/// When rows are given codes, and by whom.
struct CodingPolicy: Sendable {
    enum Coding: Sendable {
        /// In the background, seen to by the query that finds rows without codes.
        case inBackground
        /// By that query, before it goes on.
        case atOnce
        /// Never; what codes there are, are used.
        case never
    }
    var coding = Coding.inBackground
    /// Whether to use codes.
    var isOn = true
    /// Whether rows have codes even if that is expected to be slower.
    var evenIfSlower = false
    /// Smaller collections are measured as quickly as they are bounded.
    var minimumRows = 4096
    /// Below, a code is hardly shorter than what is beside it; above, sums leave 32 bits.
    var dimensions = 32...16_384
}

/// How a collection's rows are coded, and the coding of new ones.
///
/// Nothing is done for a collection that nobody searches, and nothing by its writers: a query that finds many rows
/// without codes has them coded in the background, and goes on without. Codes never change an answer.
final class CollectionCoding: Sendable {
    /// The rows that a book was chosen by.
    private struct Learned {
        var rows: Int
        /// Where they ended: rows behind came later.
        var serial: UInt32
        var count: Int

        init(_ snapshot: CollectionSnapshot) {
            rows = snapshot.rowCount
            serial = snapshot.parts.last?.serial ?? 0
            count = snapshot.parts.last?.count ?? 0
        }

        /// Rows that came later. A record that is replaced is one of them: its row is new.
        func arrived(in snapshot: CollectionSnapshot) -> Int {
            var arrived = 0
            for part in snapshot.parts.reversed() {
                if part.serial < serial { break }
                arrived += part.serial == serial ? max(0, part.count - count) : part.count
            }
            return arrived
        }
    }

    /// How searches of a kind have gone, and for how many to come codes are left alone.
    private struct Record {
        /// What codes cost of a plain scan: an average over the last searches, so that one bad search changes little.
        var share = 0.0
        var pause = 0
        var nextPause = 1

        mutating func add(_ cost: Double) {
            share += (cost - share) / 4
            if share > 1 {
                pause = nextPause
                // Not for long: a search that codes do not help finds out early, and costs little more than without.
                nextPause = min(16, 2 * nextPause)
            } else {
                nextPause = 1
            }
        }
    }

    /// Searches that have about as much to do; codes may be worth their while for some and not for others.
    struct Kind: Sendable {
        fileprivate let index: Int
        /// Whether it says anything of the axes: those that want few answers, and all of what they find.
        let isTelling: Bool

        init(topK: Int, isFiltered: Bool) {
            index = (topK > 16 ? 1 : 0) + (topK > 128 ? 1 : 0) + (isFiltered ? 3 : 0)
            isTelling = index == 0
        }
        fileprivate static let count = 6
    }

    private struct State {
        var book: CodeBook?
        /// What a row was expected to cost with this book.
        var cost = 0.0
        var learned: Learned?
        var isStale = false
        var isBusy = false
        /// Collections that have it; without one, nobody needs codes any more.
        var owners = 0
        var isCancelled = false
        /// Searches that cost much more than expected, less those that did not.
        var disappointments = 0
        /// Whether disappointment alone is reason to choose anew: once, until a quarter of the rows are new, as queries
        /// that differ from day to day would have rows coded again and again.
        var mayReconsider = true
        /// The last queries that were asked of about these rows, and where the next one goes.
        var asked: [AskedQuery] = []
        var nextAsked = 0
        /// Whether the book was chosen by such queries.
        var knowsQueries = false
        /// The axes that were learned, until queries choose among them.
        var axes: [Float] = []
        var timesChosen = 0
        var records = [Record](repeating: Record(), count: Kind.count)

        mutating func add(_ query: AskedQuery) {
            // One that is asked all the time would stand for all.
            if asked.contains(where: { $0.vector == query.vector }) { return }
            if asked.count < CodePlan.queries {
                asked.append(query)
            } else {
                asked[nextAsked] = query
            }
            nextAsked = (nextAsked + 1) % CodePlan.queries
        }

        /// Whether a quarter of the rows came since a book was chosen.
        func areNew(_ snapshot: CollectionSnapshot) -> Bool {
            learned.map { 4 * $0.arrived(in: snapshot) >= $0.rows } ?? true
        }

        /// A book was chosen by queries, if they are as many as it takes, for the rows of a snapshot.
        mutating func choose(_ plan: CodePlan?, by queries: [AskedQuery], for snapshot: CollectionSnapshot) {
            let areNew = areNew(snapshot)
            knowsQueries = queries.count == CodePlan.queries && !areNew && plan != nil
            axes = knowsQueries ? [] : plan?.axes ?? []
            if !knowsQueries { (asked, nextAsked) = ([], 0) }
            if areNew { mayReconsider = true }
            (book, cost, learned) = (plan?.book, plan?.cost ?? 0, Learned(snapshot))
            (isStale, disappointments) = (false, 0)
            timesChosen += 1
            records = [Record](repeating: Record(), count: Kind.count)
        }

        func isOutgrown(_ snapshot: CollectionSnapshot) -> Bool {
            guard let learned else { return true }
            return isStale || learned.arrived(in: snapshot) >= max(1, learned.rows)
        }
    }
    private let state = Mutex(State())
    private let memory = Mutex(CodeMemory())
    /// One for all collections: coding takes one core. They take turns, a part each.
    private static let queue = DispatchQueue(label: "mini-orm.codes", qos: .utility)
    private static let mostDisappointments = 64

    /// How rows are coded at present, if they are.
    var book: CodeBook? { state.withLock { $0.book } }
    /// How often it was chosen, or chosen again; for tests.
    var timesChosen: Int { state.withLock { $0.timesChosen } }

    /// A collection has it.
    func adopt() {
        state.withLock {
            $0.owners += 1
            $0.isCancelled = false
        }
    }

    /// A collection that had it is gone. With the last one, what is under way in the background ends soon, and lets go
    /// of the rows.
    func abandon() {
        state.withLock {
            $0.owners -= 1
            $0.isCancelled = $0.owners <= 0
        }
    }

    private var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Whether to search with codes, such as there are. Sees to it that there will be.
    func isWorthwhile(
        _ snapshot: CollectionSnapshot, metric: VectorMetric, _ kind: Kind, _ policy: CodingPolicy
    ) -> Bool {
        guard let dimension = snapshot.parts.first?.chunk.dimension, policy.dimensions.contains(dimension),
            snapshot.liveCount >= policy.minimumRows
        else { return false }
        if policy.coding == .never { return true }
        let (shallCode, isWorthwhile) = state.withLock { state in
            let isPaused = state.records[kind.index].pause > 0
            if isPaused { state.records[kind.index].pause -= 1 }
            let outgrown = state.isOutgrown(snapshot)
            guard !state.isBusy, !state.isCancelled, outgrown || state.book != nil else { return (false, !isPaused) }
            let missing = Self.missing(in: snapshot, state.book)
            if !outgrown, missing < 512 + snapshot.rowCount / 64 { return (false, !isPaused) }
            state.isBusy = true
            return (true, !isPaused)
        }
        if shallCode {
            let work = Work(snapshot: snapshot, metric: metric, policy: policy)
            if policy.coding == .atOnce {
                var work = work
                while advance(&work) {}
            } else {
                enqueue(work)
            }
        }
        return isWorthwhile
    }

    /// Rows that could have codes of a book and have none.
    private static func missing(in snapshot: CollectionSnapshot, _ book: CodeBook?) -> Int {
        snapshot.parts.reduce(0) { sum, part in
            let coded = part.chunk.codes.withLock { $0 }
            return sum + codable(part) - (coded?.codes.book === book ? min(coded?.count ?? 0, part.count) : 0)
        }
    }

    /// The rows of a part that can be coded: whole groups, while there are rows to come.
    private static func codable(_ part: CollectionSnapshot.Part) -> Int {
        part.count == part.chunk.capacity ? part.count : part.count / 16 * 16
    }

    /// The coding of a snapshot's rows: first the book, then part by part.
    private struct Work: Sendable {
        let snapshot: CollectionSnapshot
        let metric: VectorMetric
        let policy: CodingPolicy
        var book: CodeBook?
        /// `nil` before there is a book.
        var nextPart: Int?
    }

    private func enqueue(_ work: Work) {
        Self.queue.async {
            var work = work
            if self.advance(&work) { self.enqueue(work) }
        }
    }

    /// A step of the work; whether there is more.
    private func advance(_ work: inout Work) -> Bool {
        let isOver: Bool
        if isCancelled {
            isOver = true
        } else if let position = work.nextPart, position < work.snapshot.parts.count {
            let part = work.snapshot.parts[position]
            if let book = work.book {
                code(part, work.metric, book)
            } else {
                part.chunk.codes.withLock { $0 = nil }
            }
            work.nextPart = position + 1
            isOver = position + 1 == work.snapshot.parts.count
        } else {
            work.book = chooseBook(work)
            work.nextPart = 0
            isOver = work.snapshot.parts.isEmpty
        }
        if isOver { state.withLock { $0.isBusy = false } }
        return !isOver
    }

    /// The book that there is, or a new one where it is time for that.
    private func chooseBook(_ work: Work) -> CodeBook? {
        let (present, mustLearn, asked, axes) = state.withLock {
            ($0.book, $0.isOutgrown(work.snapshot), $0.asked, $0.areNew(work.snapshot) ? [] : $0.axes)
        }
        guard mustLearn else { return present }
        let plan = RowSample(work.snapshot, atMost: 4096).flatMap { sample in
            // Less than a fifth is not worth the memory.
            let limit = work.policy.evenIfSlower ? .infinity : 0.8 * CodePlan.plainCost(width: sample.width)
            return CodePlan.best(
                sample, asked, axes: axes, rows: work.snapshot.rowCount, below: limit, present: present
            ) { isCancelled }
        }
        if isCancelled { return present }
        state.withLock { $0.choose(plan, by: asked, for: work.snapshot) }
        return plan?.book
    }

    private func code(_ part: CollectionSnapshot.Part, _ metric: VectorMetric, _ book: CodeBook) {
        let end = Self.codable(part)
        let present = part.chunk.codes.withLock { $0 }
        let start = present?.codes.book === book ? present?.count ?? 0 : 0
        guard start < end else { return }
        let isNew = start == 0
        let codes =
            isNew
            ? memory.withLock { ChunkCodes(book, metric: metric, rows: part.chunk.capacity, in: &$0) } : present?.codes
        guard let codes else { return }
        codes.append(part.chunk, from: start, to: end)
        part.chunk.codes.withLock { $0 = ChunkCodes.Coded(codes: codes, count: end) }
    }

    /// Takes notice of how a search went, and of one of its queries. Where codes rule out too little, the next searches
    /// of its kind go without. Axes and stages are chosen anew as soon as there are queries to choose them by, and where
    /// codes rule out much less than expected: if a quarter of the rows came since, or, once, if it happens again and
    /// again.
    func learn(
        from counts: CodedSearch.Tally.Counts, _ kind: Kind, _ snapshot: CollectionSnapshot, asked: AskedQuery? = nil
    ) {
        guard counts.bounded + counts.scanned > 0 else { return }
        state.withLock { state in
            guard let book = state.book else { return }
            if let asked { state.add(asked) }
            // Until rows are coded by the book, searches say nothing of it.
            if state.isBusy { return }
            let cost = CodePlan.cost(book, counts)
            state.records[kind.index].add(cost / CodePlan.plainCost(width: book.width))
            guard kind.isTelling else { return }
            if !state.knowsQueries, state.asked.count == CodePlan.queries { state.isStale = true }
            if cost <= 2 * state.cost {
                state.disappointments = max(0, state.disappointments - 1)
                return
            }
            state.disappointments += 1
            if state.areNew(snapshot) {
                state.isStale = true
            } else if state.mayReconsider, state.disappointments >= Self.mostDisappointments {
                (state.isStale, state.mayReconsider) = (true, false)
            }
        }
    }
}
