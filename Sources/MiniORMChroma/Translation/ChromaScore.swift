#if Chroma
internal import CVectorKernels
internal import MiniORM

/// Scores, from the server's distances or from vectors.
enum ChromaScore {
    /// The score of a distance; `nil` where the distance has lost it.
    ///
    /// The server's distances are the squared Euclidean one, 1 minus the dot product and 1 minus the cosine, in 32-bit
    /// arithmetic: near 1 the latter two leave little of a small score.
    static func score(_ metric: VectorMetric, distance: Float?) -> Float? {
        guard let distance, distance.isFinite else { return nil }
        switch metric {
        case .l2: return -max(0, distance).squareRoot()
        case .dot, .cosine:
            let score = 1 - distance
            guard score.magnitude >= 0x1p-10 else { return nil }
            return metric == .cosine ? max(-1, min(1, score)) : score
        }
    }

    /// The score of two vectors of one length, computed in double arithmetic.
    static func score(_ metric: VectorMetric, _ lhs: [Float], _ rhs: [Float]) -> Float {
        guard lhs.count == rhs.count else { return -.infinity }
        switch metric {
        case .l2: return -Float(cvk_squared_l2_double(lhs, rhs, lhs.count).squareRoot())
        case .dot: return Float(cvk_dot_double(lhs, rhs, lhs.count))
        case .cosine:
            let squares =
                cvk_sum_of_squares(lhs, lhs.count).squareRoot() * cvk_sum_of_squares(rhs, rhs.count).squareRoot()
            guard squares > 0 else { return 0 }
            return Float(max(-1, min(1, cvk_dot_double(lhs, rhs, lhs.count) / squares)))
        }
    }

    static func isBetter(_ lhs: VectorSearchResult, _ rhs: VectorSearchResult) -> Bool {
        lhs.score != rhs.score ? lhs.score > rhs.score : UTF8Key(lhs.id) < UTF8Key(rhs.id)
    }
}
#endif
