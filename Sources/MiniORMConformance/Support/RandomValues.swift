package import MiniORM

/// A generator whose numbers are the same everywhere for a seed (SplitMix64, Steele, Lea and Flood 2014).
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// A generator.
    package init(seed: UInt64) { state = seed }

    /// The next number.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Payloads and filters out of few keys and values, so that they meet, and of those that are hard to get right.
package struct RandomValues: Sendable {
    /// Where the values come from.
    package var generator: SeededGenerator

    /// Values by a seed.
    package init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// Numbers near the ends of what integers and doubles hold.
    package static let numbers: [PayloadValue] = [
        0, 1, -1, 2, 5, .int(.max), .int(.min), .int(.max - 1), .int(.min + 1), 9_007_199_254_740_991,
        9_007_199_254_740_992, 9_007_199_254_740_993, -9_007_199_254_740_993, 0.0, -0.0, 1.0, 1.5, -1.5, 5.0,
        9_007_199_254_740_992.0, 9_007_199_254_740_994.0, 0x1p63, -0x1p63, 0x1.fffffffffffffp62, 1e300, -1e300,
        .double(.leastNonzeroMagnitude),
        0.1, 0.5,
    ]

    /// Strings that differ by a little, or only in their bytes.
    package static let strings: [String] = [
        "", "a", "A", "b", "ab", "1", "true", "null", "caf\u{e9}", "cafe\u{301}", "\u{212b}", "\u{e5}", "é", "日本",
        "👩‍👩‍👧", "\u{ffff}", "\u{10000}", "it's", "\"", "\\", "a\nb", "%", "_", "'; DROP TABLE records; --",
        "{\"$ne\": null}", "$where", "x' OR '1'='1", "${7*7}", "a\u{0}b",
    ]

    /// Keys that stand for something in one engine's language or another's.
    package static let keys: [[String]] = [
        ["a"], ["b"], ["n"], ["o"], ["o", "a"], ["o", "b"], ["o", "o", "a"], ["a.b"], ["$or"], ["#k"], [""],
        ["it's"], ["\"q\""], ["__proto__"], ["a b"], ["caf\u{e9}"], ["x; DROP TABLE records"], ["*"], ["k[0]"], ["?"],
        [":a"], ["\\"],
    ]

    private mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: elements.indices, using: &generator)]
    }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }

    /// A vector with components between -1 and 1.
    package mutating func vector(_ dimension: Int) -> [Float] {
        (0..<dimension).map { _ in Float.random(in: -1...1, using: &generator) }
    }

    /// A value, nested at the most so deep.
    package mutating func value(depth: Int = 2) -> PayloadValue {
        switch Int.random(in: 0..<(depth > 0 ? 12 : 9), using: &generator) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &generator))
        case 2...4: return pick(Self.numbers)
        case 5: return .int(Int64.random(in: -3...3, using: &generator))
        case 6...8: return .string(pick(Self.strings))
        case 9, 10: return .array((0..<Int.random(in: 0...3, using: &generator)).map { _ in value(depth: depth - 1) })
        default:
            var members: [String: PayloadValue] = [:]
            for key in ["a", "b", "o"] where chance(50) { members[key] = value(depth: depth - 1) }
            return .object(members)
        }
    }

    /// A payload, or none.
    package mutating func payload() -> [String: PayloadValue]? {
        if chance(4) { return nil }
        var payload: [String: PayloadValue] = [:]
        for _ in 0..<Int.random(in: 0...6, using: &generator) { payload[pick(Self.keys)[0]] = value() }
        if chance(40) { payload["a"] = .int(Int64.random(in: -2...5, using: &generator)) }
        if chance(40) { payload["n"] = pick(Self.numbers) }
        if chance(30) { payload["o"] = ["a": value(depth: 1), "b": value(depth: 0), "o": ["a": value(depth: 0)]] }
        return payload
    }

    /// A filter, nested at the most so deep, with values from the payloads that it is meant for where there are any.
    package mutating func filter(depth: Int = 3, for payloads: [[String: PayloadValue]?] = []) -> VectorFilter {
        let path = FieldPath(parts: pick(Self.keys))
        func operand(_ values: inout Self) -> PayloadValue {
            if !payloads.isEmpty, values.chance(60), let value = path.value(in: values.pick(payloads)) {
                if case .array(let elements) = value, !elements.isEmpty, values.chance(40) {
                    return values.pick(elements)
                }
                return value
            }
            return values.value()
        }
        switch Int.random(in: 0..<(depth > 0 ? 14 : 9), using: &generator) {
        case 0...4: return .compare(path, pick(VectorFilter.Comparison.allCases), operand(&self))
        case 5, 6: return .isIn(path, (0..<Int.random(in: 0...4, using: &generator)).map { _ in operand(&self) })
        case 7: return .contains(path, operand(&self))
        case 8: return .exists(path)
        case 9, 10: return .and(terms(depth, payloads))
        case 11, 12: return .or(terms(depth, payloads))
        default: return .not(filter(depth: depth - 1, for: payloads))
        }
    }

    private mutating func terms(_ depth: Int, _ payloads: [[String: PayloadValue]?]) -> [VectorFilter] {
        (0..<Int.random(in: 0...3, using: &generator)).map { _ in filter(depth: depth - 1, for: payloads) }
    }
}
