#if Chroma
internal import MiniORM

/// The bodies of requests about records.
enum RecordRequest {
    /// A part of an answer.
    enum Column: String {
        case metadatas, embeddings, distances
    }

    static func upsert(
        _ records: ArraySlice<VectorRecord>, _ mark: ChromaCollection.Mark, isBase64: Bool
    ) -> [UInt8] {
        var body: [UInt8] = []
        body.reserveCapacity(records.count * (mark.dimension * (isBase64 ? 6 : 13) + 400))
        body.append(contentsOf: "{\"ids\":[".utf8)
        for record in records {
            JSONWriter.append(quoted: record.id, to: &body)
            body.append(UInt8(ascii: ","))
        }
        body.removeLast()
        body.append(contentsOf: "],\"embeddings\":[".utf8)
        var exponents: [Int] = []
        for record in records {
            let exponent = mark.metric == .cosine ? VectorScale.exponent(record.vector) : 0
            exponents.append(exponent)
            let vector =
                exponent == 0 ? record.vector : record.vector.map { VectorScale.scaled($0, by: -exponent) }
            if isBase64 {
                body.append(UInt8(ascii: "\""))
                Base64.append(vector, to: &body)
                body.append(UInt8(ascii: "\""))
            } else {
                append(vector, to: &body)
            }
            body.append(UInt8(ascii: ","))
        }
        body.removeLast()
        body.append(contentsOf: "],\"metadatas\":[".utf8)
        for (record, exponent) in zip(records, exponents) {
            MetadataFields.append(record.payload, exponent: exponent, mark.indexed, to: &body)
            body.append(UInt8(ascii: ","))
        }
        body.removeLast()
        body.append(contentsOf: "]}".utf8)
        return body
    }

    static func get(
        ids: some Collection<String>, _ columns: [Column]
    ) -> [UInt8] {
        var body = Array("{\"ids\":".utf8)
        append(ids, to: &body)
        append(columns, to: &body)
        body.append(UInt8(ascii: "}"))
        return body
    }

    static func get(matching clause: WhereClause?, page: (offset: Int, limit: Int)? = nil) -> [UInt8] {
        var body = Array("{\"include\":[]".utf8)
        append(clause, to: &body)
        if let page { body.append(contentsOf: ",\"offset\":\(page.offset),\"limit\":\(page.limit)".utf8) }
        body.append(UInt8(ascii: "}"))
        return body
    }

    static func query(
        _ vectors: ArraySlice<[Float]>, _ clause: WhereClause?, results: Int, _ columns: [Column]
    ) -> [UInt8] {
        var body: [UInt8] = Array("{\"n_results\":\(results),\"query_embeddings\":[".utf8)
        for vector in vectors {
            append(vector, to: &body)
            body.append(UInt8(ascii: ","))
        }
        body[body.count - 1] = UInt8(ascii: "]")
        append(clause, to: &body)
        append(columns, to: &body)
        body.append(UInt8(ascii: "}"))
        return body
    }

    static func delete(ids: some Collection<String>) -> [UInt8] {
        var body = Array("{\"ids\":".utf8)
        append(ids, to: &body)
        body.append(UInt8(ascii: "}"))
        return body
    }

    private static func append(_ ids: some Collection<String>, to body: inout [UInt8]) {
        body.append(UInt8(ascii: "["))
        for (index, id) in ids.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            JSONWriter.append(quoted: id, to: &body)
        }
        body.append(UInt8(ascii: "]"))
    }

    private static func append(_ vector: [Float], to body: inout [UInt8]) {
        body.append(UInt8(ascii: "["))
        for (index, component) in vector.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            body.append(contentsOf: component.description.utf8)
        }
        body.append(UInt8(ascii: "]"))
    }

    private static func append(_ clause: WhereClause?, to body: inout [UInt8]) {
        guard let clause else { return }
        body.append(contentsOf: ",\"where\":".utf8)
        body.append(contentsOf: clause.json)
    }

    private static func append(_ columns: [Column], to body: inout [UInt8]) {
        let names = columns.map { "\"\($0.rawValue)\"" }.joined(separator: ",")
        body.append(contentsOf: ",\"include\":[\(names)]".utf8)
    }
}
#endif
