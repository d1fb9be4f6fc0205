#if Qdrant
internal import MiniORM
internal import SwiftProtobuf

/// Filters as Qdrant has them.
///
/// Where they part from the contract's: a match or a range on a field also looks at the elements of an array in it
/// (excluded here by the path `field[]`, which reaches elements alone); an integer's match is not a double's (a range of
/// one value is both); numbers are compared as doubles (so from 2^53 on the engine only narrows, and our side decides), and
/// some doubles are kept only nearly (where a field of the filter has such, the engine only narrows);
/// an empty array is no value, and an element of an inner array one of the outer (told apart when points are written, so
/// exact in this library's collections alone); strings have no order; an index answers for values of its type alone.
///
/// Strict mode's limits are kept by pushing less.
struct FilterTranslation: Sendable {
    let collection: QdrantCollection
    /// Whether every double in the filter's fields is kept exactly.
    let isSmooth: Bool
    /// Whether fields without an index may be filtered by.
    let takesUnindexed: Bool

    /// A filter in two parts.
    struct Plan: Sendable {
        /// What the engine is asked; matches all that the filter matches, and more if something is left.
        var pushed: Qdrant_Filter?
        /// What is left for our side: evaluated on what the engine answers.
        var finished: VectorFilter?
        /// The part of the filter that the engine decides.
        var decided: VectorFilter?
        /// Whether no record can match, so that there is nothing to ask.
        var isNothing = false
    }

    func plan(_ filter: VectorFilter?) -> Plan {
        guard let filter else { return Plan() }
        let folded = filter.folded
        if case .or(let terms) = folded, terms.isEmpty { return Plan(decided: filter, isNothing: true) }
        let terms: [VectorFilter] = if case .and(let terms) = folded { terms } else { [folded] }
        var pushed = Qdrant_Filter()
        var decided: [VectorFilter] = []
        var finished: [VectorFilter] = []
        var room = collection.limits.conditionCount ?? .max
        for term in terms {
            var translated = translate(term, depth: 0)
            let count = translated?.filter.conditionCount ?? 0
            if count > room { translated = nil } else { room -= count }
            if let translated { pushed.add(translated.filter) }
            if translated?.isExact == true { decided.append(term) } else { finished.append(term) }
        }
        func whole(_ terms: [VectorFilter]) -> VectorFilter? {
            terms.isEmpty ? nil : terms.count == 1 ? terms[0] : .and(terms)
        }
        return Plan(
            pushed: pushed == Qdrant_Filter() ? nil : pushed, finished: whole(finished),
            decided: finished.isEmpty ? filter : whole(decided))
    }

    /// A path in Qdrant's syntax; `nil` for one that the syntax has no form for, that points do not mirror, or that is
    /// reserved.
    static func key(_ path: FieldPath) -> String? {
        guard path.parts.count <= PointEncoder.mirrorDepth / 2, path.parts.first != Reserved.key else { return nil }
        var keys: [String] = []
        for part in path.parts {
            let hasNoForm = part.utf8.contains { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") || $0 == 0 }
            if hasNoForm { return nil }
            keys.append(quoted(part[...]))
        }
        return keys.joined(separator: ".")
    }

    /// A key as a server tells it, written as ``key(_:)`` writes it: names that need no quotes for the one may have
    /// them for the other.
    static func canonical(_ key: String) -> String {
        var written = ""
        var rest = key.utf8[...]
        func take(_ part: Substring.UTF8View) -> Substring {
            rest = rest[part.endIndex...]
            return Substring(part)
        }
        while let first = rest.first {
            switch first {
            case UInt8(ascii: "."): written += take(rest.prefix(1))
            case UInt8(ascii: "["):
                let inner = rest.prefix { $0 != UInt8(ascii: "]") }
                written += take(inner) + take(rest[inner.endIndex...].prefix(1))
            case UInt8(ascii: "\""):
                rest = rest.dropFirst()
                written += quoted(take(rest.prefix { $0 != first }))
                rest = rest.dropFirst()
            default: written += quoted(take(rest.prefix { $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: "[") }))
            }
        }
        return written
    }

