#if Faiss
internal import MiniORM

/// How the answer to a query is found: candidates by FAISS, their scores from the stored vectors, and every match
/// scored where the candidates are not surely enough.
struct Search {
    let state: CollectionState
    let plan: IndexPlan
    let candidateFactor: Int
    let options: QueryOptions
    private let matches: RowSet
    /// How many answers there are.
    private let wanted: Int

    /// Matches of a filter that are scored one by one rather than looked for in the index: FAISS with a selector visits
    /// every row, or most of a graph.
    private static let fewMatches = 2_000
    /// Candidates beyond those wanted, so that rounding and ties at the cut seldom need a second look.
    private static let slack = 6
    /// The largest number of candidates held at once.
    private static let largestAnswer = 1 << 22

    init(_ state: CollectionState, plan: IndexPlan, candidateFactor: Int, options: QueryOptions) {
        self.state = state
        self.plan = plan
        self.candidateFactor = candidateFactor
        self.options = options
        matches = state.rows.matching(options.filter)
        wanted = max(0, min(options.topK, matches.count))
    }

    func run(_ queries: [[Float]]) throws(VectorStoreError) -> [[VectorSearchResult]] {
        for query in queries where query.count != state.description.dimension {
            throw VectorStoreError(
                .invalidVector,
                "the query vector has \(query.count) components; the collection has \(state.description.dimension)")
        }
        guard wanted > 0 else { return queries.map { _ in [] } }
        guard let index = state.index, let width = width(index), isInRange(queries, index) else {
            let rows = matches.rows()
            var answers: [[VectorSearchResult]] = []
            for query in queries { answers.append(results(try ranked(query, rows))) }
            return answers
        }
        let step = max(1, Self.largestAnswer / width)
        var answers: [[VectorSearchResult]] = []
        answers.reserveCapacity(queries.count)
        var start = 0
        while start < queries.count {
            let part = queries[start..<min(queries.count, start + step)]
            start += part.count
            var flat: [Float] = []
            flat.reserveCapacity(part.count * state.description.dimension)
            for query in part { flat += query }
            let candidates = try search(index, flat, count: part.count, width: width)
            for (offset, query) in part.enumerated() {
                answers.append(results(try best(query, index, candidates, offset)))
            }
        }
        return answers
    }

    /// How many candidates the index is asked for; `nil` where scoring every match is less work.
    func width(_ index: FaissIndex) -> Int? {
        guard state.indexed > 0, wanted <= matches.count / 4 else { return nil }
        if options.filter != nil {
            guard index.takesSelector, matches.count > Self.fewMatches else { return nil }
        }
        let factor = index.isFlat ? 1 : candidateFactor
        let width = min(state.indexed, wanted * factor + Self.slack)
        guard let neighbours = plan.neighbours else { return width }
        // A graph is walked whatever the rows on the way match: so many more of them have to be looked at, and FAISS
        // looks at as many as it is asked for.
        let isWhole = matches.count >= state.indexed
        if isWhole, width <= plan.efSearch { return width }
        let share = min(1, Double(matches.count) / Double(state.indexed))
        let visited = Double(max(width, plan.efSearch)) / share
        // Each costs the distances to its neighbours, and a place in a list that is searched from end to end, whose
        // steps take a small part of a distance's time.
        guard visited * Double(neighbours) + visited * visited / 16 <= Double(matches.count) else { return nil }
        return isWhole ? width : min(state.indexed, Int(visited))
    }

    /// Whether FAISS can compare the queries with the rows: its sums have no room for more than single precision has.
    private func isInRange(_ queries: [[Float]], _ index: FaissIndex) -> Bool {
        guard state.description.metric != .cosine else { return true }
        let room = 1e37
        let largest = state.largestNorm
        return queries.allSatisfy { query in
            let squared = Self.squaredNorm(query)
            let product = squared.squareRoot() * largest
            switch (state.description.metric, index.isFlat) {
            case (.l2, false): return product < room && largest * largest < room && squared < room
            case (.l2, true): return product < room && largest * largest < room
            default: return product < room
            }
        }
    }

    private static func squaredNorm(_ vector: [Float]) -> Double {
        var squared = 0.0
        for value in vector { squared += Double(value) * Double(value) }
        return squared
    }

