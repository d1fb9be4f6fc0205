internal import CVectorKernels

extension VectorMetric {
    /// The score of two vectors of one length, computed in double precision: where an engine's own single precision
    /// leaves too little of it.
    package func score(_ lhs: [Float], _ rhs: [Float]) -> Float {
        guard lhs.count == rhs.count else { return -.infinity }
        switch self {
        case .l2: return Float.saturated(0 - cvk_squared_l2_double(lhs, rhs, lhs.count).squareRoot())
        case .dot: return Float.saturated(cvk_dot_double(lhs, rhs, lhs.count))
        case .cosine:
            let norms =
                cvk_sum_of_squares(lhs, lhs.count).squareRoot() * cvk_sum_of_squares(rhs, rhs.count).squareRoot()
            guard norms > 0 else { return 0 }
            return Float(max(-1, min(1, cvk_dot_double(lhs, rhs, lhs.count) / norms)))
        }
    }
}

extension VectorSearchResult {
    /// Whether an answer comes before another one: by score, then by the bytes of the id.
    package static func isBetter(_ lhs: Self, _ rhs: Self) -> Bool {
        lhs.score != rhs.score ? lhs.score > rhs.score : UTF8Key(lhs.id) < UTF8Key(rhs.id)
    }
}

/// The best of many candidates by score, ties in an order of the caller's.
package struct BestOf<Candidate> {
    package typealias Scored = (score: Float, candidate: Candidate)

    @usableFromInline let limit: Int
    /// Whether a candidate comes before another one with the same score.
    @usableFromInline let isFirst: (Candidate, Candidate) -> Bool
    /// In no order, and up to twice as many as are asked for, so that each is moved a few times at the most.
    @usableFromInline var kept: [Scored] = []
    /// What scores less is not among the best.
    @usableFromInline var floor: Float

    /// Keeps so many candidates at the most, of those that score no less than a minimum.
    @inlinable package init(
        _ limit: Int, minScore: Float? = nil, isFirst: @escaping (Candidate, Candidate) -> Bool
    ) {
        self.limit = limit
        self.isFirst = isFirst
        floor = minScore ?? -.infinity
    }

    @inlinable package mutating func offer(_ candidate: @autoclosure () throws -> Candidate, _ score: Float) rethrows {
        guard score >= floor else { return }
        kept.append((score, try candidate()))
        if kept.count - limit >= max(limit, 32) { trim() }
    }

    @inlinable mutating func trim() {
        kept.sort { $0.score != $1.score ? $0.score > $1.score : isFirst($0.candidate, $1.candidate) }
        guard kept.count >= limit else { return }
        kept.removeLast(kept.count - limit)
        floor = max(floor, kept.last?.score ?? floor)
    }

    /// The best so far, best first.
    @inlinable package func sorted() -> [Scored] {
        var best = self
        best.trim()
        return best.kept
    }
}
