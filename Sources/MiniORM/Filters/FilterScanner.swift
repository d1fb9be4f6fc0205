/// Reads the parts of a filter's text: words, operators, keys and JSON values.
struct FilterScanner {
    private let bytes: [UInt8]
    /// Where the next byte is.
    private(set) var position = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    /// How deep a value may be nested.
    private static let valueDepth = RepositoryLimits.payloadDepth

    // MARK: Bytes

    private func byte(_ offset: Int = 0) -> UInt8? {
        position + offset < bytes.count ? bytes[position + offset] : nil
    }

    mutating func skipSpace() {
        while let next = byte(), next == 0x20 || (0x09...0x0D).contains(next) { position += 1 }
    }

    /// Whether all is read; white space before the end does not count.
    mutating func isAtEnd() -> Bool {
        skipSpace()
        return position == bytes.count
    }

    /// Reads a symbol, if it is next.
    mutating func take(_ symbol: StaticString) -> Bool {
        skipSpace()
        let count = symbol.utf8CodeUnitCount
        guard position + count <= bytes.count,
            symbol.withUTF8Buffer({ $0.elementsEqual(bytes[position..<position + count]) })
        else { return false }
        position += count
        return true
    }

    /// The plain name that is next, if one is.
    private mutating func peekName() -> String? {
        skipSpace()
        guard let first = byte(), FilterSyntax.isNameStart(first) else { return nil }
        let end = bytes[position...].firstIndex { !FilterSyntax.isNamePart($0) } ?? bytes.count
        return String(decoding: bytes[position..<end], as: UTF8.self)
    }

    /// Reads a word of the syntax, if it is next.
    mutating func takeWord(_ word: String) -> Bool {
        guard peekName() == word else { return false }
        position += word.utf8.count
        return true
    }

    /// Reads a word with a parenthesis after it, if both are next.
    mutating func takeCall(_ word: String) -> Bool {
        let start = position
        if takeWord(word), take("(") { return true }
        position = start
        return false
    }

    // MARK: Fields

    /// Reads keys with dots between them.
    mutating func path() throws(VectorStoreError) -> FieldPath {
        var parts: [String] = []
        repeat { parts.append(try key(isFirst: parts.isEmpty)) } while take(".")
        return FieldPath(parts: parts)
    }

    private mutating func key(isFirst: Bool) throws(VectorStoreError) -> String {
        if let name = peekName() {
            if isFirst, FilterSyntax.words.contains(name) {
                throw failure("expected a field; \(name) is a word of the syntax, as a field it goes in backticks")
            }
            position += name.utf8.count
            return name
        }
        guard byte() == UInt8(ascii: "`") else {
            throw expected(isFirst ? "a field" : "a key after the dot")
        }
        return try quoted()
    }

    // MARK: Values

    /// Reads the list of an `in`.
    mutating func list() throws(VectorStoreError) -> [PayloadValue] {
        skipSpace()
        guard byte() == UInt8(ascii: "["), case .array(let values) = try value() else {
            throw expected("a list in brackets")
        }
        return values
    }

    /// Reads a JSON value.
    mutating func value(depth: Int = 1) throws(VectorStoreError) -> PayloadValue {
        if takeWord("null") { return .null }
        if takeWord("true") { return .bool(true) }
        if takeWord("false") { return .bool(false) }
        switch byte() {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return .string(try quoted())
        case UInt8(ascii: "["): return .array(try array(depth: depth))
        case UInt8(ascii: "{"): return .object(try object(depth: depth))
        case let next? where next == UInt8(ascii: "-") || FilterSyntax.isDigit(next): return try number()
        default:
            if let name = peekName() {
                throw failure("expected a value, found \(name.quoted); a text goes in quotes")
            }
            throw expected("a value")
        }
    }

    private func checkDepth(_ depth: Int) throws(VectorStoreError) {
        guard depth <= Self.valueDepth else {
            throw failure("the value is nested deeper than \(Self.valueDepth) levels")
        }
    }

    private mutating func array(depth: Int) throws(VectorStoreError) -> [PayloadValue] {
        try checkDepth(depth)
        position += 1
        var values: [PayloadValue] = []
        if take("]") { return values }
        repeat { values.append(try value(depth: depth + 1)) } while take(",")
        guard take("]") else { throw expected("\",\" or \"]\"") }
        return values
    }

    private mutating func object(depth: Int) throws(VectorStoreError) -> [String: PayloadValue] {
        try checkDepth(depth)
        position += 1
        var members: [String: PayloadValue] = [:]
        if take("}") { return members }
        repeat {
            skipSpace()
            guard byte() == UInt8(ascii: "\"") || byte() == UInt8(ascii: "'") else {
                throw expected("a key in quotes")
            }
            let start = position
            let key = try quoted()
            guard take(":") else { throw expected("\":\"") }
            let value = try value(depth: depth + 1)
            guard members.updateValue(value, forKey: key) == nil else {
                position = start
                throw failure("the key is there twice")
            }
        } while take(",")
        guard take("}") else { throw expected("\",\" or \"}\"") }
        return members
    }

