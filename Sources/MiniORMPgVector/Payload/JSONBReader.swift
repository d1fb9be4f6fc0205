#if PgVector
import MiniORM

/// Reads what ``JSONBText`` wrote, or anyone else, as `jsonb` prints it.
struct JSONBReader {
    private let bytes: [UInt8]
    private var position: Int

    private struct Malformed: Error {}

    /// The payload in jsonb's binary form.
    ///
    /// Throws `VectorStoreError.Code.payloadDecoding` where it is not an object, or nested beyond reason.
    static func payload(_ bytes: [UInt8], recordID: String) throws(VectorStoreError) -> [String: PayloadValue] {
        var reader = JSONBReader(bytes: bytes, position: 1)
        do {
            if case .object(let members) = try reader.value(depth: 0), reader.position == bytes.count { return members }
        } catch {}
        throw .pgvector(.payloadDecoding, "the stored payload is not a JSON object", recordID: recordID)
    }

    private mutating func next() throws -> UInt8 {
        guard position < bytes.count else { throw Malformed() }
        position += 1
        return bytes[position - 1]
    }

    private mutating func skipSpace() {
        while position < bytes.count, bytes[position] <= 0x20 { position += 1 }
    }

    private mutating func expect(_ text: StaticString) throws {
        for index in 0..<text.utf8CodeUnitCount {
            guard try next() == text.withUTF8Buffer({ $0[index] }) else { throw Malformed() }
        }
    }

    private mutating func value(depth: Int) throws -> PayloadValue {
        guard depth < 512 else { throw Malformed() }
        skipSpace()
        let first = try next()
        switch first {
        case UInt8(ascii: "n"):
            try expect("ull")
            return .null
        case UInt8(ascii: "t"):
            try expect("rue")
            return .bool(true)
        case UInt8(ascii: "f"):
            try expect("alse")
            return .bool(false)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "["): return .array(try elements(depth: depth + 1))
        case UInt8(ascii: "{"): return .object(try members(depth: depth + 1))
        default:
            position -= 1
            return try number()
        }
    }

    private mutating func elements(depth: Int) throws -> [PayloadValue] {
        var values: [PayloadValue] = []
        skipSpace()
        if position < bytes.count, bytes[position] == UInt8(ascii: "]") {
            position += 1
            return values
        }
        while true {
            values.append(try value(depth: depth))
            skipSpace()
            switch try next() {
            case UInt8(ascii: ","): continue
            case UInt8(ascii: "]"): return values
            default: throw Malformed()
            }
        }
    }

    private mutating func members(depth: Int) throws -> [String: PayloadValue] {
        var members: [String: PayloadValue] = [:]
        skipSpace()
        if position < bytes.count, bytes[position] == UInt8(ascii: "}") {
            position += 1
            return members
        }
        while true {
            skipSpace()
            try expect("\"")
            let key = try string()
            skipSpace()
            try expect(":")
            members[key] = try value(depth: depth)
            skipSpace()
            switch try next() {
            case UInt8(ascii: ","): continue
            case UInt8(ascii: "}"): return members
            default: throw Malformed()
            }
        }
    }

    private mutating func number() throws -> PayloadValue {
        let start = position
        var isIntegral = true
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"): break
            case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): isIntegral = false
            default: return try number(bytes[start..<position], isIntegral)
            }
            position += 1
        }
        return try number(bytes[start..<position], isIntegral)
    }

    private func number(_ digits: ArraySlice<UInt8>, _ isIntegral: Bool) throws -> PayloadValue {
        let text = String(decoding: digits, as: UTF8.self)
        if isIntegral, let integer = Int64(text) { return .int(integer) }
        guard let double = Double(text), double.isFinite else { throw Malformed() }
        return .double(text == "0.00" ? -0.0 : double)
    }

    /// The string whose opening quote was read.
    private mutating func string() throws -> String {
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\\") {
            position += 1
        }
        guard position < bytes.count else { throw Malformed() }
        if bytes[position] == UInt8(ascii: "\"") {
            position += 1
            return String(decoding: bytes[start..<position - 1], as: UTF8.self)
        }
        var text = Array(bytes[start..<position])
        while true {
            let byte = try next()
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: Self.restored(text), as: UTF8.self)
            case UInt8(ascii: "\\"): try escape(into: &text)
            default: text.append(byte)
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws {
        switch try next() {
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "u"):
            // The server keeps text as UTF-8 and escapes control characters only.
            var code: UInt32 = 0
            for _ in 0..<4 {
                guard let digit = Character(Unicode.Scalar(try next())).hexDigitValue else { throw Malformed() }
                code = code * 16 + UInt32(digit)
            }
            guard let scalar = Unicode.Scalar(code) else { throw Malformed() }
            text.append(contentsOf: String(scalar).utf8)
        case let byte: text.append(byte)
        }
    }

    /// U+0001 U+0001 back to U+0000, and U+0001 U+0002 to U+0001.
    private static func restored(_ text: [UInt8]) -> [UInt8] {
        guard text.contains(1) else { return text }
        var restored: [UInt8] = []
        var index = 0
        while index < text.count {
            let following = index + 1 < text.count ? text[index + 1] : 0
            if text[index] == 1, following == 1 || following == 2 {
                restored.append(following - 1)
                index += 2
            } else {
                restored.append(text[index])
                index += 1
            }
        }
        return restored
    }
}
#endif
