#if Chroma
internal import MiniORM
internal import NIOCore

/// A collection as the server describes it.
struct ChromaCollection: Sendable, Hashable {
    /// The server's id, which data is sent to. Another one after the collection was dropped and created again.
    var id: String
    var name: String
    /// Ours, as the collection's metadata says; `nil` for a collection that this library did not create.
    var mark: Mark?

    /// What this library notes in the metadata of its collections.
    struct Mark: Sendable, Hashable {
        var dimension: Int
        var metric: VectorMetric
        var indexed: IndexedKeys
        /// Which call created it.
        var creation: String

        static let version = 1
        /// Longer vectors than memory holds; arithmetic on their lengths does not overflow.
        static let dimensions = 1...Int(Int32.max)
    }
}

extension ChromaCollection {
    /// The body of a request that creates a collection.
    static func creation(_ collection: CollectionDescription, _ configuration: ChromaConfiguration, _ creation: String)
        -> [UInt8]
    {
        let space =
            switch collection.metric {
            case .cosine: "cosine"
            case .dot: "ip"
            case .l2: "l2"
            }
        var index: [String: PayloadValue] = ["space": .string(space)]
        if let value = configuration.efSearch { index["ef_search"] = value.payloadValue }
        if let value = configuration.efConstruction { index["ef_construction"] = value.payloadValue }
        if let value = configuration.maxNeighbors { index["max_neighbors"] = value.payloadValue }
        var mark: [String: PayloadValue] = [
            "mini-orm": Mark.version.payloadValue, "mini-orm:dimension": collection.dimension.payloadValue,
            "mini-orm:metric": .string(collection.metric.rawValue),
            "mini-orm:indexed": .string(configuration.indexedFields.rawValue),
            "mini-orm:creation": .string(creation),
        ]
        if let value = configuration.limits.bytesPerKey { mark["mini-orm:key-bytes"] = value.payloadValue }
        var body: [UInt8] = []
        JSONWriter.append(
            [
                "name": .string(collection.name), "get_or_create": false,
                "configuration": ["hnsw": .object(index)], "metadata": .object(mark),
            ], to: &body)
        return body
    }

    /// The collection of an answer.
    static func read(_ body: ByteBuffer?) throws(VectorStoreError) -> Self {
        guard let collection = try read(body, { (reader) throws(VectorStoreError) in try Self(&reader) }) else {
            throw VectorStoreError(.backend, "the server's answer is not a collection", store: "chroma")
        }
        return collection
    }

    /// The collections of an answer.
    static func list(_ body: ByteBuffer?) throws(VectorStoreError) -> [Self] {
        try read(body) { (reader) throws(VectorStoreError) in
            var collections: [Self] = []
            try reader.array { (reader) throws(VectorStoreError) in
                if let collection = try Self(&reader) { collections.append(collection) }
            }
            return collections
        }
    }

    private static func read<Value>(
        _ body: ByteBuffer?, _ value: (inout JSONReader) throws(VectorStoreError) -> Value
    ) throws(VectorStoreError) -> Value {
        do { return try JSONReader.read((body ?? ByteBuffer()).readableBytesView, as: value) } catch {
            throw ChromaError.unreadable(error)
        }
    }

    /// Skips what is not ours: a description of the index holds numbers beyond 64 bits.
    private init?(_ reader: inout JSONReader) throws(VectorStoreError) {
        var id: String?, name: String?, metadata: [String: PayloadValue]?
        try reader.object { (reader, key, _) throws(VectorStoreError) in
            switch key {
            case "id": id = try reader.string()
            case "name": name = try reader.string()
            case "metadata" where !reader.null(): metadata = try Self.marks(&reader)
            case "metadata": break
            default: try reader.skipValue()
            }
        }
        guard let id, let name else { return nil }
        self.init(id: id, name: name, mark: metadata.flatMap(Mark.init))
    }

    private static func marks(_ reader: inout JSONReader) throws(VectorStoreError) -> [String: PayloadValue] {
        var marks: [String: PayloadValue] = [:]
        try reader.object { (reader, key, _) throws(VectorStoreError) in
            if key.hasPrefix("mini-orm") { marks[key] = try reader.value() } else { try reader.skipValue() }
        }
        return marks
    }
}

extension ChromaCollection.Mark {
    fileprivate init?(_ metadata: [String: PayloadValue]) {
        guard metadata["mini-orm"]?.intValue == Self.version,
            let dimension = metadata["mini-orm:dimension"]?.intValue, Self.dimensions.contains(dimension),
            let metric = metadata["mini-orm:metric"]?.stringValue.flatMap(VectorMetric.init(rawValue:)),
            let indexed = metadata["mini-orm:indexed"]?.stringValue.flatMap(ChromaIndexedFields.init(rawValue:)),
            let creation = metadata["mini-orm:creation"]?.stringValue
        else { return nil }
        self.init(
            dimension: dimension, metric: metric,
            indexed: IndexedKeys(fields: indexed, bytesPerKey: metadata["mini-orm:key-bytes"]?.intValue),
            creation: creation)
    }
}
#endif