    private static func quoted(_ name: Substring) -> String {
        !name.isEmpty && name.utf8.allSatisfy(isPlain) ? String(name) : "\"\(name)\""
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private struct Translated {
        var filter: Qdrant_Filter
        var isExact = true
    }

    /// Two messages for each level, of the 100 that protobuf libraries take.
    private static let maximumDepth = 16

    private func translate(_ filter: VectorFilter, depth: Int) -> Translated? {
        guard depth <= Self.maximumDepth else { return nil }
        switch filter {
        case .compare(let path, .equal, let operand): return oneOf(path, [operand])
        case .compare(let path, .notEqual, let operand): return complement(oneOf(path, [operand]))
        case .compare(let path, let comparison, let operand): return order(path, comparison, operand)
        case .isIn(let path, let operands): return oneOf(path, operands)
        case .contains(let path, let operand): return element(path, operand)
        case .exists(let path): return complement(absent(path))
        case .and(let terms):
            var whole = Translated(filter: Qdrant_Filter())
            var isAny = terms.isEmpty
            for term in terms {
                guard let part = translate(term, depth: depth + 1) else {
                    whole.isExact = false
                    continue
                }
                isAny = true
                whole.filter.add(part.filter)
                whole.isExact = whole.isExact && part.isExact
            }
            return isAny ? whole : nil
        case .or(let terms):
            var parts: [Translated] = []
            for term in terms {
                guard let part = translate(term, depth: depth + 1) else { return nil }
                parts.append(part)
            }
            return any(parts)
        case .not(let term): return complement(translate(term, depth: depth + 1))
        }
    }

    private func complement(_ part: Translated?) -> Translated? {
        guard let part, part.isExact else { return nil }
        return Translated(filter: .with { $0.mustNot = [.filter(part.filter)] })
    }

    /// Of one part at least: what has none was folded away.
    private func any(_ parts: [Translated]) -> Translated {
        if parts.count == 1 { return parts[0] }
        return Translated(
            filter: .with { $0.should = parts.map { .filter($0.filter) } }, isExact: parts.allSatisfy(\.isExact))
    }

    private func absent(_ path: FieldPath) -> Translated? {
        guard let key = Self.key(path), takesUnindexed || collection.indexes[key] != nil else { return nil }
        return Translated(filter: .with { $0.must = [.isEmpty(key)] }, isExact: collection.isOurs)
    }

    private func oneOf(_ path: FieldPath, _ operands: [PayloadValue]) -> Translated? {
        guard let key = Self.key(path) else { return nil }
        var parts: [Translated] = []
        var texts: [String] = []
        for operand in operands {
            if operand.isNull {
                guard let absent = absent(path) else { return nil }
                parts.append(absent)
            } else if case .string(let text) = operand {
                texts.append(text)
            } else {
                guard let part = scalar(key, operand) else { return nil }
                parts.append(part)
            }
        }
        if !texts.isEmpty {
            guard takes(key, [.keyword]), texts.count <= collection.limits.valueCount ?? .max else { return nil }
            parts.append(
                Translated(
                    filter: scalarsOnly(key) { condition in
                        if texts.count == 1 {
                            condition.match.keyword = texts[0]
                        } else {
                            condition.match.keywords.strings = texts
                        }
                    }))
        }
        return any(parts)
    }

    private func scalar(_ key: String, _ operand: PayloadValue) -> Translated? {
        switch operand {
        case .bool(let value):
            guard takes(key, [.bool]) else { return nil }
            return Translated(filter: scalarsOnly(key) { $0.match.boolean = value })
        case .int, .double:
            guard takes(key, [.float]), let number = number(operand) else { return nil }
            return Translated(
                filter: scalarsOnly(key) {
                    $0.range.gte = number.low
                    $0.range.lte = number.high
                }, isExact: number.isExact)
        default: return nil
        }
    }

    private func order(_ path: FieldPath, _ comparison: VectorFilter.Comparison, _ operand: PayloadValue) -> Translated?
    {
        guard let key = Self.key(path), takes(key, [.float]), let number = number(operand) else { return nil }
        return Translated(
            filter: scalarsOnly(key) { condition in
                switch comparison {
                case .less where number.isExact: condition.range.lt = number.high
                case .less, .lessOrEqual: condition.range.lte = number.high
                case .greater where number.isExact: condition.range.gt = number.low
                default: condition.range.gte = number.low
                }
            }, isExact: number.isExact)
    }

    private func element(_ path: FieldPath, _ operand: PayloadValue) -> Translated? {
        guard let key = Self.key(path).map({ $0 + "[]" }) else { return nil }
        var condition = Qdrant_FieldCondition()
        condition.key = key
        var isExact = collection.isOurs
        switch operand {
        case .string(let text):
            guard takes(key, [.keyword]) else { return nil }
            condition.match.keyword = text
        case .bool(let value):
            guard takes(key, [.bool]) else { return nil }
            condition.match.boolean = value
        default:
            guard takes(key, [.float]), let number = number(operand) else { return nil }
            condition.range.gte = number.low
            condition.range.lte = number.high
            isExact = isExact && number.isExact
        }
        return Translated(filter: .with { $0.must = [.field(condition)] }, isExact: isExact)
    }

    /// A condition on the field's own value, and not on the elements of an array there.
    private func scalarsOnly(_ key: String, _ fill: (inout Qdrant_FieldCondition) -> Void) -> Qdrant_Filter {
        var condition = Qdrant_FieldCondition()
        fill(&condition)
        return .with {
            condition.key = key
            $0.must = [.field(condition)]
            condition.key = key + "[]"
            $0.mustNot = [.field(condition)]
        }
    }

    /// Whether no index stands in the way (one of another type may answer for its own values alone), and none is
    /// missing that strict mode asks for. Conditions on a field are on its elements too.
    private func takes(_ key: String, _ types: [Qdrant_PayloadSchemaType]) -> Bool {
        let keys = key.hasSuffix("[]") ? [key] : [key, key + "[]"]
        return keys.allSatisfy { collection.indexes[$0].map(types.contains) ?? takesUnindexed }
    }

    /// A number as the engine compares it: the ends of where it may be.
    private struct Number {
        var low: Double
        var high: Double
        /// Whether the engine's comparison is the filter's.
        var isExact: Bool
    }

    private func number(_ operand: PayloadValue) -> Number? {
        let value: Double
        switch operand {
        case .int(let number): value = Double(number)
        case .double(let number): value = number + 0
        default: return nil
        }
        // From 2^53 on, several integers are one double.
        var number = Number(low: value, high: value, isExact: isSmooth && abs(value) < 0x1p53)
        if !isSmooth { for _ in 0..<4 { (number.low, number.high) = (number.low.nextDown, number.high.nextUp) } }
        return number
    }
}

extension VectorFilter {
    /// The fields that the filter compares with a number.
    var numberFields: [FieldPath] {
        func isNumber(_ value: PayloadValue) -> Bool {
            switch value {
            case .int, .double: true
            default: false
            }
        }
        switch self {
        case .compare(let path, _, let value), .contains(let path, let value): return isNumber(value) ? [path] : []
        case .isIn(let path, let values): return values.contains(where: isNumber) ? [path] : []
        case .exists: return []
        case .and(let terms), .or(let terms): return terms.flatMap(\.numberFields)
        case .not(let term): return term.numberFields
        }
    }