    /// How the filter is evaluated, for people.
    var summary: String {
        let share = "\(matches.count) of \(state.rows.liveCount) rows"
        guard let index = state.index, width(index) != nil else { return "\(share), scored one by one" }
        return "\(plan.description), id selector of \(share)"
    }

    private func search(
        _ index: FaissIndex, _ queries: [Float], count: Int, width: Int
    ) throws(VectorStoreError) -> FaissIndex.Candidates {
        // A flat index has forgotten the dead rows; for others they are left out by the selector, or dropped
        // afterwards.
        let hasDead = state.rows.liveCount < state.rows.count && !index.isFlat
        let selector = options.filter != nil || (hasDead && index.takesSelector) ? matches : nil
        return try index.search(queries, count: count, width: width, within: selector)
    }

    /// Rows with their scores.
    private typealias Ranked = BestOf<Int>.Scored

    private func best(
        _ query: [Float], _ index: FaissIndex, _ candidates: FaissIndex.Candidates, _ offset: Int
    ) throws(VectorStoreError) -> [Ranked] {
        var candidates = candidates
        var offset = offset
        while true {
            let span = offset * candidates.width..<(offset + 1) * candidates.width
            let found = candidates.numbers[span]
            var rows = found.filter { matches.contains(Int($0)) }
            rows += matches.rows(from: state.indexed)
            if rows.count >= wanted {
                let best = try ranked(query, Array(rows))
                let worst = candidates.approximations[span.upperBound - 1]
                if !index.isFlat || (found.last ?? -1 >= 0 && isSure(query, best, worst)) { return best }
            }
            let wider = min(state.indexed, 8 * (wanted + Self.slack))
            guard index.isFlat, candidates.width < wider else { return try ranked(query, matches.rows()) }
            candidates = try search(index, query, count: 1, width: wider)
            offset = 0
        }
    }

    /// Whether no row that FAISS left out can be among the best, whatever the rounding: not even by its id at a tie.
    ///
    /// FAISS adds `d` products in single precision, in an order of its own: the error is at most `(d + 8) / 2^24` of
    /// the product of the norms, with room for the rounding of normalised rows.
    private func isSure(_ query: [Float], _ best: [Ranked], _ worst: Float) -> Bool {
        guard let last = best.last else { return false }
        let unit = (Double(state.description.dimension) + 8) * 0x1p-24
        let squared = Self.squaredNorm(query)
        let norm = squared.squareRoot()
        let score = Double(last.score)
        let margin = abs(score) * 0x1p-23
        // Single precision also loses what is smaller than its least normal number.
        let worst = Double(worst) + (Double(state.description.dimension) + 8) * 0x1p-126
        switch state.description.metric {
        case .cosine: return norm > 0 && score - margin > worst + unit
        case .dot: return score - margin > worst + unit * norm * state.largestNorm
        case .l2:
            // The index compares q.x - |x|^2 / 2, which is (|q|^2 - |q - x|^2) / 2.
            let reached = (squared - (score - margin) * (score - margin)) / 2
            let scale = norm * state.largestNorm + state.largestNorm * state.largestNorm
            return reached > worst + unit * scale + squared * 0x1p-50
        }
    }

    /// The wanted best of rows, ties by id.
    private func ranked(_ query: [Float], _ rows: [Int64]) throws(VectorStoreError) -> [Ranked] {
        let scores = try state.rows.vectors.scores(state.description.metric, query, of: rows)
        let ids = state.rows.ids
        var best = BestOf<Int>(wanted) { ids[$0] < ids[$1] }
        for (row, score) in zip(rows, scores) { best.offer(Int(row), score) }
        return best.sorted()
    }

    private func results(_ ranked: [Ranked]) -> [VectorSearchResult] {
        var results: [VectorSearchResult] = []
        results.reserveCapacity(ranked.count)
        for (score, row) in ranked {
            if let minScore = options.minScore, score < minScore { break }
            results.append(
                VectorSearchResult(
                    id: state.rows.ids[row].string, score: score, payload: state.rows.payloads[row],
                    vector: options.includeVectors ? state.rows.vectors[row] : nil))
        }
        return results
    }
}
#endif
