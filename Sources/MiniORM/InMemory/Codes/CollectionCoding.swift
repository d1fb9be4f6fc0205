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
    private struct State {
        var book: CodeBook?
        /// What a row was expected to cost with this book.
        var cost = 0.0
        /// Rows that were there when the book was chosen; 0 before.
        var learnedRows = 0
        var isStale = false
        var isBusy = false
        /// Searches to go without codes, and how many the next time; codes have not been worth their while.
        var pause = 0
        var nextPause = 1
    }
    private let state = Mutex(State())
    /// One for all collections: coding takes one core.
    private static let queue = DispatchQueue(label: "mini-orm.codes", qos: .utility)

    /// Whether to search with codes, such as there are. Sees to it that there will be.
    func isWorthwhile(_ snapshot: CollectionSnapshot, metric: VectorMetric, _ policy: CodingPolicy) -> Bool {
        guard let dimension = snapshot.parts.first?.chunk.dimension, policy.dimensions.contains(dimension),
            snapshot.liveCount >= policy.minimumRows
        else { return false }
        if policy.coding == .never { return true }
        let (shallCode, isWorthwhile) = state.withLock { state in
            let rows = snapshot.parts.reduce(0) { $0 + $1.count }
            let outgrown = rows >= 2 * state.learnedRows || state.isStale
            let isPaused = state.pause > 0
            if isPaused { state.pause -= 1 }
            guard !state.isBusy, outgrown || state.book != nil else { return (false, !isPaused) }
            let missing = Self.missing(in: snapshot, state.book)
            if !outgrown, missing < 512 + rows / 64 { return (false, !isPaused) }
            state.isBusy = true
            return (true, !isPaused)
        }
        if shallCode {
            if policy.coding == .atOnce {
                code(snapshot, metric, policy)
            } else {
                Self.queue.async { self.code(snapshot, metric, policy) }
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

    private func code(_ snapshot: CollectionSnapshot, _ metric: VectorMetric, _ policy: CodingPolicy) {
        let rows = snapshot.parts.reduce(0) { $0 + $1.count }
        let (present, mustLearn) = state.withLock { ($0.book, rows >= 2 * $0.learnedRows || $0.isStale) }
        var book = present
        if mustLearn {
            let plan = RowSample(snapshot, atMost: 4096).flatMap { sample in
                // Less than a fifth is not worth the memory.
                let limit = policy.evenIfSlower ? .infinity : 0.8 * CodePlan.plainCost(width: sample.width)
                return CodePlan.best(sample, rows: rows, below: limit)
            }
            book = plan?.book
            state.withLock {
                $0.book = book
                $0.cost = plan?.cost ?? 0
                $0.learnedRows = rows
                $0.isStale = false
                ($0.pause, $0.nextPause) = (0, 1)
            }
        }
        for part in snapshot.parts {
            if let book { Self.code(part, metric, book) } else { part.chunk.codes.withLock { $0 = nil } }
        }
        state.withLock { $0.isBusy = false }
    }

    private static func code(_ part: CollectionSnapshot.Part, _ metric: VectorMetric, _ book: CodeBook) {
        let end = codable(part)
        let present = part.chunk.codes.withLock { $0 }
        let start = present?.codes.book === book ? present?.count ?? 0 : 0
        guard start < end else { return }
        let isNew = start == 0
        let codes = isNew ? ChunkCodes(book, metric: metric, rows: part.chunk.capacity) : present?.codes
        guard let codes else { return }
        codes.append(part.chunk, from: start, to: end)
        part.chunk.codes.withLock { $0 = ChunkCodes.Coded(codes: codes, count: end) }
    }

    /// Takes notice of how a search went: where codes rule out too little, the next searches go without, and where
    /// they rule out much less than expected of a collection that has grown, axes and stages are chosen anew.
    func learn(from counts: CodedSearch.Tally.Counts, rows collectionRows: Int) {
        guard counts.rows > 0 else { return }
        state.withLock { state in
            guard let book = state.book else { return }
            let rows = Double(counts.rows)
            let cost = CodePlan.cost(
                book, refined: Double(counts.refined) / rows, measured: Double(counts.measured) / rows)
            if cost > CodePlan.plainCost(width: book.width) {
                state.pause = state.nextPause
                state.nextPause = min(256, 2 * state.nextPause)
            } else {
                state.nextPause = 1
            }
            if cost > 2 * state.cost, 4 * collectionRows > 5 * state.learnedRows { state.isStale = true }
        }
    }
}
