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

    /// Whether what follows is a path and nothing else.
    private var isPath: Bool { scheme == "file" || scheme == "faiss" }

    /// The path of a store in a file or directory: what follows the colon, or the slashes of `file:///tmp/words.db`. A
    /// leading `~/` is the home directory, as no shell replaces it here.
    var path: String {
        let path = rest.hasPrefix("//") ? String(rest.dropFirst(2)) : rest
        guard path == "~" || path.hasPrefix("~/"), let home = System.environment("HOME") else { return path }
        return home + path.dropFirst()
    }

    /// The URL without user, password and query, which may hold secrets.
    var description: String {
        if isPath { return text.terminalSafe }
        guard rest.hasPrefix("//") else { return "\(scheme):\(rest.prefix { $0 != "?" })".terminalSafe }
        let body = rest.dropFirst(2).prefix { $0 != "?" && $0 != "#" }
        // An @ beyond a ? or # may end a password that holds one of them: where the host begins is not certain then.
        if !body.contains("@"), rest.contains("@") { return "\(scheme)://…".terminalSafe }
        // It may hold a slash that was not escaped as well: what is before the last @ goes.
        let place = body.lastIndex(of: "@").map { body[body.index(after: $0)...] } ?? body
        return "\(scheme)://\(place)".terminalSafe
    }

    /// Whether the description leaves something out.
    var isDescribedInPart: Bool { description != text.terminalSafe }

    /// User and password, as they stand in the URL.
    var credentials: Substring? {
        guard !isPath, rest.hasPrefix("//"), let at = rest.lastIndex(of: "@") else { return nil }
        return rest[..<at].dropFirst(2)
    }

    /// The environment variable that the engine takes its password or key from.
    var secretVariable: String? {
        switch scheme {
        case "chroma", "chromas": "CHROMA_API_KEY"
        case "postgres", "postgresql": "PGPASSWORD"
        case "qdrant", "qdrants": "QDRANT_API_KEY"
        default: nil
        }
    }

    /// What no message may show: passwords and keys of the URL, as they stand there and decoded, and that of the
    /// environment.
    var secrets: [String] {
        var secrets = credentials.map { $0.drop { $0 != ":" }.dropFirst() }.map { [String($0)] } ?? []
        if !isPath, let mark = rest.firstIndex(of: "?") {
            for item in rest[rest.index(after: mark)...].prefix(while: { $0 != "#" }).split(separator: "&") {
                let name = item.prefix { $0 != "=" }.lowercased()
                guard ["password", "passwd", "key", "token", "secret"].contains(where: name.hasSuffix) else { continue }
                secrets.append(String(item.drop { $0 != "=" }.dropFirst()))
            }
        }
        secrets += secrets.map(\.percentDecoded)
        if let value = secretVariable.flatMap(System.environment) { secrets.append(value) }
        return Set(secrets).filter { !$0.isEmpty }.sorted()
    }
}

extension String {
    /// The string with `%41` as `A`.
    fileprivate var percentDecoded: String {
        var bytes: [UInt8] = []
        var rest = utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2, rest.prefix(2).allSatisfy(\.isHexDigit),
                let value = UInt8(Substring(rest.prefix(2)), radix: 16)
            {
                bytes.append(value)
                rest.removeFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool { Character(Unicode.Scalar(self)).isHexDigit }
}
