#if Chroma
internal import MiniORM

/// The body of an upsert, made record by record, so that it ends where it would become too long.
struct UpsertBody {
    private let mark: ChromaCollection.Mark
    private let limits: ChromaLimits
    private let isBase64: Bool
    private var ids = Array("{\"ids\":[".utf8)
    private var vectors = Array("],\"embeddings\":[".utf8)
    private var metadata = Array("],\"metadatas\":[".utf8)

    init(_ mark: ChromaCollection.Mark, _ limits: ChromaLimits, isBase64: Bool) {
        self.mark = mark
        self.limits = limits
        self.isBase64 = isBase64
    }

    /// A body of the first of some records, at least one and at most `limit`, and how many they are.
    static func first(
        of records: ArraySlice<VectorRecord>, limit: Int, _ mark: ChromaCollection.Mark, _ limits: ChromaLimits,
        isBase64: Bool
    ) throws(VectorStoreError) -> (bytes: [UInt8], count: Int) {
        var body = Self(mark, limits, isBase64: isBase64)
        var count = 0
        for record in records.prefix(limit) {
            guard try body.append(record, isFirst: count == 0) else { break }
            count += 1
        }
        return (body.finished(), count)
    }

    /// Appends a record; false, and nothing is appended, if the body would become too long.
    private mutating func append(_ record: VectorRecord, isFirst: Bool) throws(VectorStoreError) -> Bool {
        let lengths = (ids.count, vectors.count, metadata.count)
        if !isFirst {
            ids.append(UInt8(ascii: ","))
            vectors.append(UInt8(ascii: ","))
            metadata.append(UInt8(ascii: ","))
        }
        JSONWriter.append(quoted: record.id, to: &ids)
        let exponent = mark.metric == .cosine ? VectorScale.exponent(record.vector) : 0
        append(exponent == 0 ? record.vector : record.vector.map { VectorScale.scaled($0, by: -exponent) })
        do {
            try MetadataFields.append(record.payload, exponent: exponent, mark.indexed, limits, to: &metadata)
        } catch { throw error.adding(recordID: record.id) }
        if isFirst || ids.count + vectors.count + metadata.count <= limits.bytesPerWrite { return true }
        ids.removeLast(ids.count - lengths.0)
        vectors.removeLast(vectors.count - lengths.1)
        metadata.removeLast(metadata.count - lengths.2)
        return false
    }

    private mutating func append(_ vector: [Float]) {
        guard isBase64 else { return RecordRequest.append(vector, to: &vectors) }
        vectors.append(UInt8(ascii: "\""))
        Base64.append(vector, to: &vectors)
        vectors.append(UInt8(ascii: "\""))
    }

    private func finished() -> [UInt8] {
        var body = ids
        body.reserveCapacity(ids.count + vectors.count + metadata.count + 2)
        body.append(contentsOf: vectors)
        body.append(contentsOf: metadata)
        body.append(contentsOf: "]}".utf8)
        return body
    }
}
#endif
