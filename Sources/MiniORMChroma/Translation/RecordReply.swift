#if Chroma
internal import MiniORM
internal import NIOCore

/// A record as the server answers it: what was asked for is there.
struct ChromaRow: Sendable {
    var id: String
    /// The text at our metadata key.
    var text: String?
    /// The vector as it is stored.
    var vector: [Float]?
    /// `nil` where the server could not compute one.
    var distance: Float?

    /// The vector that was given.
    var original: [Float]? {
        let exponent = MetadataFields.exponent(text)
        guard exponent != 0 else { return vector }
        return vector?.map { VectorScale.scaled($0, by: exponent) }
    }

    func payload() throws(VectorStoreError) -> [String: PayloadValue]? {
        do { return try MetadataFields.read(text).payload } catch { throw error.adding(recordID: id) }
    }
}

/// Reads the answers to `get` and `query` in one pass, floats straight into vectors.
enum RecordReply {
    /// The rows of a `get`.
    static func rows(_ body: ByteBuffer?) throws(VectorStoreError) -> [ChromaRow] {
        var columns = Columns()
        try read(body) { (reader, key) throws(VectorStoreError) in try columns.read(&reader, key) }
        return try columns.rows()
    }

    /// The rows of a `query`, a list for each vector.
    static func lists(_ body: ByteBuffer?) throws(VectorStoreError) -> [[ChromaRow]] {
        var lists: [Columns] = []
        try read(body) { (reader, key) throws(VectorStoreError) in
            guard Columns.keys.contains(key) else {
                try reader.skipValue()
                return
            }
            if reader.null() { return }
            var index = 0
            try reader.array { (reader) throws(VectorStoreError) in
                if index == lists.count { lists.append(Columns()) }
                try lists[index].read(&reader, key)
                index += 1
            }
        }
        var rows: [[ChromaRow]] = []
        for list in lists { rows.append(try list.rows()) }
        return rows
    }

    /// The number that is an answer.
    static func count(_ body: ByteBuffer?) throws(VectorStoreError) -> Int {
        guard let body, let count = Int(String(decoding: body.readableBytesView, as: UTF8.self)) else {
            throw VectorStoreError(.backend, "the server's answer is not a number", store: "chroma")
        }
        return count
    }

    private static func read(
        _ body: ByteBuffer?, _ member: (inout JSONReader, String) throws(VectorStoreError) -> Void
    ) throws(VectorStoreError) {
        do {
            try JSONReader.read((body ?? ByteBuffer()).readableBytesView) { (reader) throws(VectorStoreError) in
                try reader.object { (reader, key, _) throws(VectorStoreError) in try member(&reader, key) }
            }
        } catch { throw ChromaError.unreadable(error) }
    }

    private struct Columns {
        static let keys: Set<String> = ["ids", "metadatas", "embeddings", "distances"]

        var ids: [String] = []
        var texts: [String?]?
        var vectors: [[Float]?]?
        var distances: [Float?]?

        mutating func read(_ reader: inout JSONReader, _ key: String) throws(VectorStoreError) {
            guard Self.keys.contains(key) else {
                try reader.skipValue()
                return
            }
            if reader.null() { return }
            switch key {
            case "ids":
                var ids: [String] = []
                try reader.array { (reader) throws(VectorStoreError) in ids.append(try reader.string()) }
                self.ids = ids
            case "metadatas":
                var texts: [String?] = []
                try reader.array { (reader) throws(VectorStoreError) in texts.append(try Self.text(&reader)) }
                self.texts = texts
            case "embeddings":
                var vectors: [[Float]?] = []
                try reader.array { (reader) throws(VectorStoreError) in vectors.append(try Self.vector(&reader)) }
                self.vectors = vectors
            default:
                var distances: [Float?] = []
                try reader.array { (reader) throws(VectorStoreError) in
                    distances.append(reader.null() ? nil : try reader.float())
                }
                self.distances = distances
            }
        }

        private static func text(_ reader: inout JSONReader) throws(VectorStoreError) -> String? {
            if reader.null() { return nil }
            var first: String?
            var others: [String: String] = [:]
            try reader.object { (reader, key, _) throws(VectorStoreError) in
                if key == MetadataFields.payload {
                    first = try reader.string()
                } else if key.utf8.starts(with: MetadataFields.payload.utf8) {
                    others[key] = try reader.string()
                } else {
                    try reader.skipValue()
                }
            }
            return MetadataFields.text(first, others)
        }

        private static func vector(_ reader: inout JSONReader) throws(VectorStoreError) -> [Float]? {
            if reader.null() { return nil }
            var vector: [Float] = []
            try reader.array { (reader) throws(VectorStoreError) in
                vector.append(reader.null() ? .nan : try reader.float())
            }
            return vector
        }

        func rows() throws(VectorStoreError) -> [ChromaRow] {
            guard texts?.count ?? ids.count == ids.count, vectors?.count ?? ids.count == ids.count,
                distances?.count ?? ids.count == ids.count
            else { throw VectorStoreError(.backend, "the server's answer has uneven columns", store: "chroma") }
            return ids.indices.map {
                ChromaRow(id: ids[$0], text: texts?[$0], vector: vectors?[$0], distance: distances?[$0] ?? nil)
            }
        }
    }
}
#endif
