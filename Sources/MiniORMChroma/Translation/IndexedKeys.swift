#if Chroma
/// Which fields of a payload have keys of their own in the server's metadata, and which keys. Fixed when a collection
/// is created, so that whoever reads it looks where others have written.
struct IndexedKeys: Sendable, Hashable {
    var fields: ChromaIndexedFields
    /// Fields with a longer key, in UTF-8, are not indexed.
    var bytesPerKey: Int?

    /// Fields that lie deeper are not indexed.
    private static let maximumDepth = 8

    /// The key of a field: its JSON Pointer (RFC 6901), which begins with a slash, so that no field name meets a key
    /// that the server reserves or refuses. `nil` where it is not indexed.
    func key(_ path: [String]) -> String? { key(path, prefix: "") }

    /// The key of an array's elements.
    func elementsKey(_ path: [String]) -> String? { key(path, prefix: "[]") }

    private func key(_ path: [String], prefix: String) -> String? {
        guard path.count <= Self.maximumDepth else { return nil }
        let key = prefix + path.map(Self.part).joined()
        guard let bytesPerKey else { return key }
        return key.utf8.count <= bytesPerKey ? key : nil
    }

    private static func part(_ name: String) -> String {
        guard name.utf8.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }) else {
            return "/" + name
        }
        var text = "/"
        for scalar in name.unicodeScalars {
            switch scalar {
            case "~": text += "~0"
            case "/": text += "~1"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
#endif
