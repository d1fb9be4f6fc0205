/// A number as JSON writes it, and the quick ways from it to a binary number that are correctly rounded.
struct JSONDecimal {
    var isNegative = false
    /// No point and no exponent.
    var isInteger = true
    /// All digits fit ``significand``.
    var isExact = true
    var significand: UInt64 = 0
    /// The value is `significand * 10^exponent`, if ``isExact``.
    var exponent = 0

    mutating func append(_ digit: UInt64) {
        let (tens, overflow) = significand.multipliedReportingOverflow(by: 10)
        let (sum, carry) = tens.addingReportingOverflow(digit)
        if overflow || carry { isExact = false } else { significand = sum }
    }

    mutating func appendFraction(_ digit: UInt64) {
        append(digit)
        exponent -= 1
    }

    /// The nearest double, where both factors are doubles themselves, so that one operation rounds once (Clinger,
    /// "How to read floating point numbers accurately", 1990); `nil` where it takes more.
    var double: Double? {
        guard isExact, significand <= 1 << 53, (-22...22).contains(exponent) else { return nil }
        return signed(scaled)
    }

    /// The nearest float; `nil` where it takes more.
    ///
    /// Computed as a double, whose error is some units of its last place at most, three from rounding the
    /// significand, the power of ten and the quotient. Unless a midpoint between two floats lies that near, the
    /// number and the double round to the same float.
    var float: Float? {
        if significand == 0, isExact { return isNegative ? -0.0 : 0 }
        guard isExact, (-Self.powersOfTen.count + 1..<Self.powersOfTen.count).contains(exponent) else { return nil }
        let value = scaled
        // Outside the normal floats, midpoints lie elsewhere.
        guard value >= 0x1p-126, value < 0x1p127 else { return nil }
        let beyondFloat = Int(value.bitPattern & 0x1FFF_FFFF)
        guard abs(beyondFloat - 0x1000_0000) > 8 else { return nil }
        return Float(signed(value))
    }

    private func signed(_ value: Double) -> Double { isNegative ? -value : value }

    private var scaled: Double {
        let value = Double(significand)
        return exponent < 0 ? value / Self.powersOfTen[-exponent] : value * Self.powersOfTen[exponent]
    }

    /// 10^0 to 10^22 are exact, the others rounded.
    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37,
        1e38, 1e39, 1e40,
    ]
}
