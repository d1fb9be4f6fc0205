// Reads JSON (RFC 8259) in one pass over bytes in memory. Unsafe, because a checked array access per byte costs more
// than the parsing: every read goes through `byte`, which answers 0 past the end, and 0 begins nothing in JSON.

/// A reader of one JSON text that lies in memory for as long as the reader is used.
package struct JSONReader {
    /// How deep arrays and objects may be nested, so that hostile text cannot exhaust the stack.
    static let maximumDepth = 512

    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var depth = 0

    /// Reads one text to its end.
    ///
    /// The bytes are only used while this call runs.
    package static func read<Value>(
        _ text: some Sequence<UInt8>, as read: (inout JSONReader) throws(VectorStoreError) -> Value
    ) throws(VectorStoreError) -> Value {
        func whole(_ bytes: UnsafeBufferPointer<UInt8>) -> Result<Value, VectorStoreError> {
            Self.whole(bytes, as: read)
        }
        let result = text.withContiguousStorageIfAvailable(whole) ?? Array(text).withUnsafeBufferPointer(whole)
        return try result.get()
    }

    /// The value of one text. Not generic: where many short texts are read, that would cost as much as reading them.
    package static func value(_ bytes: UnsafeBufferPointer<UInt8>) -> Result<PayloadValue, VectorStoreError> {
        whole(bytes) { (reader) throws(VectorStoreError) in try reader.value() }
    }

    private static func whole<Value>(
        _ bytes: UnsafeBufferPointer<UInt8>, as read: (inout JSONReader) throws(VectorStoreError) -> Value
    ) -> Result<Value, VectorStoreError> {
        Result { () throws(VectorStoreError) in
            var reader = JSONReader(bytes: bytes)
            let value = try read(&reader)
            reader.skipWhitespace()
            guard reader.position == bytes.count else { throw reader.error("there is more after the value") }
            return value
        }
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private var byte: UInt8 { position < bytes.count ? bytes[position] : 0 }

    private mutating func skipWhitespace() {
        while true {
            switch byte {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func skip(_ expected: Unicode.Scalar) -> Bool {
        guard byte == UInt8(ascii: expected) else { return false }
        position += 1
        return true
    }

    private mutating func skip(word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard bytes.count - position >= length else { return false }
        for index in 0..<length where bytes[position + index] != word.utf8Start[index] { return false }
        position += length
        return true
    }

    /// An error at a byte (the next one unless told), with line and column, which count from 1.
    package func error(_ message: String, at offset: Int? = nil) -> VectorStoreError {
        var line = 1
        var column = 1
        for index in 0..<min(offset ?? position, bytes.count) {
            if bytes[index] == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if bytes[index] & 0xC0 != 0x80 {
                column += 1
            }
        }
        return VectorStoreError(.invalidArgument, "JSON, line \(line), column \(column): \(message)")
    }
}

// Values.
extension JSONReader {
    /// An array or object whose end has not been read yet.
    private struct Open {
        let isObject: Bool
        var values: [PayloadValue] = []
        var members: [String: PayloadValue] = [:]
        /// The key of the member that is being read, and where it began.
        var key = ""
        var offset = 0

        var value: PayloadValue { isObject ? .object(members) : .array(values) }

        /// Whether the value has its place, which another key of the same canonical form may have taken.
        mutating func add(_ value: PayloadValue) -> Bool {
            guard isObject else {
                values.append(value)
                return true
            }
            guard members.updateValue(value, forKey: key) != nil else { return true }
            if let index = members.index(forKey: key) { return UTF8Key(members[index].key) == UTF8Key(key) }
            return true
        }
    }

    /// The next value.
    ///
    /// What is open is kept in an array and not on the stack, which may be small.
    package mutating func value() throws(VectorStoreError) -> PayloadValue {
        var open: [Open] = []
        while true {
            skipWhitespace()
            var value: PayloadValue
            if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                var container = Open(isObject: byte == UInt8(ascii: "{"))
                position += 1
                try enter()
                skipWhitespace()
                guard skip(container.isObject ? "}" : "]") else {
                    if container.isObject { (container.key, container.offset) = try key() }
                    open.append(container)
                    continue
                }
                depth -= 1
                value = container.value
            } else {
                value = try scalar()
            }
            // The value may be the last one of what is open, which is then a value itself.
            while true {
                guard !open.isEmpty else { return value }
                let last = open.count - 1
                guard open[last].add(value) else {
                    throw error(
                        "two keys differ in their Unicode normalization only: \(open[last].key.quoted)",
                        at: open[last].offset)
                }
                skipWhitespace()
                if skip(",") {
                    if open[last].isObject { (open[last].key, open[last].offset) = try key() }
                    break
                }
                guard skip(open[last].isObject ? "}" : "]") else {
                    throw error("expected a comma or a closing \(open[last].isObject ? "brace" : "bracket")")
                }
                depth -= 1
                value = open.removeLast().value
            }
        }
    }

    private mutating func scalar() throws(VectorStoreError) -> PayloadValue {
        switch byte {
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        case UInt8(ascii: "t") where skip(word: "true"): return .bool(true)
        case UInt8(ascii: "f") where skip(word: "false"): return .bool(false)
        case UInt8(ascii: "n") where skip(word: "null"): return .null
        default: throw error(position < bytes.count ? "expected a value" : "the text ends where a value should be")
        }
    }

    /// The next key, with the colon after it, and where it began.
    private mutating func key() throws(VectorStoreError) -> (key: String, offset: Int) {
        skipWhitespace()
        let offset = position
        guard byte == UInt8(ascii: "\"") else { throw error("expected a key in double quotes") }
        let key = try string()
        skipWhitespace()
        guard skip(":") else { throw error("expected a colon") }
        return (key, offset)
    }

    /// The next value, an object.
    mutating func object() throws(VectorStoreError) -> [String: PayloadValue] {
        skipWhitespace()
        guard byte == UInt8(ascii: "{"), case .object(let members) = try value() else {
            throw error("expected an object")
        }
        return members
    }

    /// The next value, an object, a member at a time; `member` reads the value and is told where the key began.
    package mutating func object(
        _ member: (inout JSONReader, _ key: String, _ offset: Int) throws(VectorStoreError) -> Void
    ) throws(VectorStoreError) {
        skipWhitespace()
        guard skip("{") else { throw error("expected an object") }
        try enter()
        skipWhitespace()
        if !skip("}") {
            repeat {
                let (key, offset) = try key()
                try member(&self, key, offset)
                skipWhitespace()
            } while skip(",")
            guard skip("}") else { throw error("expected a comma or a closing brace") }
        }
        depth -= 1
    }

    /// The next value, an array, an element at a time; `element` reads it.
    package mutating func array(
        _ element: (inout JSONReader) throws(VectorStoreError) -> Void
    ) throws(VectorStoreError) {
        skipWhitespace()
        guard skip("[") else { throw error("expected an array") }
        try enter()
        skipWhitespace()
        if !skip("]") {
            repeat {
                try element(&self)
                skipWhitespace()
            } while skip(",")
            guard skip("]") else { throw error("expected a comma or a closing bracket") }
        }
        depth -= 1
    }

    private mutating func enter() throws(VectorStoreError) {
        depth += 1
        guard depth <= Self.maximumDepth else {
            throw error("nested deeper than \(Self.maximumDepth) levels", at: position - 1)
        }
    }

    /// Reads the next value, whatever it holds, and forgets it.
    package mutating func skipValue() throws(VectorStoreError) {
        skipWhitespace()
        switch byte {
        case UInt8(ascii: "\""): try skipString()
        case UInt8(ascii: "{"):
            try object { (reader, _, _) throws(VectorStoreError) in try reader.skipValue() }
        case UInt8(ascii: "["): try array { (reader) throws(VectorStoreError) in try reader.skipValue() }
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): _ = try decimal()
        default: _ = try value()
        }
    }

    /// The next value is `null`, which is then read.
    package mutating func null() -> Bool {
        skipWhitespace()
        return skip(word: "null")
    }
}

// Strings.
extension JSONReader {
    /// The next value, a string.
    package mutating func string() throws(VectorStoreError) -> String {
        skipWhitespace()
        let opening = position
        guard skip("\"") else { throw error("expected a string") }
        let start = position
        let isASCII = skipPlain()
        switch byte {
        case UInt8(ascii: "\""):
            let text = UnsafeBufferPointer(rebasing: bytes[start..<position])
            position += 1
            if isASCII { return String(decoding: text, as: UTF8.self) }
            return try Self.checked(String(validating: text, as: UTF8.self), self, opening)
        case UInt8(ascii: "\\"): return try string(from: start, opening: opening, isASCII: isASCII)
        default: throw controlCharacter(opening)
        }
    }

    /// Goes on to a quotation mark, a backslash, a control character or the end; whether all on the way are ASCII, which
    /// needs no more checks.
    @discardableResult
    private mutating func skipPlain() -> Bool {
        let plain = JSONPlainText.end(bytes, from: position)
        position = plain.index
        return plain.isASCII
    }

    /// Reads to the end of a string that nobody wants to have.
    private mutating func skipString() throws(VectorStoreError) {
        let opening = position
        position += 1
        while true {
            skipPlain()
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\"):
                position += 1
                _ = try escape()
            default: throw controlCharacter(opening)
            }
        }
    }

    /// The rest of a string whose first escape is next.
    private mutating func string(
        from start: Int, opening: Int, isASCII: Bool
    ) throws(VectorStoreError) -> String {
        var isASCII = isASCII
        var text: [UInt8] = []
        text.reserveCapacity(2 * (position - start) + 64)
        var plain = start
        while true {
            text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[plain..<position]))
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                if isASCII { return String(decoding: text, as: UTF8.self) }
                return try Self.checked(String(validating: text, as: UTF8.self), self, opening)
            case UInt8(ascii: "\\"):
                position += 1
                let scalar = try escape()
                if scalar.isASCII {
                    text.append(UInt8(truncatingIfNeeded: scalar.value))
                } else if let encoded = UTF8.encode(scalar) {
                    isASCII = false
                    text.append(contentsOf: encoded)
                }
            default: throw controlCharacter(opening)
            }
            plain = position
            if !skipPlain() { isASCII = false }
        }
    }

    private static func checked(
        _ text: String?, _ reader: JSONReader, _ opening: Int
    ) throws(VectorStoreError) -> String {
        guard let text else { throw reader.error("the string is not valid UTF-8", at: opening) }
        return text
    }

    private func controlCharacter(_ opening: Int) -> VectorStoreError {
        position < bytes.count
            ? error("a control character in a string must be escaped") : error("the string does not end", at: opening)
    }

    /// What stands after a backslash.
    private mutating func escape() throws(VectorStoreError) -> Unicode.Scalar {
        let start = position - 1
        let letter = byte
        position += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let unit = try hexadecimal()
            if let scalar = Unicode.Scalar(unit) { return scalar }
            guard (0xD800..<0xDC00).contains(unit), skip(word: "\\u") else {
                throw error("a surrogate stands alone", at: start)
            }
            let low = try hexadecimal()
            guard (0xDC00..<0xE000).contains(low),
                let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
            else { throw error("a surrogate stands alone", at: start) }
            return scalar
        default: throw error("there is no such escape", at: start)
        }
    }

    private mutating func hexadecimal() throws(VectorStoreError) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): unit = unit << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): unit = unit << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): unit = unit << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
            default: throw error("expected four hexadecimal digits")
            }
            position += 1
        }
        return unit
    }
}