    private mutating func number() throws(VectorStoreError) -> PayloadValue {
        let start = position
        if byte() == UInt8(ascii: "-") { position += 1 }
        let leading = byte()
        let whole = digits()
        if whole == 0 { throw expected("a digit") }
        if whole > 1, leading == UInt8(ascii: "0") {
            position = start
            throw failure("a number has no leading zero")
        }
        var isDouble = false
        if byte() == UInt8(ascii: ".") {
            position += 1
            isDouble = true
            if digits() == 0 { throw expected("a digit") }
        }
        if byte() == UInt8(ascii: "e") || byte() == UInt8(ascii: "E") {
            position += 1
            isDouble = true
            if byte() == UInt8(ascii: "+") || byte() == UInt8(ascii: "-") { position += 1 }
            if digits() == 0 { throw expected("a digit") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if !isDouble {
            if let value = Int64(text) { return .int(value) }
            position = start
            throw failure("the integer does not fit 64 bits; with .0 at its end it is a double")
        }
        guard let value = Double(text), value.isFinite else {
            position = start
            throw failure("the number does not fit a double")
        }
        return .double(value)
    }

    /// Reads digits, and says how many.
    private mutating func digits() -> Int {
        let start = position
        while let next = byte(), FilterSyntax.isDigit(next) { position += 1 }
        return position - start
    }

    // MARK: Quoted text

    /// Reads text up to the quote that it begins with.
    private mutating func quoted() throws(VectorStoreError) -> String {
        let start = position
        guard let quote = byte() else { throw expected("a quote") }
        position += 1
        var text: [UInt8] = []
        while let next = byte() {
            position += 1
            if next == quote { return String(decoding: text, as: UTF8.self) }
            if next == UInt8(ascii: "\\") {
                text.append(contentsOf: try escape())
            } else {
                text.append(next)
            }
        }
        position = start
        throw failure("the quote is never closed")
    }

    private mutating func escape() throws(VectorStoreError) -> [UInt8] {
        guard let letter = byte() else { throw expected("an escape such as \\n") }
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "`"), UInt8(ascii: "\\"), UInt8(ascii: "/"):
            position += 1
            return [letter]
        case UInt8(ascii: "b"): position += 1; return [0x08]
        case UInt8(ascii: "f"): position += 1; return [0x0C]
        case UInt8(ascii: "n"): position += 1; return [0x0A]
        case UInt8(ascii: "r"): position += 1; return [0x0D]
        case UInt8(ascii: "t"): position += 1; return [0x09]
        case UInt8(ascii: "u"):
            let start = position
            position += 1
            if let scalar = try unicode() { return Array(String(scalar).utf8) }
            position = start
            throw failure("half a surrogate pair is no character")
        default:
            throw failure("there is no such escape; a backslash itself is written twice")
        }
    }

    /// Reads four digits, and the second half of a surrogate pair; `nil` where a half stands alone.
    private mutating func unicode() throws(VectorStoreError) -> Unicode.Scalar? {
        let first = try codeUnit()
        if let scalar = Unicode.Scalar(UInt32(first)) { return scalar }
        guard first < 0xDC00, byte() == UInt8(ascii: "\\"), byte(1) == UInt8(ascii: "u") else { return nil }
        position += 2
        let second = try codeUnit()
        guard (0xDC00...0xDFFF).contains(second) else { return nil }
        return Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    }

    private mutating func codeUnit() throws(VectorStoreError) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = byte().flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
                throw expected("four hexadecimal digits")
            }
            unit = unit * 16 + UInt32(digit)
            position += 1
        }
        return unit
    }

    // MARK: Errors

    /// An error that says what should stand here, and what does.
    mutating func expected(_ what: String) -> VectorStoreError {
        guard !isAtEnd() else { return failure("expected \(what), found the end") }
        let found = peekName() ?? String(decoding: bytes[position...].prefix(4), as: UTF8.self).first.map(String.init)
        return failure("expected \(what), found \((found ?? "").quoted)")
    }

    /// An error at the place that was reached: line and column, the line itself and a mark below the column.
    func failure(_ message: String) -> VectorStoreError {
        let lineStart = bytes[..<position].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        let lineEnd = bytes[position...].firstIndex(of: 0x0A) ?? bytes.count
        let before = String(decoding: bytes[lineStart..<position], as: UTF8.self).unicodeScalars
        let after = String(decoding: bytes[position..<lineEnd], as: UTF8.self).unicodeScalars
        let line = bytes[..<position].count { $0 == 0x0A } + 1
        let place = line == 1 ? "column \(before.count + 1)" : "line \(line), column \(before.count + 1)"
        // A long line is cut to what is around the place.
        let left = Self.shown(before.suffix(50)), right = Self.shown(after.prefix(25))
        let mark = String(repeating: " ", count: left.unicodeScalars.count) + "^"
        return VectorStoreError(.invalidArgument, "the filter's \(place): \(message)\n  \(left)\(right)\n  \(mark)")
    }

    /// Control characters and line ends as a space each, so that columns stay where they are.
    private static func shown(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        var text = ""
        for scalar in scalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: text.unicodeScalars.append(" ")
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
