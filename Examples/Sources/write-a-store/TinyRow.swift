import MiniORM

/// A name or an id as a key of the engine.
///
/// Ids are compared by their bytes, and the engine compares texts by canonical equivalence; so a key is the bytes in
/// hexadecimal, which order as the bytes do.
enum Key {
    static func of(_ text: String) -> String {
        text.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

/// A record as a row of the engine, and back.
///
/// The engine's metadata is flat text, so the payload travels beside it as exact JSON, and what the engine can filter by
/// is added.
enum TinyRow {
    static let id = "id", payload = "payload"
    /// Before the name of a field, so that no field has the name of the entries above.
    static func field(_ name: String) -> String { "field:" + name }

    static func row(_ record: VectorRecord) -> TinyEngine.Row {
        var metadata = [id: record.id]
        if let members = record.payload {
            metadata[payload] = PayloadValue.object(members).json()
            for case (let name, .string(let text)) in members { metadata[field(name)] = text }
        }
        return TinyEngine.Row(key: Key.of(record.id), vector: record.vector, metadata: metadata)
    }

    static func record(_ row: TinyEngine.Row) throws(VectorStoreError) -> VectorRecord {
        guard let id = row.metadata[id] else { throw VectorStoreError(.corruptedStorage, "the row has no id") }
        var record = VectorRecord(id: id, vector: row.vector)
        if let text = row.metadata[payload] { record.payload = try PayloadValue(json: text).objectValue }
        return record
    }
}

/// A filter, cut into what the engine evaluates and what is left.
struct TinyFilter {
    /// What the engine is asked for.
    private(set) var pairs: [String: String] = [:]
    let pushed: VectorFilter?
    let finished: VectorFilter?

    init(_ filter: VectorFilter?) {
        guard let filter else {
            (pushed, finished) = (nil, nil)
            return
        }
        var pairs: [String: String] = [:]
        (pushed, finished) = filter.split { term in
            guard case .compare(let path, .equal, .string(let text)) = term, path.parts.count == 1 else { return .none }
            let name = TinyRow.field(path.parts[0])
            // Two conditions on one field cannot be told to the engine; the second one is finished here.
            guard pairs[name] == nil else { return .none }
            pairs[name] = text
            // The engine takes more texts for equal than the contract does.
            return .wider(term)
        }
        self.pairs = pairs
    }
}
