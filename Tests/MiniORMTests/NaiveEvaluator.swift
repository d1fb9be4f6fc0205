import MiniORM

/// A second evaluator of filters, written from the contract's words alone and in another way than the library's:
/// values are turned into a normal form, so that equality is equality of text, and numbers into whole numbers times a
/// power of two, so that their order is one of integers.
enum NaiveEvaluator {
    static func matches(_ filter: VectorFilter, _ payload: [String: PayloadValue]?) -> Bool {
        switch filter {
        case .compare(let path, .equal, let operand): isEqual(value(path, payload), operand)
        case .compare(let path, .notEqual, let operand): !isEqual(value(path, payload), operand)
        case .compare(let path, let comparison, let operand):
            isOrdered(value(path, payload), operand, comparison)
        case .isIn(let path, let operands): operands.reduce(false) { $0 || isEqual(value(path, payload), $1) }
        case .contains(let path, let operand):
            if case .array(let elements) = value(path, payload) {
                elements.map(normal).contains(normal(operand))
            } else {
                false
            }
        case .exists(let path): normal(value(path, payload)) != "null"
        case .and(let terms): terms.map { matches($0, payload) }.reduce(true) { $0 && $1 }
        case .or(let terms): terms.map { matches($0, payload) }.reduce(false) { $0 || $1 }
        case .not(let term): !matches(term, payload)
        }
    }

    /// What is at a path; null where nothing is.
    private static func value(_ path: FieldPath, _ payload: [String: PayloadValue]?) -> PayloadValue {
        var value: PayloadValue = payload.map { .object($0) } ?? .null
        for part in path.parts {
            guard case .object(let members) = value else { return .null }
            value = members.first { Array($0.key.utf8) == Array(part.utf8) }?.value ?? .null
        }
        return value
    }

    private static func isEqual(_ lhs: PayloadValue, _ rhs: PayloadValue) -> Bool { normal(lhs) == normal(rhs) }

    /// Equal values, and only those, have equal text.
    private static func normal(_ value: PayloadValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let value): value ? "yes" : "no"
        case .int, .double: Number(value).map { "\($0.isNegative ? "-" : "+")\($0.digits)p\($0.exponent)" } ?? "?"
        case .string(let text): "\"" + Array(text.utf8).map(String.init).joined(separator: ".")
        case .array(let values): "[" + values.map { normal($0) + ";" }.joined() + "]"
        case .object(let members):
            "{" + members.map { normal(.string($0.key)) + ":" + normal($0.value) + ";" }.sorted().joined() + "}"
        case .rich: "?"
        }
    }

    private static func isOrdered(
        _ lhs: PayloadValue, _ rhs: PayloadValue, _ comparison: VectorFilter.Comparison
    ) -> Bool {
        let isLess: Bool
        if case .string(let lhs) = lhs, case .string(let rhs) = rhs {
            isLess = Array(lhs.utf8).lexicographicallyPrecedes(Array(rhs.utf8))
        } else if let lhs = Number(lhs), let rhs = Number(rhs) {
            isLess = lhs.isLess(than: rhs)
        } else {
            return false
        }
        return switch comparison {
        case .less: isLess
        case .lessOrEqual: isLess || isEqual(lhs, rhs)
        case .greater: !isLess && !isEqual(lhs, rhs)
        default: !isLess
        }
    }

    /// `digits * 2^exponent`, with odd digits (or none), so that every number has one form.
    private struct Number {
        var isNegative = false
        var digits: UInt64 = 0
        var exponent = 0

        init?(_ value: PayloadValue) {
            switch value {
            case .int(let value):
                isNegative = value < 0
                digits = value.magnitude
            case .double(let value):
                if value == 0 { break }
                isNegative = value < 0
                // A subnormal number has the exponent of the least normal one.
                let isNormal = value.isNormal
                digits = value.significandBitPattern + (isNormal ? 1 << 52 : 0)
                exponent = Int(isNormal ? value.exponentBitPattern : 1) - 1023 - 52
            default: return nil
            }
            if digits == 0 { return }
            exponent += digits.trailingZeroBitCount
            digits >>= digits.trailingZeroBitCount
        }

        func isLess(than other: Number) -> Bool {
            if digits == 0 { return other.digits != 0 && !other.isNegative }
            if other.digits == 0 || isNegative != other.isNegative { return isNegative }
            let (lower, upper) = isNegative ? (other, self) : (self, other)
            // The place of the highest bit decides; in the same place, the digits below it.
            let tops = [lower, upper].map { $0.exponent - $0.digits.leadingZeroBitCount }
            if tops[0] != tops[1] { return tops[0] < tops[1] }
            return lower.digits << lower.digits.leadingZeroBitCount < upper.digits << upper.digits.leadingZeroBitCount
        }
    }
}
