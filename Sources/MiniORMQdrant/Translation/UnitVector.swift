#if Qdrant
internal import MiniORM

/// A vector's direction and length. Qdrant normalises under cosine in single precision, where squares of very long and
/// very short vectors overflow and vanish, so vectors arrive there normalised, in double precision.
struct UnitVector: Sendable {
    /// Of length 1; of length 0 for the zero vector.
    let components: [Float]
    /// The length of the vector itself.
    let norm: Double
    /// Whether direction and length give the vector back, within 1e-6 of each component.
    let isFaithful: Bool

    init(_ vector: [Float]) {
        var squares = 0.0
        for component in vector { squares += Double(component) * Double(component) }
        let norm = squares.squareRoot()
        self.norm = norm
        guard norm > 0 else {
            components = vector
            isFaithful = true
            return
        }
        var isFaithful = true
        components = vector.map { component in
            let unit = Float(Double(component) / norm)
            if component != 0, abs(unit) < Float.leastNormalMagnitude { isFaithful = false }
            return unit
        }
        self.isFaithful = isFaithful
    }
}

/// Vectors as text: the little-endian bytes of the components in hexadecimal.
enum VectorText {
    static func encode(_ vector: [Float]) -> String {
        vector.map { component in
            let digits = String(component.bitPattern.byteSwapped, radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }.joined()
    }

    static func decode(_ text: String) -> [Float]? {
        let digits = Array(text.utf8)
        guard digits.count % 8 == 0 else { return nil }
        var vector: [Float] = []
        for start in stride(from: 0, to: digits.count, by: 8) {
            guard let bits = UInt32(String(decoding: digits[start..<start + 8], as: UTF8.self), radix: 16) else {
                return nil
            }
            vector.append(Float(bitPattern: bits.byteSwapped))
        }
        return vector
    }
}

/// Scores as the contract has them.
enum Score {
    /// From the engine's own: Qdrant answers Euclid's distance, positive.
    static func fromEngine(_ score: Float, _ metric: VectorMetric) -> Float {
        switch metric {
        case .cosine: max(-1, min(1, score))
        case .dot: score
        case .l2: 0 - score
        }
    }

    /// Whether the engine's single precision has lost a score: its sum overflowed, or so little is left that squares or
    /// products of components have vanished.
    static func isLost(_ score: Float, _ metric: VectorMetric) -> Bool {
        let magnitude = score.magnitude
        switch metric {
        case .cosine: return !score.isFinite
        case .dot: return !score.isFinite || magnitude > 0 && magnitude < 0x1p-112
        case .l2: return !score.isFinite || magnitude > 0 && magnitude < 0x1p-50
        }
    }

    /// Whether a score is to be computed from vectors: near a right angle, and at no distance where squares may have
    /// vanished. (Numbers of 2^-37 and those next to them are 2^-61 apart.)
    static func isCoarse(_ score: Float, _ metric: VectorMetric, _ query: [Float]) -> Bool {
        switch metric {
        case .cosine: score.magnitude < 0x1p-10
        case .dot: false
        case .l2: score == 0 && query.contains { $0.magnitude < 0x1p-37 }
        }
    }

    /// Whether a query is so long that its products with an ordinary vector may overflow.
    static func mayOverflow(_ query: [Float], _ metric: VectorMetric) -> Bool {
        metric == .dot && query.contains { $0.magnitude >= 0x1p63 }
    }
}
#endif
