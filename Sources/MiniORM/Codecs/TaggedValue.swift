#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

// The form that rich values have in JSON: objects with a tag, which this library shares with mini_orm for Python.

/// The words of the tagged form.
enum PayloadTag {
    /// The key that makes an object a tagged value.
    static let key = "__miniorm_codec__"
    /// What tagged text begins with.
    static let prefix = "__miniorm_json__:"

    static func object(_ tag: String, _ members: [String: PayloadValue]) -> PayloadValue {
        .object(members.merging([key: .string(tag)]) { member, _ in member })
    }
}

extension PayloadValue {
    /// The value in JSON's kinds alone: rich ones as tagged objects, and objects too, so that none can be mistaken.
    ///
    /// - Parameter offset: What follows the time of a date.
    func tagged(offset: String = ISO8601Text.utc) -> PayloadValue {
        switch self {
        case .null, .bool, .int, .double, .string: return self
        case .array(let values): return .array(values.map { $0.tagged(offset: offset) })
        case .object(let members):
            return PayloadTag.object("dict", ["items": .object(members.mapValues { $0.tagged(offset: offset) })])
        case .rich(let value): return value.tagged(offset: offset)
        }
    }
}

extension RichPayloadValue {
    /// The tagged object. Of a value that has no form (see ``formProblem``), one that does not read back.
    func tagged(offset: String = ISO8601Text.utc) -> PayloadValue {
        func value(_ tag: String, _ text: String) -> PayloadValue { PayloadTag.object(tag, ["value": .string(text)]) }
        switch self {
        case .date(let date): return value("datetime", ISO8601Text.text(date, offset: offset) ?? "")
        case .calendarDate(let text): return value("date", text)
        case .timeOfDay(let text): return value("time", text)
        case .decimal(let decimal): return value("decimal", DecimalText.text(decimal))
        case .uuid(let uuid): return value("uuid", uuid.uuidString.lowercased())
        case .data(let data): return value("bytes", data.base64EncodedString())
        case .tuple(let values):
            return PayloadTag.object("tuple", ["items": .array(values.map { $0.tagged(offset: offset) })])
        case .set(let values):
            let items = values.map { $0.tagged(offset: offset) }.map { (UTF8Key($0.json(asASCII: true)), $0) }
                .sorted { $0.0 < $1.0 }
            return PayloadTag.object("set", ["items": .array(items.map(\.1))])
        case .enumeration(let type, let rawValue):
            return PayloadTag.object("enum", ["class": .string(type), "value": rawValue.tagged(offset: offset)])
        }
    }

    /// Why the value itself has no tagged form; `nil` where it has one.
    var formProblem: String? {
        switch self {
        case .date(let date) where ISO8601Text.text(date) == nil: "the date is outside the years 1 to 9999"
        case .calendarDate(let text) where !ISO8601Text.isCalendarDate(text):
            "\(text.quoted) is no day of the calendar such as \"2026-11-23\""
        case .timeOfDay(let text) where !ISO8601Text.isTimeOfDay(text):
            "\(text.quoted) is no time of day such as \"13:45:00\""
        case .decimal(let decimal) where decimal.isNaN: "the decimal is not a number"
        default: nil
        }
    }
}

/// The text of decimals: exact, and one for each value.
enum DecimalText {
    static func text(_ decimal: Decimal) -> String {
        let text = decimal.description
        guard text.utf8.contains(UInt8(ascii: ".")) else { return text }
        var digits = text[...]
        while digits.hasSuffix("0") { digits.removeLast() }
        if digits.hasSuffix(".") { digits.removeLast() }
        return digits == "-0" ? "0" : String(digits)
    }

    /// The decimal of a text; `nil` where it is no number, or one that `Decimal` would have to round.
    static func decimal(_ text: String) -> Decimal? {
        guard let number = Parts(text), let decimal = Decimal(string: text), !decimal.isNaN,
            Parts(decimal.description) == number
        else { return nil }
        return decimal
    }

    /// Sign, digits without zeros at either end, and exponent, which tell two numbers apart whatever their text.
    private struct Parts: Equatable {
        var isNegative = false
        var digits: [UInt8] = []
        var exponent = 0

        init?(_ text: String) {
            var rest = Array(text.utf8)[...]
            func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
            isNegative = rest.first == UInt8(ascii: "-")
            if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
            let whole = rest.prefix(while: isDigit)
            rest.removeFirst(whole.count)
            digits = Array(whole)
            if rest.first == UInt8(ascii: ".") {
                let fraction = rest.dropFirst().prefix(while: isDigit)
                rest.removeFirst(1 + fraction.count)
                digits += fraction
                exponent = -fraction.count
            }
            guard !digits.isEmpty else { return nil }
            if let mark = rest.first {
                let number = rest.dropFirst()
                guard mark | 0x20 == UInt8(ascii: "e"), number.count <= 6,
                    let power = Int(String(decoding: number, as: UTF8.self))
                else { return nil }
                exponent += power
            }
            while digits.last == UInt8(ascii: "0") {
                digits.removeLast()
                exponent += 1
            }
            digits = Array(digits.drop { $0 == UInt8(ascii: "0") })
            if digits.isEmpty { (isNegative, exponent) = (false, 0) }
        }
    }
}
