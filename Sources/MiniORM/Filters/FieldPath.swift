/// Where a filter finds its value in a payload: the key of a field, or keys of objects within objects.
///
/// Text is split at its dots: `"a.b"` is the member `b` of the object `a`. A key that holds a dot itself is
/// addressed by parts: `FieldPath(parts: ["a.b"])`.
public struct FieldPath: Sendable, Hashable, ExpressibleByStringLiteral {
    /// The keys, outermost first; at least one.
    public let parts: [String]

    /// A path from text, split at its dots.
    public init(_ dotted: String) {
        parts = dotted.unicodeScalars.split(separator: ".", omittingEmptySubsequences: false).map { String($0) }
    }

    /// A path by its keys, which are taken as they are. No parts are the path of the empty key.
    public init(parts: [String]) { self.parts = parts.isEmpty ? [""] : parts }

    /// A path from text, split at its dots.
    public init(stringLiteral value: String) { self.init(value) }

    /// Equal keys, byte for byte.
    public static func == (lhs: Self, rhs: Self) -> Bool { lhs.parts.map(UTF8Key.init) == rhs.parts.map(UTF8Key.init) }

    /// Hashes the keys' bytes.
    public func hash(into hasher: inout Hasher) { for part in parts { hasher.combine(UTF8Key(part)) } }

    /// The value at this path; `nil` where there is none, or null.
    public func value(in payload: [String: PayloadValue]?) -> PayloadValue? {
        guard var members = payload else { return nil }
        for part in parts.dropLast() {
            guard case .object(let inner)? = Self.member(part, of: members) else { return nil }
            members = inner
        }
        guard let last = parts.last, let value = Self.member(last, of: members), !value.isNull else { return nil }
        return value
    }

    private static func member(_ key: String, of members: [String: PayloadValue]) -> PayloadValue? {
        guard let index = members.index(forKey: key), UTF8Key(members[index].key) == UTF8Key(key) else { return nil }
        return members[index].value
    }
}