    /// The same filter without parts that match everything or nothing, unless it is such a part as a whole: `.and([])`
    /// or `.or([])`.
    var folded: VectorFilter {
        switch self {
        case .isIn(_, let operands) where operands.isEmpty: return .or([])
        case .not(let term):
            switch term.folded {
            case .and([]): return .or([])
            case .or([]): return .and([])
            case let term: return .not(term)
            }
        case .and(let terms):
            let terms = terms.map(\.folded)
            if terms.contains(.or([])) { return .or([]) }
            return .and(terms.filter { $0 != .and([]) })
        case .or(let terms):
            let terms = terms.map(\.folded)
            if terms.contains(.and([])) { return .and([]) }
            return .or(terms.filter { $0 != .or([]) })
        default: return self
        }
    }
}

extension Qdrant_Filter {
    /// How many conditions there are, as strict mode counts them.
    fileprivate var conditionCount: Int {
        (must + mustNot + should).reduce(0) { count, condition in
            if case .filter(let filter)? = condition.conditionOneOf { return count + filter.conditionCount }
            return count + 1
        }
    }
}

extension Qdrant_Filter {
    /// Both filters.
    fileprivate mutating func add(_ other: Qdrant_Filter) {
        if other.should.isEmpty {
            must += other.must
            mustNot += other.mustNot
        } else {
            must.append(.filter(other))
        }
    }
}

extension Qdrant_Condition {
    fileprivate static func filter(_ filter: Qdrant_Filter) -> Self { .with { $0.filter = filter } }
    fileprivate static func field(_ field: Qdrant_FieldCondition) -> Self { .with { $0.field = field } }
    fileprivate static func isEmpty(_ key: String) -> Self { .with { $0.isEmpty.key = key } }
}
#endif
