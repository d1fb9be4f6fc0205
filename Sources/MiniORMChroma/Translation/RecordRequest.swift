#if Chroma
internal import MiniORM

/// The bodies of requests about records.
enum RecordRequest {
    /// A part of an answer.
    enum Column: String {
        case metadatas, embeddings, distances
    }

    static func get(
        ids: some Collection<String>, _ columns: [Column], isLimited: Bool = false
    ) -> [UInt8] {
        var body = Array("{\"ids\":".utf8)
        append(ids, to: &body)
        if isLimited { body.append(contentsOf: ",\"limit\":\(ids.count)".utf8) }
        append(columns, to: &body)
        body.append(UInt8(ascii: "}"))
        return body
    }

    static func get(matching clause: WhereClause?, offset: Int, limit: Int) -> [UInt8] {
        var body = Array("{\"include\":[],\"offset\":\(offset),\"limit\":\(limit)".utf8)
        append(clause, to: &body)
        body.append(UInt8(ascii: "}"))
        return body
    }

    static func query(
        _ vectors: ArraySlice<[Float]>, _ clause: WhereClause?, results: Int, _ columns: [Column]
    ) -> [UInt8] {
        var body = Array("{\"n_results\":\(results),\"query_embeddings\":[".utf8)
        body.reserveCapacity(vectors.reduce(200) { $0 + $1.count * FloatText.longest } + (clause?.json.count ?? 0))
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

    static func append(_ vector: [Float], to body: inout [UInt8]) {
        body.append(UInt8(ascii: "["))
        FloatText.append(vector, to: &body)
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
