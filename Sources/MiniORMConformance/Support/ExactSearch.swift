import MiniORM

/// The obvious slow search, in double arithmetic, and the comparison of a store's answers with it.
struct ExactSearch {
    let metric: VectorMetric
    let records: [VectorRecord]

    struct Score { let value: Double, tolerance: Double }

    /// The score, and how far a store's may be from it: 1e-4 of it, and what float32 arithmetic loses where terms
    /// cancel each other.
    static func score(_ metric: VectorMetric, _ lhs: [Float], _ rhs: [Float]) -> Score {
        let pairs = zip(lhs, rhs).map { (Double($0), Double($1)) }
        let dot = pairs.reduce(0) { $0 + $1.0 * $1.1 }
        let left = pairs.reduce(0) { $0 + $1.0 * $1.0 }.squareRoot()
        let right = pairs.reduce(0) { $0 + $1.1 * $1.1 }.squareRoot()
        switch metric {
        case .dot: return Score(value: dot, tolerance: 1e-4 * dot.magnitude + 2e-6 * left * right)
        case .cosine:
            if left == 0 || right == 0 { return Score(value: 0, tolerance: 0) }
            let cosine = dot / left / right
            return Score(value: cosine, tolerance: 1e-4 * cosine.magnitude + 2e-6)
        case .l2:
            let distance = pairs.reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
            return Score(value: -distance, tolerance: 1e-4 * distance + 1e-5 * (left + right))
        }
    }

    /// Whether answers are what they should be; for a store that is not exact, all but which records were found.
    ///
    /// - Returns: How many of the true nearest neighbours were found, and how many there are.
    @discardableResult
    func check(
        _ answers: [VectorSearchResult], for vector: [Float], topK: Int, filter: VectorFilter? = nil,
        minScore: Float? = nil, isExact: Bool, _ what: String
    ) throws -> (found: Int, of: Int) {
        let scored = records.filter { filter?.matches($0.payload) ?? true }
            .map { (record: $0, score: Self.score(metric, vector, $0.vector)) }
        let byID = Dictionary(scored.map { (UTF8Key($0.record.id), $0) }) { $1 }
        let least = minScore.map(Double.init) ?? -.infinity
        let surely = scored.filter { $0.score.value - $0.score.tolerance >= least }
        let perhaps = scored.filter { $0.score.value + $0.score.tolerance >= least }
        let limits = min(max(0, topK), surely.count)...min(max(0, topK), perhaps.count)
        guard limits.contains(answers.count) else {
            throw Unexpected("\(what): expected \(limits.lowerBound) answers, min(topK, matches), got \(answers.count)")
        }
        var seen: Set<UTF8Key> = []
        for answer in answers {
            guard seen.insert(UTF8Key(answer.id)).inserted else {
                throw Unexpected("\(what): the record \(answer.id.quoted) is there twice")
            }
            guard let (record, score) = byID[UTF8Key(answer.id)] else {
                throw Unexpected("\(what): the record \(answer.id.quoted) is not one of the \(byID.count) that match")
            }
            guard (Double(answer.score) - score.value).magnitude <= score.tolerance else {
                throw Unexpected(
                    "\(what): the score of \(answer.id.quoted) is \(answer.score), expected \(score.value) (\(metric))")
            }
            if let minScore, answer.score < minScore {
                throw Unexpected("\(what): the score of \(answer.id.quoted), \(answer.score), is below \(minScore)")
            }
            try expectPayload(answer.payload, record.payload, "\(what): the payload of \(answer.id.quoted)")
        }
        for (before, after) in zip(answers, answers.dropFirst()) {
            let isOrdered =
                before.score > after.score || (before.score == after.score && UTF8Key(before.id) < UTF8Key(after.id))
            try expect(
                isOrdered, "\(what): \(before.id.quoted) before \(after.id.quoted) is not best first, ties by id")
        }
        let nearest = scored.sorted { $0.score.value > $1.score.value }.prefix(answers.count)
        let worst = answers.last.map { Double($0.score) } ?? .infinity
        let missed = nearest.filter {
            !seen.contains(UTF8Key($0.record.id)) && $0.score.value - $0.score.tolerance > worst
        }
        if isExact, let first = missed.first {
            throw Unexpected(
                "\(what): \(first.record.id.quoted) scores \(first.score.value) and is missing; the worst answer has \(worst)"
            )
        }
        return (answers.count - missed.count, answers.count)
    }
}
