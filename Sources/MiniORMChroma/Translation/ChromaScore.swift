#if Chroma
internal import MiniORM

/// Scores from the server's distances.
enum ChromaScore {
    /// A score below this, and a squared distance below the other, is too coarse in the server's arithmetic.
    private static let finest: (score: Float, squaredDistance: Float) = (0x1p-10, 0x1p-100)

    /// The score of a distance from a query; `nil` where the distance has lost it.
    ///
    /// The server's distances are the squared Euclidean one, 1 minus the dot product and 1 minus the cosine, in 32-bit
    /// arithmetic: near 1 the latter two leave little of a small score, and small squares vanish.
    static func score(_ metric: VectorMetric, distance: Float?, of query: [Float]) -> Float? {
        guard let distance, distance.isFinite else { return nil }
        switch metric {
        case .l2:
            guard distance >= finest.squaredDistance || distance == 0 && isApart(query) else { return nil }
            return 0 - distance.squareRoot()
        case .dot, .cosine:
            let score = 1 - distance
            guard score.magnitude >= finest.score else { return nil }
            return metric == .cosine ? max(-1, min(1, score)) : score
        }
    }

    /// Whether no other vector is so near to this one that the squared distance vanishes: numbers next to each other are
    /// then at least 2^-61 apart.
    private static func isApart(_ vector: [Float]) -> Bool { vector.allSatisfy { $0.magnitude >= 0x1p-37 } }

    /// Whether scores that are too coarse may be left as they are, as none of them reaches a minimum.
    static func areTooLow(_ metric: VectorMetric, below minScore: Float?) -> Bool {
        metric != .l2 && minScore ?? -.infinity >= finest.score
    }
}
#endif
