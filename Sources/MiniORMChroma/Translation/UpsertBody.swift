#if Chroma
internal import MiniORM
internal import NIOCore

/// The body of an upsert, made record by record, so that it ends where it would become too long.
struct UpsertBody {
    private let mark: ChromaCollection.Mark
    private let limits: ChromaLimits
    private let isBase64: Bool
    private var ids = Array("{\"ids\":[".utf8)
    private var metadata = Array("],\"metadatas\":[".utf8)
    /// Numbers as text; those in base64, which are as long as is known before, are written into the body itself.
    private var vectors: [UInt8] = []
    /// Of each record, the power of two to divide its vector by.
    private var exponents: [Int] = []

    private init(_ mark: ChromaCollection.Mark, _ limits: ChromaLimits, isBase64: Bool) {
        self.mark = mark
        self.limits = limits
        self.isBase64 = isBase64
    }

    /// A body of the first of some records, at least one and at most `limit`, and how many they are.
    static func first(
        of records: ArraySlice<VectorRecord>, limit: Int, _ mark: ChromaCollection.Mark, _ limits: ChromaLimits,
        isBase64: Bool
    ) throws(VectorStoreError) -> (body: ByteBuffer, count: Int) {
        var body = Self(mark, limits, isBase64: isBase64)
        for record in records.prefix(limit) {
            guard try body.append(record) else { break }
        }
        let count = body.exponents.count
        return (body.finished(records.prefix(count)), count)
    }

    /// Appends a record; false, and nothing is appended, if the body would become too long.
    private mutating func append(_ record: VectorRecord) throws(VectorStoreError) -> Bool {
        let lengths = (ids.count, vectors.count, metadata.count)
        let isFirst = exponents.isEmpty
        if !isFirst {
            ids.append(UInt8(ascii: ","))
            metadata.append(UInt8(ascii: ","))
        }
        JSONWriter.append(quoted: record.id, to: &ids)
        let exponent = mark.metric == .cosine ? VectorScale.exponent(record.vector) : 0
        if !isBase64 {
            if !isFirst { vectors.append(UInt8(ascii: ",")) }
            RecordRequest.append(VectorScale.divided(record.vector, exponent), to: &vectors)
        }
        do {
            try MetadataFields.append(record.payload, exponent: exponent, mark.indexed, limits, to: &metadata)
        } catch { throw error.adding(recordID: record.id) }
        exponents.append(exponent)
        if isFirst || length <= limits.bytesPerWrite { return true }
        exponents.removeLast()
        ids.removeLast(ids.count - lengths.0)
        vectors.removeLast(vectors.count - lengths.1)
        metadata.removeLast(metadata.count - lengths.2)
        return false
    }

    private static let beforeVectors = "],\"embeddings\":["
    private static let end = "]}"

    /// The bytes of the body; a comma more.
    private var length: Int {
        let texts = isBase64 ? exponents.count * (Base64.length(mark.dimension * 4) + 3) : vectors.count
        return ids.count + metadata.count + Self.beforeVectors.utf8.count + texts + Self.end.utf8.count
    }

    private func finished(_ records: ArraySlice<VectorRecord>) -> ByteBuffer {
        var body = ByteBufferAllocator().buffer(capacity: length)
        body.writeBytes(ids)
        body.writeBytes(metadata)
        body.writeString(Self.beforeVectors)
        if isBase64 {
            for (index, record) in records.enumerated() {
                body.writeString(index == 0 ? "\"" : ",\"")
                Base64.append(VectorScale.divided(record.vector, exponents[index]), to: &body)
                body.writeString("\"")
            }
        } else {
            body.writeBytes(vectors)
        }
        body.writeString(Self.end)
        return body
    }
}
#endif