// Numbers.
extension JSONReader {
    private mutating func number() throws(VectorStoreError) -> PayloadValue {
        let start = position
        let number = try decimal()
        if number.isInteger {
            if number.isExact {
                if number.isNegative {
                    if number.significand <= Int64.min.magnitude {
                        return .int(Int64(truncatingIfNeeded: 0 &- number.significand))
                    }
                } else if let value = Int64(exactly: number.significand) {
                    return .int(value)
                }
            }
            throw error("the integer does not fit 64 bits; write it as text or with a fraction", at: start)
        }
        let value = number.double ?? Double(text(from: start)) ?? .infinity
        guard value.isFinite else { throw error("the number is too large for a double", at: start) }
        return .double(value)
    }

    /// The next value, a number, as the float that is nearest to it.
    package mutating func float() throws(VectorStoreError) -> Float {
        skipWhitespace()
        let start = position
        let number = try decimal()
        let value = number.float ?? Float(text(from: start)) ?? .infinity
        guard value.isFinite else { throw error("the number is too large for a 32-bit float", at: start) }
        return value
    }

    private func text(from start: Int) -> String { String(decoding: bytes[start..<position], as: UTF8.self) }

    private mutating func decimal() throws(VectorStoreError) -> JSONDecimal {
        var number = JSONDecimal()
        number.isNegative = skip("-")
        if !skip("0") {
            guard digits({ number.append($0) }) else { throw error("expected a digit") }
        } else if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            throw error("a number begins with one zero at most")
        }
        if skip(".") {
            number.isInteger = false
            guard digits({ number.appendFraction($0) }) else { throw error("expected a digit after the point") }
        }
        if byte | 0x20 == UInt8(ascii: "e") {
            position += 1
            number.isInteger = false
            let isNegative = skip("-")
            if !isNegative { _ = skip("+") }
            var exponent = 0
            // Beyond any use, but not beyond Int: the slow path sees the digits themselves.
            guard digits({ exponent = min(exponent * 10 + Int($0), 1_000_000) }) else {
                throw error("expected a digit in the exponent")
            }
            number.exponent += isNegative ? -exponent : exponent
        }
        return number
    }

    private mutating func digits(_ digit: (UInt64) -> Void) -> Bool {
        let start = position
        while true {
            let value = byte &- UInt8(ascii: "0")
            guard value < 10 else { return position > start }
            digit(UInt64(value))
            position += 1
        }
    }
}
