extension Unicode.Scalar {
    /// The scalar as it stands in a JSON string.
    func escaped(asASCII: Bool) -> String {
        switch self {
        case "\"": return "\\\""
        case "\\": return "\\\\"
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        default:
            guard value < 0x20 || value == 0x7F || (asASCII && value > 0x7F) else { return String(self) }
            return UTF16.encode(self)?.map { unit in
                let digits = String(unit, radix: 16)
                return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }.joined() ?? ""
        }
    }
}
