#if Chroma
internal import MiniORM

/// How payloads lie in the server's metadata.
///
/// The whole payload is the JSON text at the key `json`, from which it is read. Next to it, for filters alone, is a key
/// for each value that the server can filter by: the JSON Pointer (RFC 6901) of the field, which begins with a slash,
/// so that no field name meets a key that the server reserves or refuses.
///
/// An upsert merges metadata: a key of an earlier version of the record stays, if the new one has no such field. So
/// what the server matches is more than what matches, never less, and every answer is finished on our side. (Keys
/// cannot be removed instead: two writers of one record would not know of each other's.)
enum MetadataFields {
    /// Where the payload is.
    static let payload = "json"

    /// Texts that are longer, in UTF-8, are not indexed.
    static let maximumTextLength = 48
    /// Fields that lie deeper are not indexed.
    static let maximumDepth = 8

    /// The key of a field; `nil` where it is not indexed.
    static func key(_ path: [String]) -> String? {
        path.count <= maximumDepth ? path.map(part).joined() : nil
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

    /// The key of an array's elements.
    static func elementsKey(_ path: [String]) -> String? { key(path).map { "[]" + $0 } }

    /// The indexed form of a value: a JSON text.
    enum Scalar: Hashable {
        case text(String)
        case number(Int64)
        case bool(Bool)

        init?(_ value: PayloadValue) {
            switch value {
            case .string(let text) where text.utf8.count <= maximumTextLength: self = .text(text)
            case .bool(let value): self = .bool(value)
            default:
                guard let key = OrderedNumber.key(value) else { return nil }
                self = .number(key)
            }
        }

        func append(to json: inout [UInt8]) {
            switch self {
            case .text(let text): JSONWriter.append(quoted: text, to: &json)
            case .number(let key): json.append(contentsOf: key.description.utf8)
            case .bool(let value): json.append(contentsOf: (value ? "true" : "false").utf8)
            }
        }

        /// An element of an array, where the server wants one type: a text that tells the types apart.
        var element: String {
            switch self {
            case .text(let text): "s" + text
            case .number(let key): "n\(key)"
            case .bool(let value): value ? "true" : "false"
            }
        }
    }

    /// Appends the metadata of a record.
    ///
    /// - Parameter exponent: The vector is stored divided by this power of two.
    static func append(
        _ payload: [String: PayloadValue]?, exponent: Int, _ indexed: ChromaIndexedFields, to json: inout [UInt8]
    ) {
        var text: [UInt8] = []
        if exponent != 0 { text.append(contentsOf: "e\(exponent) ".utf8) }
        if let payload { JSONWriter.append(payload, to: &text) } else { text.append(contentsOf: "null".utf8) }
        json.append(contentsOf: "{\"json\":".utf8)
        JSONWriter.append(quoted: String(decoding: text, as: UTF8.self), to: &json)
        if let payload, indexed != .none { append(fields: payload, path: [], indexed, to: &json) }
        json.append(UInt8(ascii: "}"))
    }

    private static func append(
        fields: [String: PayloadValue], path: [String], _ indexed: ChromaIndexedFields, to json: inout [UInt8]
    ) {
        for (name, value) in fields {
            let path = path + [name]
            switch value {
            case .object(let members): append(fields: members, path: path, indexed, to: &json)
            case .array(let values) where indexed == .scalarsAndElements:
                let elements = Set(values.compactMap { Scalar($0)?.element }.map(UTF8Key.init))
                guard !elements.isEmpty, let key = elementsKey(path) else { continue }
                append(key: key, to: &json)
                json.append(UInt8(ascii: "["))
                for (index, element) in elements.enumerated() {
                    if index > 0 { json.append(UInt8(ascii: ",")) }
                    JSONWriter.append(quoted: element.string, to: &json)
                }
                json.append(UInt8(ascii: "]"))
            default:
                guard let scalar = Scalar(value), let key = key(path) else { continue }
                append(key: key, to: &json)
                scalar.append(to: &json)
            }
        }
    }

    private static func append(key: String, to json: inout [UInt8]) {
        json.append(UInt8(ascii: ","))
        JSONWriter.append(quoted: key, to: &json)
        json.append(UInt8(ascii: ":"))
    }

    /// The payload of a text that ``append(_:exponent:_:to:)`` wrote, and the power of two that multiplies the vector.
    static func read(_ text: String?) throws(VectorStoreError) -> (payload: [String: PayloadValue]?, exponent: Int) {
        guard let text else { return (nil, 0) }
        var json = text.utf8[...]
        let exponent = exponent(text)
        if json.first == UInt8(ascii: "e") {
            json = json[(json.firstIndex(of: UInt8(ascii: " ")).map(json.index(after:)) ?? json.startIndex)...]
        }
        do {
            switch try PayloadValue(json: json) {
            case .null: return (nil, exponent)
            case .object(let members): return (members, exponent)
            default: break
            }
        } catch {
            throw VectorStoreError(.payloadDecoding, "the stored payload is not JSON", store: "chroma", cause: error)
        }
        throw VectorStoreError(.payloadDecoding, "the stored payload is not a JSON object", store: "chroma")
    }

    /// The power of two alone.
    static func exponent(_ text: String?) -> Int {
        guard let text, text.utf8.first == UInt8(ascii: "e") else { return 0 }
        return Int(text.dropFirst().prefix { $0 != " " }) ?? 0
    }
}
#endif
