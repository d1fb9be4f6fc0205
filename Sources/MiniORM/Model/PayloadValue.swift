/// A value in a payload or a filter. Literals convert:
///
/// ```swift
/// let payload: [String: PayloadValue] = ["name": "alice", "age": 42, "tags": ["a", "b"], "score": 0.5]
/// ```
///
/// Every store returns what it was given, types included: `.int(1)` is not `.double(1)`. (A filter, on the other
/// hand, compares numbers by value; see ``VectorFilter``.)
public indirect enum PayloadValue: Sendable {
    /// No value. A field that holds null counts as absent in a filter.
    case null
    /// True or false; never a number.
    case bool(Bool)
    /// An integer of 64 bits.
    case int(Int64)
    /// A finite floating-point number.
    case double(Double)
    /// Text, compared by its UTF-8 bytes.
    case string(String)
    /// Values in order.
    case array([PayloadValue])
    /// Named values.
    case object([String: PayloadValue])
    /// A value that JSON has no form for. Only a codec that knows it (``JsonVectorPayloadCodec``) lets it reach a
    /// store, in another form: a ``VectorStorePort`` never sees this case.
    case rich(RichPayloadValue)
}

extension PayloadValue: Hashable {
    /// Equal type and value, strings by their UTF-8 bytes.
    public static func == (lhs: Self, rhs: Self) -> Bool {
        switch (lhs, rhs) {
        case (.null, .null): true
        case (.bool(let lhs), .bool(let rhs)): lhs == rhs
        case (.int(let lhs), .int(let rhs)): lhs == rhs
        case (.double(let lhs), .double(let rhs)): lhs == rhs
        case (.string(let lhs), .string(let rhs)): UTF8Key(lhs) == UTF8Key(rhs)
        case (.array(let lhs), .array(let rhs)): lhs == rhs
        case (.object(let lhs), .object(let rhs)): Self.sameMembers(lhs, rhs) { $0 == $1 }
        case (.rich(let lhs), .rich(let rhs)): lhs == rhs
        default: false
        }
    }

    /// Hashes type and value.
    public func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .bool(let value): hasher.combine(value)
        case .int(let value): hasher.combine(value)
        case .double(let value): hasher.combine(value)
        case .string(let value): hasher.combine(UTF8Key(value))
        case .array(let values): hasher.combine(values)
        case .object(let members): hasher.combine(members)
        case .rich(let value): hasher.combine(value)
        }
    }

    /// Whether two objects have the same keys, byte for byte, and the same values under a comparison.
    package static func sameMembers(
        _ lhs: [String: PayloadValue], _ rhs: [String: PayloadValue], by same: (PayloadValue, PayloadValue) -> Bool
    ) -> Bool {
        guard lhs.count == rhs.count else { return false }
        for (key, value) in lhs {
            guard let index = rhs.index(forKey: key), UTF8Key(rhs[index].key) == UTF8Key(key),
                same(value, rhs[index].value)
            else { return false }
        }
        return true
    }
}

extension PayloadValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// ``null``.
    public init(nilLiteral: ()) { self = .null }
    /// ``bool(_:)``.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// ``int(_:)``.
    public init(integerLiteral value: Int64) { self = .int(value) }
    /// ``double(_:)``.
    public init(floatLiteral value: Double) { self = .double(value) }
    /// ``string(_:)``.
    public init(stringLiteral value: String) { self = .string(value) }
    /// ``array(_:)``.
    public init(arrayLiteral elements: PayloadValue...) { self = .array(elements) }
    /// ``object(_:)``; of two equal keys the last one counts.
    public init(dictionaryLiteral elements: (String, PayloadValue)...) {
        self = .object(Dictionary(elements) { $1 })
    }
}

extension PayloadValue {
    /// Whether this is ``null``.
    public var isNull: Bool { if case .null = self { true } else { false } }
    /// The truth value of ``bool(_:)``.
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The integer of ``int(_:)``, where it fits `Int`.
    public var intValue: Int? { if case .int(let value) = self { Int(exactly: value) } else { nil } }
    /// The number of ``double(_:)`` or ``int(_:)``, the latter rounded where a double cannot hold it.
    public var doubleValue: Double? {
        switch self {
        case .double(let value): value
        case .int(let value): Double(value)
        default: nil
        }
    }
    /// The text of ``string(_:)``.
    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    /// The elements of ``array(_:)``.
    public var arrayValue: [PayloadValue]? { if case .array(let values) = self { values } else { nil } }
    /// The members of ``object(_:)``.
    public var objectValue: [String: PayloadValue]? { if case .object(let members) = self { members } else { nil } }
    /// The value of ``rich(_:)``.
    public var richValue: RichPayloadValue? { if case .rich(let value) = self { value } else { nil } }
}

/// What converts to a ``PayloadValue``, so that variables are as easy to use in filters as literals.
public protocol PayloadValueConvertible {
    /// The value as a payload value.
    var payloadValue: PayloadValue { get }
}

extension PayloadValue: PayloadValueConvertible {
    /// Itself.
    public var payloadValue: PayloadValue { self }
}
extension Bool: PayloadValueConvertible {
    /// ``PayloadValue/bool(_:)``.
    public var payloadValue: PayloadValue { .bool(self) }
}
extension Int: PayloadValueConvertible {
    /// ``PayloadValue/int(_:)``.
    public var payloadValue: PayloadValue { .int(Int64(self)) }
}
extension Int32: PayloadValueConvertible {
    /// ``PayloadValue/int(_:)``.
    public var payloadValue: PayloadValue { .int(Int64(self)) }
}
extension Int64: PayloadValueConvertible {
    /// ``PayloadValue/int(_:)``.
    public var payloadValue: PayloadValue { .int(self) }
}
extension Float: PayloadValueConvertible {
    /// ``PayloadValue/double(_:)``.
    public var payloadValue: PayloadValue { .double(Double(self)) }
}
extension Double: PayloadValueConvertible {
    /// ``PayloadValue/double(_:)``.
    public var payloadValue: PayloadValue { .double(self) }
}
extension String: PayloadValueConvertible {
    /// ``PayloadValue/string(_:)``.
    public var payloadValue: PayloadValue { .string(self) }
}
extension Substring: PayloadValueConvertible {
    /// ``PayloadValue/string(_:)``.
    public var payloadValue: PayloadValue { .string(String(self)) }
}
extension Array: PayloadValueConvertible where Element: PayloadValueConvertible {
    /// ``PayloadValue/array(_:)``.
    public var payloadValue: PayloadValue { .array(map(\.payloadValue)) }
}
extension Dictionary: PayloadValueConvertible where Key == String, Value: PayloadValueConvertible {
    /// ``PayloadValue/object(_:)``.
    public var payloadValue: PayloadValue { .object(mapValues(\.payloadValue)) }
}
extension Optional: PayloadValueConvertible where Wrapped: PayloadValueConvertible {
    /// The wrapped value, or ``PayloadValue/null``.
    public var payloadValue: PayloadValue { self?.payloadValue ?? .null }
}
