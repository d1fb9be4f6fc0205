internal import MiniORM

/// A record as a line of JSON.
enum RecordLine {
    /// Reads `{"id", "vector", "payload"}`.
    static func record(_ line: [UInt8]) throws(VectorStoreError) -> VectorRecord { try VectorRecord(json: line) }

    /// Reads `{"id", "payload"}`, the vector being elsewhere.
    static func idAndPayload(
        _ line: [UInt8]
    ) throws(VectorStoreError) -> (id: String, payload: [String: PayloadValue]?) {
        guard case .object(let members) = try PayloadValue(json: line) else { throw refused("a record is an object") }
        guard case .string(let id)? = members["id"] else {
            throw refused("the record has no id, or one that is no text")
        }
        if let other = members.keys.filter({ $0 != "id" && $0 != "payload" }).min() {
            throw refused("with --vectors a record has id and payload, not \(other.shown)")
        }
        switch members["payload"] {
        case .object(let payload)?: return (id, payload)
        case nil, .null?: return (id, nil)
        default: throw refused("the payload is no object")
        }
    }

    private static func refused(_ reason: String) -> VectorStoreError { VectorStoreError(.invalidArgument, reason) }

    /// Writes `{"id", "payload", "vector"}`, the payload null where there is none.
    static func bytes(_ record: VectorRecord) -> [UInt8] {
        var bytes: [UInt8] = []
        JSONWriter.append(record, to: &bytes)
        if record.payload == nil {
            var start = Array(#"{"id":"#.utf8)
            JSONWriter.append(quoted: record.id, to: &start)
            bytes.insert(contentsOf: #","payload":null"#.utf8, at: start.count)
        }
        return bytes
    }
}
