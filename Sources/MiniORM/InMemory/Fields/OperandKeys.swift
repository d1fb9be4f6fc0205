/// The operands of `==`, `in` or `contains`, by type, as an index looks them up.
struct OperandKeys: Sendable {
    private(set) var hasNull = false
    private(set) var hasTrue = false
    private(set) var hasFalse = false
    private(set) var numbers: [NumberKey] = []
    private(set) var texts: [UTF8Key] = []
    /// Operands that an index knows by their type alone.
    private(set) var hasLongText = false
    private(set) var hasArray = false
    private(set) var hasOther = false

    /// Texts with more bytes are not told apart by an index.
    static let longestText = 128

    static func isLong(_ text: String) -> Bool { text.utf8.count > longestText }

    init(_ operands: [PayloadValue]) {
        for operand in operands {
            switch operand {
            case .null: hasNull = true
            case .bool(true): hasTrue = true
            case .bool(false): hasFalse = true
            case .int(let value): numbers.append(NumberKey(value))
            case .double(let value): if let key = NumberKey(value) { numbers.append(key) }
            case .string(let text) where Self.isLong(text): hasLongText = true
            case .string(let text): texts.append(UTF8Key(text))
            case .array: hasArray = true
            case .object, .rich: hasOther = true
            }
        }
        numbers = Self.distinct(numbers)
        texts = Self.distinct(texts)
    }

    private static func distinct<Key: Comparable>(_ keys: [Key]) -> [Key] {
        var distinct: [Key] = []
        for key in keys.sorted() where distinct.last != key { distinct.append(key) }
        return distinct
    }
}
