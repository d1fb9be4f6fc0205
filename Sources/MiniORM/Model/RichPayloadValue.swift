#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// A payload value beyond JSON's kinds, which ``JsonVectorPayloadCodec`` stores as tagged text.
public indirect enum RichPayloadValue: Sendable, Hashable {
    /// A point in time; stored to the microsecond.
    case date(Date)
    /// A day of the calendar, as ISO 8601 text: `2026-11-23`.
    case calendarDate(String)
    /// A time of day, as ISO 8601 text: `13:45:00.5`, with an offset or without.
    case timeOfDay(String)
    /// A decimal number, exact.
    case decimal(Decimal)
    /// A UUID.
    case uuid(UUID)
    /// Bytes.
    case data(Data)
    /// Values without order; repeats count once.
    case set(Set<PayloadValue>)
    /// A fixed number of values in order.
    case tuple([PayloadValue])
    /// A case of an enumeration: the name of its type and its raw value.
    case enumeration(type: String, rawValue: PayloadValue)
}
