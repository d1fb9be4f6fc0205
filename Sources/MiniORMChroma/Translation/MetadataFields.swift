#if Chroma
internal import MiniORM

/// How payloads lie in the server's metadata.
///
/// The whole payload is the JSON text at the key `json`, from which it is read; where the server limits texts, its
/// pieces are at `json`, `json1`, `json2`, ..., and the first one begins with their number. Next to it, for filters
/// alone, is a key for each value that the server can filter by; see ``IndexedKeys``. Where not all of them fit, a mark
/// at the key `partial` lets every filter find the record.
///
/// An upsert merges metadata: a key of an earlier version of the record stays, if the new one has no such field. So
/// what the server matches is more than what matches, never less, and every answer is finished on our side. (Keys
/// cannot be removed instead: two writers of one record would not know of each other's.)
enum MetadataFields {
    /// Where the payload is.
    static let payload = "json"
    /// Where the mark of a record is that is not indexed whole. A text, as the server has an index of texts and none of
    /// booleans.
    static let partial = "partial"
    /// The mark.
    static let isPartial = "yes"

    /// Texts that are longer, in UTF-8, are not indexed.
    static let maximumTextLength = 48

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

    /// Appends the metadata of a record. Throws `VectorStoreError.Code.unsupportedPayload` for a payload that is longer
    /// than the limits let a record hold.
    ///
    /// - Parameter exponent: The vector is stored divided by this power of two.
    static func append(
        _ payload: [String: PayloadValue]?, exponent: Int, _ indexed: IndexedKeys, _ limits: ChromaLimits,
        to json: inout [UInt8]
    ) throws(VectorStoreError) {
        var text: [UInt8] = []
        if exponent != 0 { text.append(contentsOf: "e\(exponent) ".utf8) }
        if let payload { JSONWriter.append(payload, to: &text) } else { text.append(contentsOf: "null".utf8) }
        let pieces = pieces(text, limits.bytesPerValue)
        // A place is kept for the mark.
        var places = limits.valuesPerRecord - max(1, pieces.count) - 1
        guard places >= 0 else {
            throw VectorStoreError(
                .unsupportedPayload,
                "the payload's JSON has \(text.count) bytes, more than the server keeps in a record", store: "chroma")
        }
        if pieces.isEmpty {
            json.append(contentsOf: "{\"json\":".utf8)
            JSONWriter.append(quotedUTF8: text, to: &json)
        }
        for (index, piece) in pieces.enumerated() {
            json.append(contentsOf: (index == 0 ? "{\"json\":" : ",\"json\(index)\":").utf8)
            JSONWriter.append(quoted: piece, to: &json)
        }
        if let payload, indexed.fields != .none {
            if !append(fields: payload, of: "", depth: 1, indexed, &places, to: &json) {
                append(key: partial, to: &json)
                JSONWriter.append(quoted: isPartial, to: &json)
            }
        }
        json.append(UInt8(ascii: "}"))
    }

    /// A text in pieces of at most so many bytes, the first of which says how many there are; none where it need not be
    /// taken apart.
    private static func pieces(_ text: [UInt8], _ limit: Int?) -> [String] {
        guard let limit, text.count > limit else { return [] }
        var pieces: [String] = []
        var start = 0
        while start < text.count {
            // The first one has to hold their number too.
            var end = min(text.count, start + (start == 0 ? limit - numberLength : limit))
            // No character is cut.
            while end < text.count, text[end] & 0xC0 == 0x80 { end -= 1 }
            pieces.append(String(decoding: text[start..<end], as: UTF8.self))
            start = end
        }
        pieces[0] = "c\(pieces.count) " + pieces[0]
        return pieces
    }

    /// As much as the number of pieces takes, at the most: "c", a number and a space.
    private static let numberLength = 21

    /// The whole text, from its first piece and the others, by key. Where one is missing, it is a text that
    /// ``read(_:)`` refuses.
    static func text(_ first: String?, _ others: [String: String]) -> String? {
        guard let first, first.utf8.first == UInt8(ascii: "c"),
            let space = first.utf8.firstIndex(of: UInt8(ascii: " ")),
            let count = Int(first[..<space].dropFirst())
        else { return first }
        var text = String(first[first.utf8.index(after: space)...])
        // Pieces of an earlier version of the record may follow; `others` holds at least as many as there are.
        guard count >= 1, count - 1 <= others.count else { return first }
        for index in 1..<count {
            guard let piece = others["\(payload)\(index)"] else { return first }
            text += piece
        }
        return text
    }

    /// Appends a key and value for each field, as long as there are places; false if one was left out for want of them.
    ///
    /// - Parameters:
    ///   - object: The JSON Pointer of the object.
    ///   - depth: How long the paths of its fields are.
    private static func append(
        fields: [String: PayloadValue], of object: String, depth: Int, _ indexed: IndexedKeys, _ places: inout Int,
        to json: inout [UInt8]
    ) -> Bool {
        var isWhole = true
        for (name, value) in fields {
            switch value {
            case .object(let members):
                let pointer = IndexedKeys.pointer(object, name)
                if !append(fields: members, of: pointer, depth: depth + 1, indexed, &places, to: &json) {
                    isWhole = false
                }
            case .array(let values) where indexed.fields == .scalarsAndElements:
                let elements = Set(values.compactMap { Scalar($0)?.element }.map(UTF8Key.init))
                let pointer = IndexedKeys.pointer(object, name)
                guard !elements.isEmpty, let key = indexed.elementsKey(pointer, depth: depth) else { continue }
                guard elements.count <= places else {
                    isWhole = false
                    continue
                }
                places -= elements.count
                append(key: key, to: &json)
                json.append(UInt8(ascii: "["))
                for (index, element) in elements.enumerated() {
                    if index > 0 { json.append(UInt8(ascii: ",")) }
                    JSONWriter.append(quoted: element.string, to: &json)
                }
                json.append(UInt8(ascii: "]"))
            default:
                guard let scalar = Scalar(value) else { continue }
                guard let key = indexed.key(IndexedKeys.pointer(object, name), depth: depth) else { continue }
                guard places > 0 else {
                    isWhole = false
                    continue
                }
                places -= 1
                append(key: key, to: &json)
                scalar.append(to: &json)
            }
        }
        return isWhole
    }

    private static func append(key: String, to json: inout [UInt8]) {
        json.append(UInt8(ascii: ","))
        JSONWriter.append(quoted: key, to: &json)
        json.append(UInt8(ascii: ":"))
    }

    /// The payload of a text that ``append(_:exponent:_:to:)`` wrote, and the power of two that multiplies the vector.
    static func read(_ text: String?) throws(VectorStoreError) -> (payload: [String: PayloadValue]?, exponent: Int) {
        guard var text else { return (nil, 0) }
        let exponent = exponent(text)
        do {
            let value = text.withUTF8 { bytes in
                let isScaled = bytes.first == UInt8(ascii: "e")
                let start = isScaled ? (bytes.firstIndex(of: UInt8(ascii: " ")) ?? -1) + 1 : 0
                return JSONReader.value(UnsafeBufferPointer(rebasing: bytes[start...]))
            }
            switch try value.get() {
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
