#if Chroma
internal import MiniORM

/// A number as a 64-bit integer of the same order, which is the form in which the server keeps it exactly: it reads
/// the text of a double to within a unit of its last place only, and compares a double with integers by its whole part.
enum OrderedNumber {
    /// The key of a number; `nil` for what is none.
    ///
    /// An integer beyond 2^53 has the key of the nearest double, so that different numbers can share a key, but never
    /// change places.
    static func key(_ value: PayloadValue) -> Int64? {
        switch value {
        case .int(let value): key(Double(value))
        case .double(let value) where value.isFinite: key(value)
        default: nil
        }
    }

    /// Whether no other number has this one's key.
    static func isExact(_ value: PayloadValue) -> Bool {
        switch value {
        case .int(let value): value.magnitude < 1 << 53
        case .double(let value): value.magnitude < 0x1p53
        default: false
        }
    }

    private static func key(_ value: Double) -> Int64 {
        // Both zeros are the same number.
        if value == 0 { return 0 }
        let magnitude = Int64(bitPattern: value.magnitude.bitPattern)
        return value < 0 ? -magnitude : magnitude
    }
}
#endif
