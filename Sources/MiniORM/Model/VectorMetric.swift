/// How two vectors are compared. Scores are higher for better matches, whatever the metric.
public enum VectorMetric: String, Sendable, Hashable, Codable, CaseIterable {
    /// The cosine of the angle between the vectors, in `[-1, 1]`; 0 if either vector is zero.
    case cosine
    /// The dot product.
    case dot
    /// Minus the Euclidean distance (not squared), so at most 0.
    case l2
}

extension VectorMetric: LosslessStringConvertible {
    /// A metric by its name: surrounding white space and letter case do not matter, and `euclid` is another
    /// name for `l2`. `nil` for any other text.
    public init?(_ description: String) {
        var name = description[...]
        while let first = name.first, first.isWhitespace { name.removeFirst() }
        while let last = name.last, last.isWhitespace { name.removeLast() }
        switch name.lowercased() {
        case "cosine": self = .cosine
        case "dot": self = .dot
        case "l2", "euclid": self = .l2
        default: return nil
        }
    }

    /// The canonical name: `cosine`, `dot` or `l2`.
    public var description: String { rawValue }
}
