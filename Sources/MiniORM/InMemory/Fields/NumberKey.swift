/// An integer or a double, ordered by value: exactly, also where a double cannot hold the integer.
///
/// The nearest double, and for an integer what that is off by. Rounding keeps the order, so two numbers compare by their
/// nearest doubles first.
struct NumberKey: Sendable, Hashable, Comparable {
    private let nearest: Double
    private let excess: Int16

    init(_ value: Int64) {
        nearest = Double(value)
        // The nearest double of an integer is at most 512 off; 2^63 itself is no Int64.
        let excess = nearest == 0x1p63 ? (value &- .max) &- 1 : value &- Int64(nearest)
        self.excess = Int16(truncatingIfNeeded: excess)
    }

    /// `nil` for NaN, which compares with nothing.
    init?(_ value: Double) {
        guard !value.isNaN else { return nil }
        // Both zeros are one number.
        nearest = value == 0 ? 0 : value
        excess = 0
    }

    static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.nearest != rhs.nearest ? lhs.nearest < rhs.nearest : lhs.excess < rhs.excess
    }
}
