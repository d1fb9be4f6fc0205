/// What reading and writing of filters as text share.
enum FilterSyntax {
    /// Words that are no field names unless in backticks.
    static let words: Set<String> = ["and", "or", "not", "in", "contains", "exists", "true", "false", "null"]

    static func isNameStart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
        default: false
        }
    }

    static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }

    static func isNamePart(_ byte: UInt8) -> Bool { isNameStart(byte) || isDigit(byte) }

    /// Whether a key needs no backticks.
    static func isPlainName(_ key: String) -> Bool {
        guard let first = key.utf8.first, isNameStart(first) else { return false }
        return key.utf8.allSatisfy(isNamePart) && !words.contains(key)
    }
}
