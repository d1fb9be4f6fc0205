#if Chroma
public import MiniORM

/// A row whose payload was read because a filter needed it.
struct MatchedRow {
    var row: ChromaRow
    var payload: [String: PayloadValue]?
    var isRead = false

    /// The payload, read now if it was not.
    func decoded() throws(VectorStoreError) -> [String: PayloadValue]? { isRead ? payload : try row.payload() }
}

extension ChromaVectorStore {
    /// Records by id, or all of them.
    public func fetch(_ request: FetchRequest) async throws(VectorStoreError) -> [VectorRecord] {
        let (_, mark) = try await collection(request.collection)
        var records: [VectorRecord] = []
        if let ids = request.ids {
            // An empty list is asked too, and so tells whether the collection is there.
            if ids.isEmpty { _ = try await send("count", nil, request.collection, mark) }
            for chunk in chunks(ids.filter { !$0.isEmpty }, pageSize(mark)) {
                let rows = try await rows(request.collection, mark, chunk, [.metadatas, .embeddings])
                for row in rows { records.append(try Self.record(MatchedRow(row: row))) }
            }
        } else {
            try await forEachPage(request.collection, mark, nil, [.metadatas, .embeddings]) {
                (rows) throws(VectorStoreError) in
                for row in rows { records.append(try Self.record(row)) }
            }
        }
        return records
    }

    /// The number of records that match: the server's own for no filter, else counted on our side.
    public func count(_ request: CountRequest) async throws(VectorStoreError) -> Int {
        let (_, mark) = try await collection(request.collection)
        guard let filter = request.filter else {
            return try RecordReply.count(try await send("count", nil, request.collection, mark))
        }
        var count = 0
        try await forEachPage(request.collection, mark, filter, [.metadatas]) { (rows) throws(VectorStoreError) in
            count += rows.count
        }
        return count
    }

    private struct Position: Sendable {
        var ids: ArraySlice<String>
        var mark: ChromaCollection.Mark
    }

    /// A page of the records that are there when the first page is read.
    ///
    /// The cursor holds the ids that are left: pages by number would skip records when others are deleted meanwhile.
    public func scan(_ request: ScanRequest) async throws(VectorStoreError) -> ScanPage {
        var position: Position
        if let cursor = request.cursor {
            guard let state = cursor.state as? Position else {
                throw VectorStoreError(.invalidArgument, "the cursor is not one of this store's", store: name)
            }
            position = state
        } else {
            let (_, mark) = try await collection(request.collection)
            let clause = clause(request.filter, mark)
            position = Position(ids: try await ids(request.collection, mark, clause)[...], mark: mark)
        }
        let page = position.ids.prefix(min(max(1, request.pageSize), pageSize(position.mark)))
        position.ids = position.ids.dropFirst(page.count)
        var records: [VectorRecord] = []
        if !page.isEmpty {
            let rows = try await rows(request.collection, position.mark, page, [.metadatas, .embeddings])
            for row in try Self.matching(rows, request.filter) { records.append(try Self.record(row)) }
        }
        return ScanPage(records: records, next: position.ids.isEmpty ? nil : ScanCursor(position))
    }
}

// What the operations share.
extension ChromaVectorStore {
    func clause(_ filter: VectorFilter?, _ mark: ChromaCollection.Mark) -> WhereClause? {
        filter.flatMap { WhereClause($0, mark.indexed, conditions: configuration.limits.conditions) }
    }

    /// How many records are read at once: about 16 MB of numbers.
    func pageSize(_ mark: ChromaCollection.Mark) -> Int {
        let limits = configuration.limits
        let most = min(limits.recordsPerRead, limits.recordsPerAnswer ?? limits.recordsPerRead)
        return max(1, min(most, (16 << 20) / (mark.dimension * 12)))
    }

    func chunks<Elements: RandomAccessCollection>(_ elements: Elements, _ size: Int) -> [Elements.SubSequence]
    where Elements.Index == Int {
        stride(from: elements.startIndex, to: elements.endIndex, by: size).map {
            elements[$0..<min($0 + size, elements.endIndex)]
        }
    }

    /// The ids of the records that a clause matches, in the order of insertion.
    func ids(
        _ name: String, _ mark: ChromaCollection.Mark, _ clause: WhereClause?
    ) async throws(VectorStoreError) -> [String] {
        guard let limit = configuration.limits.recordsPerAnswer else {
            return try RecordReply.rows(try await send("get", RecordRequest.get(matching: clause), name, mark)).map(
                \.id)
        }
        var ids: [String] = []
        var seen: Set<UTF8Key> = []
        while true {
            let body = RecordRequest.get(matching: clause, page: (ids.count, limit))
            let page = try RecordReply.rows(try await send("get", body, name, mark)).map(\.id)
            ids += page.filter { seen.insert(UTF8Key($0)).inserted }
            if page.count < limit { return ids }
        }
    }

    func rows(
        _ name: String, _ mark: ChromaCollection.Mark, _ ids: ArraySlice<String>, _ columns: [RecordRequest.Column]
    ) async throws(VectorStoreError) -> [ChromaRow] {
        try RecordReply.rows(try await send("get", RecordRequest.get(ids: ids, columns), name, mark))
    }

    /// Reads every record that matches, a page at a time.
    func forEachPage(
        _ name: String, _ mark: ChromaCollection.Mark, _ filter: VectorFilter?, _ columns: [RecordRequest.Column],
        _ body: ([MatchedRow]) async throws(VectorStoreError) -> Void
    ) async throws(VectorStoreError) {
        let ids = try await ids(name, mark, clause(filter, mark))
        for chunk in chunks(ids, pageSize(mark)) {
            if Task.isCancelled { throw ChromaError.cancelled(nil) }
            try await body(try Self.matching(try await rows(name, mark, chunk, columns), filter))
        }
    }

    static func matching(
        _ rows: [ChromaRow], _ filter: VectorFilter?
    ) throws(VectorStoreError) -> [MatchedRow] {
        guard let filter else { return rows.map { MatchedRow(row: $0) } }
        var matched: [MatchedRow] = []
        for row in rows {
            let payload = try row.payload()
            if filter.matches(payload) { matched.append(MatchedRow(row: row, payload: payload, isRead: true)) }
        }
        return matched
    }

    static func record(_ matched: MatchedRow) throws(VectorStoreError) -> VectorRecord {
        guard let vector = matched.row.original else {
            throw VectorStoreError(
                .backend, "the server answered a record without its vector", store: "chroma", recordID: matched.row.id)
        }
        return VectorRecord(id: matched.row.id, vector: vector, payload: try matched.decoded())
    }
}
#endif
