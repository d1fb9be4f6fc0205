#if PgVector
import MiniORM

/// Payloads as text for `jsonb`, in a form that comes back exactly and that SQL compares as the contract does.
///
/// - `jsonb` refuses U+0000. It is written as U+0001 U+0001, and U+0001 as U+0001 U+0002, which keeps the order of the
///   bytes; everything else stays as it is.
/// - `jsonb` keeps numbers as decimals with their trailing zeros, so 1 stays apart from 1.0, and turns exponents into
///   digits. A double is therefore written without an exponent and always with a point. Integral doubles within
///   Int64's range are written exactly, others by the shortest decimal that reads back as the same double. Both lie
///   nearer to their double than to any other, so that the decimals have the order of the doubles, and of the integers
///   among them, that exact comparison gives.
/// - Decimals have no negative zero: it is written `0.00`.
enum JSONBText {
    static func write(_ value: PayloadValue, to bytes: inout [UInt8]) {
        switch value {
        case .null, .rich: bytes.append(contentsOf: "null".utf8)
        case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
        case .int(let value): bytes.append(contentsOf: value.description.utf8)
        case .double(let value): bytes.append(contentsOf: decimal(value).utf8)
        case .string(let value): write(string: value, to: &bytes)
        case .array(let values):
            bytes.append(UInt8(ascii: "["))
            var isFirst = true
            for value in values {
                if !isFirst { bytes.append(UInt8(ascii: ",")) }
                isFirst = false
                write(value, to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members): write(members, to: &bytes)
        }
    }

    static func write(_ members: [String: PayloadValue], to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        var isFirst = true
        // In the order that jsonb keeps keys in, by length and then by bytes, which spares the server the sorting.
        let ordered = members.sorted { lhs, rhs in
            let (left, right) = (lhs.key.utf8, rhs.key.utf8)
            return left.count != right.count ? left.count < right.count : UTF8Key(lhs.key) < UTF8Key(rhs.key)
        }
        for (key, value) in ordered {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            write(string: key, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            write(value, to: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// About how many bytes a payload is written in.
    static func size(of payload: [String: PayloadValue]?) -> Int {
        (payload ?? [:]).reduce(2) { $0 + $1.key.utf8.count + 4 + size(of: $1.value) }
    }

    private static func size(of value: PayloadValue) -> Int {
        switch value {
        case .string(let text): text.utf8.count + 2
        case .array(let values): values.reduce(2) { $0 + size(of: $1) + 1 }
        case .object(let members): size(of: members)
        default: 8
        }
    }

    private static func write(string: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        let isWritten = string.utf8.withContiguousStorageIfAvailable { text in
            guard text.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) else {
                return false
            }
            bytes.append(contentsOf: text)
            return true
        }
        if isWritten != true { escape(string, to: &bytes) }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func escape(_ string: String, to bytes: inout [UInt8]) {
        for byte in string.utf8 {
            switch byte {
            case 0: bytes.append(contentsOf: #"\u0001\u0001"#.utf8)
            case 1: bytes.append(contentsOf: #"\u0001\u0002"#.utf8)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 2..<0x20:
                bytes.append(contentsOf: (byte < 16 ? #"\u000"# : #"\u00"#).utf8)
                bytes.append(contentsOf: String(byte, radix: 16).utf8)
            default: bytes.append(byte)
            }
        }
    }

    /// A string as it is in `jsonb`, for comparison with one: without U+0000.
    static func stored(_ string: String) -> String {
        guard string.utf8.contains(where: { $0 <= 1 }) else { return string }
        var stored = String.UnicodeScalarView()
        for scalar in string.unicodeScalars {
            stored.append(scalar.value <= 1 ? "\u{1}" : scalar)
            if scalar.value <= 1 { stored.append(scalar.value == 0 ? "\u{1}" : "\u{2}") }
        }
        return String(stored)
    }

    /// A finite double as a decimal with a point.
    static func decimal(_ value: Double) -> String {
        if value == 0 { return value.sign == .minus ? "0.00" : "0.0" }
        if let integer = Int64(exactly: value) { return "\(integer).0" }
        let shortest = value.description
        guard let mark = shortest.firstIndex(of: "e"), let exponent = Int(shortest[shortest.index(after: mark)...]),
            exponent > 0
        else { return shortest }
        // Beyond Int64, `d.ddde+XX` has more places than digits: the digits, zeros, a point.
        var digits = shortest[..<mark].filter { $0 != "." && $0 != "-" }
        let fraction = shortest[..<mark].firstIndex(of: ".").map { shortest[$0..<mark].count - 1 } ?? 0
        digits += String(repeating: "0", count: max(0, exponent - fraction))
        return (value < 0 ? "-" : "") + digits + ".0"
    }
}
#endif
