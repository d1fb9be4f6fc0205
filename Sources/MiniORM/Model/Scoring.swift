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
