// Filters on payloads as filters on stored text.

extension JsonVectorPayloadCodec {
    /// The filter on stored forms with exactly the meaning of the given one.
    ///
    /// Throws ``VectorStoreError/Code/unsupportedFilter`` where stored text cannot answer it, and says why.
    public func encode(_ filter: VectorFilter) throws(VectorStoreError) -> VectorFilter {
        switch filter {
        case .compare(let path, let comparison, let operand):
            try check(path)
            return switch comparison {
            case .equal, .notEqual: try equality(path, comparison, operand)
            case .less, .lessOrEqual, .greater, .greaterOrEqual: try order(path, comparison, operand)
            }
        case .isIn(let path, let operands):
            try check(path)
            var stored: [PayloadValue] = []
            for operand in operands { stored += try storedOperands(operand, path) }
            return .isIn(path, stored)
        case .contains(let path, _):
            throw unsupported(path, "contains would have to look inside the text")
        case .exists(let path):
            try check(path)
            return filter
        case .and(let terms): return .and(try encode(terms))
        case .or(let terms): return .or(try encode(terms))
        case .not(let term): return .not(try encode(term))
        }
    }

    private func encode(_ terms: [VectorFilter]) throws(VectorStoreError) -> [VectorFilter] {
        var encoded: [VectorFilter] = []
        for term in terms { encoded.append(try encode(term)) }
        return encoded
    }

    private func check(_ path: FieldPath) throws(VectorStoreError) {
        guard path.parts.count == 1 else { throw unsupported(path, "a path would have to look inside the text") }
    }

    private func equality(
        _ path: FieldPath, _ comparison: VectorFilter.Comparison, _ operand: PayloadValue
    ) throws(VectorStoreError) -> VectorFilter {
        let stored = try storedOperands(operand, path)
        if stored.count == 1 { return .compare(path, comparison, stored[0]) }
        return comparison == .equal ? .isIn(path, stored) : .not(.isIn(path, stored))
    }

    /// The stored forms of an operand of an equality, which all values that equal it share.
    private func storedOperands(_ operand: PayloadValue, _ path: FieldPath) throws(VectorStoreError) -> [PayloadValue] {
        guard operand.hasOneText(inRich: false) else {
            throw unsupported(path, "it holds a number, and equal numbers (1 and 1.0) have different texts")
        }
        do { return try storedForms(operand, .unsupportedFilter) } catch { throw unsupported(path, error.message) }
    }

    /// An order between numbers, which are stored as they are, or texts.
    private func order(
        _ path: FieldPath, _ comparison: VectorFilter.Comparison, _ operand: PayloadValue
    ) throws(VectorStoreError) -> VectorFilter {
        let filter = VectorFilter.compare(path, comparison, operand)
        switch operand {
        case .null, .bool, .int, .double: return filter
        case .string(let text):
            let operand = UTF8Key(text)
            guard operand < TaggedRange.all.lower || !(operand < TaggedRange.all.upper) else {
                throw unsupported(path, "text that begins with \(PayloadTag.prefix.quoted) is stored escaped")
            }
            let isBelow = operand < TaggedRange.all.lower
            let reachesTagged = isBelow == (comparison == .greater || comparison == .greaterOrEqual)
            // All tagged text is on one side of the operand, and so is all text that begins with the prefix and is
            // stored escaped: the former is no text to the user, the latter is.
            return reachesTagged
                ? .and([filter, .or(TaggedRange.all.outside(path) + [TaggedRange.escaped.inside(path)])])
                : filter
        case .array, .object, .rich:
            throw unsupported(path, "texts of such values have no order that means anything")
        }
    }

    private func unsupported(_ path: FieldPath, _ reason: String) -> VectorStoreError {
        let field = path.parts.joined(separator: ".").quoted
        return VectorStoreError(
            .unsupportedFilter, "nested and rich values are stored as text by this codec; at \(field): \(reason)")
    }
}

/// The texts that begin with a given one.
private struct TaggedRange {
    let lower: UTF8Key
    let upper: UTF8Key

    /// All tagged text; a semicolon follows a colon.
    static let all = Self(lower: UTF8Key("__miniorm_json__:"), upper: UTF8Key("__miniorm_json__;"))
    /// Escaped text alone, as the key of the tag sorts first in `{"__miniorm_codec__":"str","value":…}` and an object
    /// of the user's is tagged `dict`; a number sign follows a quotation mark.
    static let escaped = Self(
        lower: UTF8Key(#"__miniorm_json__:{"__miniorm_codec__":"str""#),
        upper: UTF8Key(#"__miniorm_json__:{"__miniorm_codec__":"str#"#))

    func inside(_ path: FieldPath) -> VectorFilter {
        .and([.compare(path, .greaterOrEqual, .string(lower.string)), .compare(path, .less, .string(upper.string))])
    }

    func outside(_ path: FieldPath) -> [VectorFilter] {
        [.compare(path, .less, .string(lower.string)), .compare(path, .greaterOrEqual, .string(upper.string))]
    }
}

extension PayloadValue {
    /// Whether all values that a filter finds equal have the same text.
    ///
    /// Rich values are equal when they are the same, type of number included: only the two zeros are left.
    fileprivate func hasOneText(inRich isInRich: Bool, isNested: Bool = false) -> Bool {
        switch self {
        case .null, .bool, .string: true
        case .int: isInRich || !isNested
        case .double(let number): isInRich ? number != 0 : !isNested
        case .array(let values): values.allSatisfy { $0.hasOneText(inRich: isInRich, isNested: true) }
        case .object(let members): members.values.allSatisfy { $0.hasOneText(inRich: isInRich, isNested: true) }
        case .rich(.tuple(let values)): values.allSatisfy { $0.hasOneText(inRich: true, isNested: true) }
        case .rich(.set(let values)): values.allSatisfy { $0.hasOneText(inRich: true, isNested: true) }
        case .rich(.enumeration(_, let rawValue)): rawValue.hasOneText(inRich: true, isNested: true)
        case .rich: true
        }
    }
}
