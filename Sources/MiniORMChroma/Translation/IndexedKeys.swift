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
    func key(_ path: [String]) -> String? { key(path.reduce("", Self.pointer), depth: path.count) }

    /// The key of an array's elements.
    func elementsKey(_ path: [String]) -> String? { elementsKey(path.reduce("", Self.pointer), depth: path.count) }

    /// The key of a field, from its JSON Pointer.
    func key(_ pointer: String, depth: Int) -> String? {
        depth <= Self.maximumDepth && pointer.utf8.count <= bytesPerKey ?? Int.max ? pointer : nil
    }

    /// The key of an array's elements, from its JSON Pointer.
    func elementsKey(_ pointer: String, depth: Int) -> String? { key("[]" + pointer, depth: depth) }

    /// The JSON Pointer of a member of an object.
    static func pointer(_ object: String, _ name: String) -> String { object + part(name) }

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
