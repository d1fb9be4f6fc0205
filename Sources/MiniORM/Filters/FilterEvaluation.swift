// The specification of filters, in code.

extension VectorFilter {
    /// Whether a payload matches. This is what a filter means, on every engine.
    public func matches(_ payload: [String: PayloadValue]?) -> Bool {
        switch self {
        case .compare(let path, let comparison, let operand):
            let value = path.value(in: payload)
            return switch comparison {
            case .equal: Self.equal(value, operand)
            case .notEqual: !Self.equal(value, operand)
            case .less: value?.order(to: operand).map { $0 < 0 } ?? false
            case .lessOrEqual: value?.order(to: operand).map { $0 <= 0 } ?? false
            case .greater: value?.order(to: operand).map { $0 > 0 } ?? false
            case .greaterOrEqual: value?.order(to: operand).map { $0 >= 0 } ?? false
            }
        case .isIn(let path, let operands):
            let value = path.value(in: payload)
            return operands.contains { Self.equal(value, $0) }
        case .contains(let path, let operand):
            guard case .array(let elements)? = path.value(in: payload) else { return false }
            return elements.contains { $0.isEqual(to: operand) }
        case .exists(let path):
            return path.value(in: payload) != nil
        case .and(let terms):
            return terms.allSatisfy { $0.matches(payload) }
        case .or(let terms):
            return terms.contains { $0.matches(payload) }
        case .not(let term):
            return !term.matches(payload)
        }
    }

    private static func equal(_ value: PayloadValue?, _ operand: PayloadValue) -> Bool {
        guard let value else { return operand.isNull }
        return value.isEqual(to: operand)
    }
}

extension PayloadValue {
    /// Equality as filters have it: numbers by value, whatever their type; arrays and objects by what they hold.
    public func isEqual(to other: PayloadValue) -> Bool {
        switch (self, other) {
        case (.null, .null): true
        case (.bool(let lhs), .bool(let rhs)): lhs == rhs
        case (.int, .int), (.int, .double), (.double, .int), (.double, .double), (.string, .string):
            order(to: other) == 0
        case (.array(let lhs), .array(let rhs)):
            lhs.count == rhs.count && zip(lhs, rhs).allSatisfy { $0.isEqual(to: $1) }
        case (.object(let lhs), .object(let rhs)): Self.sameMembers(lhs, rhs) { $0.isEqual(to: $1) }
        case (.rich(let lhs), .rich(let rhs)): lhs == rhs
        default: false
        }
    }

    /// The order between two numbers or two strings (negative, zero or positive); `nil` where there is none.
    func order(to other: PayloadValue) -> Int? {
        switch (self, other) {
        case (.int(let lhs), .int(let rhs)): lhs < rhs ? -1 : lhs > rhs ? 1 : 0
        case (.double(let lhs), .double(let rhs)): Self.order(lhs, rhs)
        case (.int(let lhs), .double(let rhs)): Self.order(lhs, rhs)
        case (.double(let lhs), .int(let rhs)): Self.order(rhs, lhs).map { -$0 }
        case (.string(let lhs), .string(let rhs)): UTF8Key(lhs).order(to: UTF8Key(rhs))
        default: nil
        }
    }

    private static func order(_ lhs: Double, _ rhs: Double) -> Int? {
        lhs < rhs ? -1 : lhs > rhs ? 1 : lhs == rhs ? 0 : nil
    }

    /// Exact, also where a double cannot hold the integer.
    private static func order(_ lhs: Int64, _ rhs: Double) -> Int? {
        if rhs.isNaN { return nil }
        // 2^63 and -2^63 are doubles; all that is between them truncates to an Int64.
        if rhs >= 0x1p63 { return -1 }
        if rhs < -0x1p63 { return 1 }
        let whole = Int64(rhs)
        if lhs != whole { return lhs < whole ? -1 : 1 }
        let fraction = rhs - rhs.rounded(.towardZero)
        return fraction > 0 ? -1 : fraction < 0 ? 1 : 0
    }
}
