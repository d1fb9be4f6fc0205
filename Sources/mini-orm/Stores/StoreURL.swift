/// Where a store is, as the user gave it: `memory:`, `file:words.db`, `scheme://user:password@host/...`.
///
/// Its description leaves credentials out, so that it can stand in messages.
struct StoreURL: Sendable, CustomStringConvertible {
    /// The part before the first colon, in lower case.
    let scheme: String
    /// The part after the first colon, as it is.
    let rest: String

    /// A URL; `nil` where the text has no scheme.
    init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let name = text[..<colon]
        guard let first = name.utf8.first, Self.isLetter(first),
            name.utf8.allSatisfy({ Self.isLetter($0) || (0x30...0x39).contains($0) || "+-.".utf8.contains($0) })
        else { return nil }
        scheme = name.lowercased()
        rest = String(text[text.index(after: colon)...])
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }

    /// The whole URL, credentials and all: for the engine alone.
    var text: String { "\(scheme):\(rest)" }

    /// The URL without user, password and query, which may hold secrets.
    var description: String {
        guard rest.hasPrefix("//") else { return "\(scheme):\(rest.prefix { $0 != "?" })".terminalSafe }
        let body = rest.dropFirst(2).prefix { $0 != "?" && $0 != "#" }
        // A password may hold a slash that was not escaped: what is before the last @ goes.
        let place = body.lastIndex(of: "@").map { body[body.index(after: $0)...] } ?? body
        return "\(scheme)://\(place)".terminalSafe
    }

    /// The password that stands in the URL.
    var secrets: [String] {
        guard rest.hasPrefix("//"), let at = rest.lastIndex(of: "@"), let colon = rest[..<at].firstIndex(of: ":")
        else { return [] }
        let password = String(rest[rest.index(after: colon)..<at])
        return password.isEmpty ? [] : [password]
    }
}
