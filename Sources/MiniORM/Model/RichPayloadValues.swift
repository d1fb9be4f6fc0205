#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

extension RichPayloadValue {
    /// Equal kind and value, strings by their UTF-8 bytes.
    public static func == (lhs: Self, rhs: Self) -> Bool {
        switch (lhs, rhs) {
        case (.date(let lhs), .date(let rhs)): lhs == rhs
        case (.calendarDate(let lhs), .calendarDate(let rhs)): UTF8Key(lhs) == UTF8Key(rhs)
        case (.timeOfDay(let lhs), .timeOfDay(let rhs)): UTF8Key(lhs) == UTF8Key(rhs)
        case (.decimal(let lhs), .decimal(let rhs)): lhs == rhs
        case (.uuid(let lhs), .uuid(let rhs)): lhs == rhs
        case (.data(let lhs), .data(let rhs)): lhs == rhs
        case (.set(let lhs), .set(let rhs)): lhs == rhs
        case (.tuple(let lhs), .tuple(let rhs)): lhs == rhs
        case (.enumeration(let lhsType, let lhs), .enumeration(let rhsType, let rhs)):
            UTF8Key(lhsType) == UTF8Key(rhsType) && lhs == rhs
        default: false
        }
    }

    /// Hashes the value.
    public func hash(into hasher: inout Hasher) {
        switch self {
        case .date(let value): hasher.combine(value)
        case .calendarDate(let value), .timeOfDay(let value): hasher.combine(UTF8Key(value))
        case .decimal(let value): hasher.combine(value)
        case .uuid(let value): hasher.combine(value)
        case .data(let value): hasher.combine(value)
        case .set(let values): hasher.combine(values)
        case .tuple(let values): hasher.combine(values)
        case .enumeration(let type, let rawValue):
            hasher.combine(UTF8Key(type))
            hasher.combine(rawValue)
        }
    }
}

// Made from Swift's types.
extension PayloadValue {
    /// A point in time, between the years 1 and 9999; ``JsonVectorPayloadCodec`` keeps it to the microsecond.
    public static func date(_ date: Date) -> PayloadValue { .rich(.date(date)) }
    /// A day of the calendar, as ISO 8601 text: `2026-11-23`.
    public static func calendarDate(_ text: String) -> PayloadValue { .rich(.calendarDate(text)) }
    /// A time of day, as ISO 8601 text: `13:45:00.5`, with an offset or without.
    public static func timeOfDay(_ text: String) -> PayloadValue { .rich(.timeOfDay(text)) }
    /// A decimal number, exact.
    public static func decimal(_ number: Decimal) -> PayloadValue { .rich(.decimal(number)) }
    /// A UUID.
    public static func uuid(_ uuid: UUID) -> PayloadValue { .rich(.uuid(uuid)) }
    /// Bytes.
    public static func data(_ data: Data) -> PayloadValue { .rich(.data(data)) }
    /// Values without order; repeats count once.
    public static func set(_ values: some Sequence<PayloadValue>) -> PayloadValue { .rich(.set(Set(values))) }
    /// A fixed number of values in order.
    public static func tuple(_ values: [PayloadValue]) -> PayloadValue { .rich(.tuple(values)) }

    /// A case of an enumeration with text for raw values. One of a private or local type has to be registered by a name
    /// with ``JsonVectorPayloadCodec`` to be stored.
    public static func enumeration<E: RawRepresentable>(_ value: E) -> PayloadValue where E.RawValue == String {
        .rich(.enumeration(type: typeName(of: E.self), rawValue: .string(value.rawValue)))
    }

    /// A case of an enumeration with integers for raw values. One beyond `Int64.max` is kept as the negative number
    /// with the same bits.
    public static func enumeration<E: RawRepresentable>(_ value: E) -> PayloadValue
    where E.RawValue: FixedWidthInteger {
        .rich(.enumeration(type: typeName(of: E.self), rawValue: .int(Int64(truncatingIfNeeded: value.rawValue))))
    }

    /// The name by which ``enumeration(_:)-(E)`` knows a type: with its module and what it is nested in.
    static func typeName(of type: (some Any).Type) -> String { String(reflecting: type) }

    /// Whether a type's name holds for this process alone: Swift names what a private or local type is in by an address.
    static func isOfThisProcess(typeName: String) -> Bool { typeName.contains("(unknown context at ") }
}

// Read as Swift's types.
extension PayloadValue {
    /// The point in time of a date.
    public var dateValue: Date? { if case .rich(.date(let date)) = self { date } else { nil } }
    /// The ISO 8601 text of a day of the calendar.
    public var calendarDateValue: String? { if case .rich(.calendarDate(let text)) = self { text } else { nil } }
    /// The ISO 8601 text of a time of day.
    public var timeOfDayValue: String? { if case .rich(.timeOfDay(let text)) = self { text } else { nil } }
    /// The number of a decimal.
    public var decimalValue: Decimal? { if case .rich(.decimal(let number)) = self { number } else { nil } }
    /// The UUID.
    public var uuidValue: UUID? { if case .rich(.uuid(let uuid)) = self { uuid } else { nil } }
    /// The bytes.
    public var dataValue: Data? { if case .rich(.data(let data)) = self { data } else { nil } }
    /// The elements of a set.
    public var setValue: Set<PayloadValue>? { if case .rich(.set(let values)) = self { values } else { nil } }
    /// The elements of a tuple.
    public var tupleValue: [PayloadValue]? { if case .rich(.tuple(let values)) = self { values } else { nil } }

    /// The case of an enumeration with text for raw values, also from the raw value alone.
    public func enumeration<E: RawRepresentable>(as type: E.Type) -> E? where E.RawValue == String {
        enumerationRawValue(of: type)?.stringValue.flatMap(E.init(rawValue:))
    }

    /// The case of an enumeration with integers for raw values, also from the raw value alone.
    public func enumeration<E: RawRepresentable>(as type: E.Type) -> E? where E.RawValue: FixedWidthInteger {
        guard case .int(let number)? = enumerationRawValue(of: type) else { return nil }
        let rawValue = E.RawValue(truncatingIfNeeded: number)
        return Int64(truncatingIfNeeded: rawValue) == number ? E(rawValue: rawValue) : nil
    }

    private func enumerationRawValue(of type: (some Any).Type) -> PayloadValue? {
        guard case .rich(.enumeration(let name, let rawValue)) = self else { return self }
        return UTF8Key(name) == UTF8Key(Self.typeName(of: type)) ? rawValue : nil
    }
}

extension Date: PayloadValueConvertible {
    /// ``PayloadValue/date(_:)``.
    public var payloadValue: PayloadValue { .date(self) }
}
extension UUID: PayloadValueConvertible {
    /// ``PayloadValue/uuid(_:)``.
    public var payloadValue: PayloadValue { .uuid(self) }
}
extension Decimal: PayloadValueConvertible {
    /// ``PayloadValue/decimal(_:)``.
    public var payloadValue: PayloadValue { .decimal(self) }
}
extension Data: PayloadValueConvertible {
    /// ``PayloadValue/data(_:)``.
    public var payloadValue: PayloadValue { .data(self) }
}
extension Set: PayloadValueConvertible where Element: PayloadValueConvertible {
    /// ``PayloadValue/set(_:)``.
    public var payloadValue: PayloadValue { .set(lazy.map(\.payloadValue)) }
}
