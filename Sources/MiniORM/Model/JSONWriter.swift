/// Writes compact JSON into bytes: keys sorted by their UTF-8 bytes, the texts of numbers as Python's `json` writes
/// them.
package enum JSONWriter {
    /// Appends a value.
    ///
    /// A rich value is written as the tagged object of ``JsonVectorPayloadCodec``, a number that is not finite, for
    /// which JSON has no text, as null.
    package static func append(_ value: PayloadValue, to text: inout [UInt8], asASCII: Bool = false) {
        switch value {
        case .null: append("null", to: &text)
        case .bool(let value): append(value ? "true" : "false", to: &text)
        case .int(let value): text.append(contentsOf: value.description.utf8)
        case .double(let value): append(value, to: &text)
        case .string(let value): append(quoted: value, to: &text, asASCII: asASCII)
        case .array(let values):
            text.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                append(value, to: &text, asASCII: asASCII)
            }
            text.append(UInt8(ascii: "]"))
        case .object(let members): append(members, to: &text, asASCII: asASCII)
        case .rich(let value): append(value.tagged(), to: &text, asASCII: asASCII)
        }
    }

    /// Appends an object.
    package static func append(_ members: [String: PayloadValue], to text: inout [UInt8], asASCII: Bool = false) {
        text.append(UInt8(ascii: "{"))
        var isFirst = true
        for (key, value) in members.sorted(by: { UTF8Key($0.key) < UTF8Key($1.key) }) {
            if !isFirst { text.append(UInt8(ascii: ",")) }
            isFirst = false
            append(quoted: key, to: &text, asASCII: asASCII)
            text.append(UInt8(ascii: ":"))
            append(value, to: &text, asASCII: asASCII)
        }
        text.append(UInt8(ascii: "}"))
    }

    /// Appends a record: `{"id":…,"payload":…,"vector":[…]}`, without a payload where there is none.
    ///
    /// The text of each component, its shortest one, reads back to the same float bit for bit.
    package static func append(_ record: VectorRecord, to text: inout [UInt8], asASCII: Bool = false) {
        append("{\"id\":", to: &text)
        append(quoted: record.id, to: &text, asASCII: asASCII)
        if let payload = record.payload {
            append(",\"payload\":", to: &text)
            append(payload, to: &text, asASCII: asASCII)
        }
        append(",\"vector\":[", to: &text)
        for (index, component) in record.vector.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            if component.isFinite {
                text.append(contentsOf: component.description.utf8)
            } else {
                append("null", to: &text)
            }
        }
        append("]}", to: &text)
    }

    private static func append(_ token: StaticString, to text: inout [UInt8]) {
        token.withUTF8Buffer { text.append(contentsOf: $0) }
    }

    /// The shortest text that reads back to the same double, with an exponent from 1e16 up and below 1e-4.
    private static func append(_ number: Double, to text: inout [UInt8]) {
        guard number.isFinite else { return append("null", to: &text) }
        if number.magnitude >= 0x1p53, number.magnitude < 1e16 {
            // Swift begins with exponents at 2^53. These doubles are integers, two apart, so all digits count.
            text.append(contentsOf: Int64(number).description.utf8)
            append(".0", to: &text)
        } else {
            text.append(contentsOf: number.description.utf8)
        }
    }

    /// Appends a string.
    package static func append(quoted string: String, to text: inout [UInt8], asASCII: Bool = false) {
        var string = string
        string.withUTF8 { append(quoted: $0, to: &text, asASCII: asASCII) }
    }

    /// Appends a string that is given as its UTF-8.
    package static func append(quotedUTF8 string: [UInt8], to text: inout [UInt8]) {
        string.withUnsafeBufferPointer { append(quoted: $0, to: &text, asASCII: false) }
    }

    private static func append(quoted bytes: UnsafeBufferPointer<UInt8>, to text: inout [UInt8], asASCII: Bool) {
        text.append(UInt8(ascii: "\""))
        var start = 0
        while true {
            let index = JSONPlainText.end(bytes, from: start, asASCII: asASCII).index
            text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[start..<index]))
            guard index < bytes.count else { break }
            start = index + 1
            let byte = bytes[index]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                text.append(UInt8(ascii: "\\"))
                text.append(byte)
            } else if byte < 0x80 {
                append(escaped: byte, to: &text)
            } else {
                let length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
                start = min(index + length, bytes.count)
                for unit in String(decoding: bytes[index..<start], as: UTF8.self).utf16 {
                    append(unit: unit, to: &text)
                }
            }
        }
        text.append(UInt8(ascii: "\""))
    }

    private static func append(escaped byte: UInt8, to text: inout [UInt8]) {
        switch Unicode.Scalar(byte) {
        case "\n": append("\\n", to: &text)
        case "\r": append("\\r", to: &text)
        case "\t": append("\\t", to: &text)
        case "\u{8}": append("\\b", to: &text)
        case "\u{C}": append("\\f", to: &text)
        default: append(unit: UInt16(byte), to: &text)
        }
    }

    private static func append(unit: UInt16, to text: inout [UInt8]) {
        append("\\u", to: &text)
        for shift in [12, 8, 4, 0] {
            let digit = UInt8(truncatingIfNeeded: unit >> shift & 0xF)
            text.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}
