// JSON text of payload values and records, which tells 1 from 1.0.

extension PayloadValue {
    /// The value of a JSON text (RFC 8259), read strictly, in one pass.
    ///
    /// A number with a point or an exponent is a ``double(_:)``, any other an ``int(_:)``. Of two equal keys of an
    /// object the last one counts.
    ///
    /// Throws ``VectorStoreError/Code/invalidArgument`` with the line and column for text that is not JSON, and for
    /// what could not be kept as it is: an integer beyond 64 bits, a number beyond a double, a surrogate that stands
    /// alone, two keys of an object that differ in their Unicode normalization only, more than 512 levels.
    public init(json text: String) throws(VectorStoreError) {
        var text = text
        text.makeContiguousUTF8()
        try self.init(json: text.utf8)
    }

    /// The value of a JSON text in UTF-8; see ``init(json:)-(String)``.
    public init(json text: some Sequence<UInt8>) throws(VectorStoreError) {
        self = try JSONReader.read(text) { (reader) throws(VectorStoreError) in try reader.value() }
    }

    /// Compact JSON with the keys sorted by their UTF-8 bytes, which reads back to an equal value.
    ///
    /// A double always has a point or an exponent (`1.0`, `1e+300`). A rich value is written as the tagged object of
    /// ``JsonVectorPayloadCodec``, a number that is not finite, for which JSON has no text, as null.
    ///
    /// - Parameter asASCII: Whether all beyond ASCII is escaped (`\u00e9`).
    public func json(asASCII: Bool = false) -> String {
        var text: [UInt8] = []
        JSONWriter.append(self, to: &text, asASCII: asASCII)
        return String(decoding: text, as: UTF8.self)
    }
}

extension VectorRecord {
    /// The record of a JSON object, as a line of a JSON Lines file has it:
    /// `{"id": "u1", "vector": [0.1, 0.2], "payload": {"name": "alice"}}`.
    ///
    /// A component becomes the nearest float. The payload may be absent or null, which both are no payload.
    ///
    /// Throws ``VectorStoreError/Code/invalidArgument`` as ``PayloadValue/init(json:)-(String)`` does, and for a
    /// missing or unknown key and for a component that is no number or too large for a float.
    public init(json text: String) throws(VectorStoreError) {
        var text = text
        text.makeContiguousUTF8()
        try self.init(json: text.utf8)
    }

    /// The record of a JSON object in UTF-8; see ``init(json:)-(String)``.
    public init(json text: some Sequence<UInt8>) throws(VectorStoreError) {
        self = try JSONReader.read(text) { (reader) throws(VectorStoreError) in try reader.record() }
    }

    /// The record as a compact JSON object with the keys `id`, `payload` (where there is one) and `vector`.
    ///
    /// The text of each component reads back to the same float bit for bit.
    ///
    /// - Parameter asASCII: Whether all beyond ASCII is escaped (`\u00e9`).
    public func json(asASCII: Bool = false) -> String {
        var text: [UInt8] = []
        JSONWriter.append(self, to: &text, asASCII: asASCII)
        return String(decoding: text, as: UTF8.self)
    }
}

extension JSONReader {
    fileprivate mutating func record() throws(VectorStoreError) -> VectorRecord {
        var id: String?
        var vector: [Float]?
        var payload: [String: PayloadValue]?
        try object { (reader, key, offset) throws(VectorStoreError) in
            switch key {
            case "id": id = try reader.string()
            case "vector":
                var components: [Float] = []
                try reader.array { (reader) throws(VectorStoreError) in components.append(try reader.float()) }
                vector = components
            case "payload": payload = reader.null() ? nil : try reader.object()
            default: throw reader.error("a record has id, vector and payload, not \(key.quoted)", at: offset)
            }
        }
        guard let id else { throw error("the record has no id") }
        guard let vector else { throw error("the record has no vector") }
        return VectorRecord(id: id, vector: vector, payload: payload)
    }
}

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
