#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// ISO 8601 text of points in time, days and times of day, as Python's `isoformat` writes and `fromisoformat` reads it.
enum ISO8601Text {
    /// The offset of an aware date in UTC, and of a naive one, which has none.
    static let utc = "+00:00", naive = ""

    /// The point in time in UTC, `2026-11-23T13:45:00.500000+00:00`; `nil` outside the years 1 to 9999.
    ///
    /// Rounded to microseconds, which is all that Python's `fromisoformat` takes: six digits, none where they are zero.
    /// The text of a date that was read from such a text is the same again.
    static func text(_ date: Date, offset: String = utc) -> String? {
        let interval = date.timeIntervalSinceReferenceDate
        guard interval.magnitude < 1e12 else { return nil }
        let (seconds, microseconds) = rounded(floor(interval))
        let days = seconds.dividedDown(by: 86_400)
        guard let day = calendarDate(days + referenceDay) else { return nil }
        let second = seconds - days * 86_400
        let digits = microseconds == 0 ? "" : "." + padded(microseconds, to: 6)
        return "\(day)T\(padded(second / 3600)):\(padded(second / 60 % 60)):\(padded(second % 60))\(digits)\(offset)"
    }

    /// The point in time of a text; without an offset, in UTC.
    static func date(_ text: String) -> Date? {
        var scanner = Scanner(text)
        guard let day = scanner.day(), scanner.skip("T") || scanner.skip("t") || scanner.skip(" "),
            let time = scanner.time(), scanner.isAtEnd
        else { return nil }
        let seconds = (day - referenceDay) * 86_400 + time.second - (time.offset ?? 0)
        guard let interval = interval(seconds: seconds, fraction: time.fraction) else { return nil }
        return Date(timeIntervalSinceReferenceDate: interval)
    }

    static func isCalendarDate(_ text: String) -> Bool {
        var scanner = Scanner(text)
        return scanner.day() != nil && scanner.isAtEnd
    }

    static func isTimeOfDay(_ text: String) -> Bool {
        var scanner = Scanner(text)
        return scanner.time() != nil && scanner.isAtEnd
    }

    /// 2001-01-01, where `Date` counts from, in days since 1970-01-01.
    private static let referenceDay = 11_323
}

// Exact: the shortest decimal of a double reads back to it, and cutting it apart rounds nothing.
extension ISO8601Text {
    /// The whole seconds, rounded down, and the digits of the fraction of a second after them.
    private static func floor(_ interval: Double) -> (seconds: Int, fraction: String) {
        let parts = interval.magnitude.description.split(separator: "e")
        let number = parts[0].split(separator: ".")
        var whole = String(number[0])
        var fraction = number.count > 1 ? String(number[1]) : ""
        // Below 1e-4; what is large enough for a positive exponent is no date.
        if parts.count > 1, let exponent = Int(parts[1]), exponent < 0 {
            fraction = String(repeating: "0", count: -exponent - 1) + whole + fraction
            whole = "0"
        }
        while fraction.hasSuffix("0") { fraction.removeLast() }
        let seconds = Int(whole) ?? 0
        guard interval < 0 else { return (seconds, fraction) }
        return fraction.isEmpty ? (-seconds, "") : (-seconds - 1, complement(fraction))
    }

    /// To the nearest microsecond, halves up.
    private static func rounded(_ time: (seconds: Int, fraction: String)) -> (seconds: Int, microseconds: Int) {
        let digits = Array(time.fraction.utf8.prefix(7)) + [UInt8](repeating: UInt8(ascii: "0"), count: 7)
        let number = digits.prefix(7).reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        let microseconds = (number + 5) / 10
        return microseconds == 1_000_000 ? (time.seconds + 1, 0) : (time.seconds, microseconds)
    }

    private static func interval(seconds: Int, fraction: String) -> Double? {
        var fraction = fraction
        while fraction.hasSuffix("0") { fraction.removeLast() }
        if fraction.isEmpty { return Double(seconds) }
        return seconds >= 0 ? Double("\(seconds).\(fraction)") : Double("-\(-(seconds + 1)).\(complement(fraction))")
    }

    /// One minus a fraction, whose last digit is not zero.
    private static func complement(_ fraction: String) -> String {
        let digits = fraction.utf8.dropLast().map { String(9 - ($0 - UInt8(ascii: "0"))) }
        return digits.joined() + (fraction.utf8.last.map { String(10 - ($0 - UInt8(ascii: "0"))) } ?? "")
    }

    private static func padded(_ number: Int, to width: Int = 2) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    /// The Gregorian day, by days since 1970-01-01. The year begins in March, so that the leap day is its last; 400
    /// years have 146,097 days.
    private static func calendarDate(_ days: Int) -> String? {
        let fromMarch = days + 719_468
        let era = fromMarch.dividedDown(by: 146_097)
        let dayOfEra = fromMarch - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        guard (1...9999).contains(year) else { return nil }
        return "\(padded(year, to: 4))-\(padded(month))-\(padded(day))"
    }

    /// The inverse of ``calendarDate(_:)``; `nil` for a day that is not in the calendar.
    fileprivate static func days(year: Int, month: Int, day: Int) -> Int? {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard year >= 1, (1...12).contains(month), (1...lengths[month - 1]).contains(day) else { return nil }
        let marchYear = month <= 2 ? year - 1 : year
        let era = marchYear / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

extension Int {
    fileprivate func dividedDown(by divisor: Int) -> Int { self >= 0 ? self / divisor : (self + 1) / divisor - 1 }
}

private struct Scanner {
    private var rest: ArraySlice<UInt8>

    init(_ text: String) { rest = Array(text.utf8)[...] }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func skip(_ expected: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: expected) else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func digits(atMost limit: Int = .max) -> String {
        let digits = rest.prefix(limit).prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        rest.removeFirst(digits.count)
        return String(decoding: digits, as: UTF8.self)
    }

    private mutating func number(_ range: Range<Int>, width: Int = 2) -> Int? {
        let digits = digits(atMost: width)
        guard digits.utf8.count == width, let number = Int(digits), range.contains(number) else { return nil }
        return number
    }

    mutating func day() -> Int? {
        guard let year = number(1..<10_000, width: 4), skip("-"), let month = number(1..<13), skip("-"),
            let day = number(1..<32)
        else { return nil }
        return ISO8601Text.days(year: year, month: month, day: day)
    }

    /// `13:45`, `13:45:00`, `13:45:00.5`, each with an offset or without.
    mutating func time() -> (second: Int, fraction: String, offset: Int?)? {
        guard let hour = number(0..<24), skip(":"), let minute = number(0..<60) else { return nil }
        var second = 0
        var fraction = ""
        if skip(":") {
            guard let number = number(0..<60) else { return nil }
            second = number
            if skip(".") {
                fraction = digits()
                guard !fraction.isEmpty else { return nil }
            }
        }
        let inDay = hour * 3600 + minute * 60 + second
        if isAtEnd { return (inDay, fraction, nil) }
        if skip("Z") || skip("z") { return (inDay, fraction, 0) }
        let isWest = skip("-")
        guard isWest || skip("+"), let offset = offset() else { return nil }
        return (inDay, fraction, isWest ? -offset : offset)
    }

    private mutating func offset() -> Int? {
        guard let hours = number(0..<24) else { return nil }
        if isAtEnd { return hours * 3600 }
        let hasColon = skip(":")
        guard let minutes = number(0..<60) else { return nil }
        if isAtEnd { return hours * 3600 + minutes * 60 }
        guard skip(":") == hasColon, let seconds = number(0..<60) else { return nil }
        return hours * 3600 + minutes * 60 + seconds
    }
}
