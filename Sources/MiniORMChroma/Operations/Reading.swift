#if Chroma
public import MiniORM
internal import NIOCore

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
        let opened = try await open(request.collection)
        var records: [VectorRecord] = []
        if let ids = request.ids {
            // An empty list is asked too, and so tells whether the collection is there.
            if ids.isEmpty { _ = try await send("count", nil, opened) }
            for chunk in chunks(ids.filter(isPossible(id:)), pageSize(opened.mark)) {
                let rows = try await rows(opened, chunk, [.metadatas, .embeddings]).rows
                for row in rows { records.append(try Self.record(MatchedRow(row: row))) }
            }
        } else {
            try await forEachPage(opened, nil, [.metadatas, .embeddings]) { (rows) throws(VectorStoreError) in
                for row in rows { records.append(try Self.record(row)) }
            }
        }
        return records
    }

    /// The number of records that match: the server's own for no filter, else counted on our side.
    public func count(_ request: CountRequest) async throws(VectorStoreError) -> Int {
        let opened = try await open(request.collection)
        guard let filter = request.filter else { return try RecordReply.count(try await send("count", nil, opened)) }
        var count = 0
        try await forEachPage(opened, filter, [.metadatas]) { (rows) throws(VectorStoreError) in
            count += rows.count
        }
        return count
    }

    private struct Position: Sendable {
        var ids: Slice<IDList>
        var opened: OpenedCollection
    }

    /// A page of the records that are there when the first page is read.
    ///
    /// The cursor holds the ids that are left, each for its bytes and eight more: the server has no order to continue
    /// in but that of insertion, whose places move when records are deleted, and those that are read are often deleted.
    /// So what a scan takes is a page of records, and the ids of all that it reads.
    public func scan(_ request: ScanRequest) async throws(VectorStoreError) -> ScanPage {
        var position: Position
        if let cursor = request.cursor {
            guard let state = cursor.state as? Position else {
                throw VectorStoreError(.invalidArgument, "the cursor is not one of this store's", store: name)
            }
            position = state
        } else {
            let opened = try await open(request.collection)
            position = Position(ids: try await ids(opened, clause(request.filter, opened.mark))[...], opened: opened)
        }
        let page = position.ids.prefix(min(max(1, request.pageSize), pageSize(position.opened.mark)))
        position.ids = position.ids.dropFirst(page.count)
        var records: [VectorRecord] = []
        if !page.isEmpty {
            let rows = try await rows(position.opened, page, [.metadatas, .embeddings]).rows
            for row in try Self.matching(rows, request.filter) { records.append(try Self.record(row)) }
        }
        return ScanPage(records: records, next: position.ids.isEmpty ? nil : ScanCursor(position))
    }
}

// What the operations share.
extension ChromaVectorStore {
    func clause(_ filter: VectorFilter?, _ mark: ChromaCollection.Mark) -> WhereClause? {
        filter.flatMap { WhereClause($0, mark.indexed, configuration.limits) }
    }

    /// Whether the server can have a record of this id.
    func isPossible(id: String) -> Bool { !id.isEmpty && id.utf8.count <= configuration.limits.bytesPerID ?? Int.max }

    /// More records in one answer make the server fail: it looks all of them up in one statement.
    static let idsPerAnswer = 10_000

    /// How many records are read at once: about 16 MB of numbers.
    func pageSize(_ mark: ChromaCollection.Mark) -> Int {
        let limits = configuration.limits
        let most = min(limits.recordsPerRead, limits.recordsPerAnswer ?? Int.max, Self.idsPerAnswer)
        return max(1, min(most, (16 << 20) / (mark.dimension * 12)))
    }

    func chunks<Elements: RandomAccessCollection>(_ elements: Elements, _ size: Int) -> [Elements.SubSequence]
    where Elements.Index == Int {
        stride(from: elements.startIndex, to: elements.endIndex, by: size).map {
            elements[$0..<min($0 + size, elements.endIndex)]
        }
    }

    /// The ids of the records that a clause matches, in the order of insertion.
    func ids(_ opened: OpenedCollection, _ clause: WhereClause?) async throws(VectorStoreError) -> IDList {
        let limit = configuration.limits.recordsPerAnswer
        return try await IDList.read(blockSize: limit ?? Self.idsPerAnswer, canGrow: limit == nil) {
            (offset, count) async throws(VectorStoreError) in
            let body = RecordRequest.get(matching: clause, offset: offset, limit: count)
            return try RecordReply.rows(try await self.send("get", body, opened)).map(\.id)
        }
    }

    /// The body of a request for records by id.
    func get(_ ids: some Collection<String>, _ columns: [RecordRequest.Column]) -> [UInt8] {
        RecordRequest.get(ids: ids, columns, isLimited: configuration.limits.recordsPerAnswer != nil)
    }

    /// Records by id, and how many bytes the answer had.
    func rows(
        _ opened: OpenedCollection, _ ids: some Collection<String>, _ columns: [RecordRequest.Column]
    ) async throws(VectorStoreError) -> (rows: [ChromaRow], bytes: Int) {
        let body = try await send("get", get(ids, columns), opened)
        return (try RecordReply.rows(body), body?.readableBytes ?? 0)
    }

    /// Reads every record that matches, a page at a time; the pages are smaller where payloads turn out to be long.
    func forEachPage(
        _ opened: OpenedCollection, _ filter: VectorFilter?, _ columns: [RecordRequest.Column],
        _ body: ([MatchedRow]) async throws(VectorStoreError) -> Void
    ) async throws(VectorStoreError) {
        var ids = try await ids(opened, clause(filter, opened.mark))[...]
        let most = pageSize(opened.mark)
        var size = min(most, 500)
        while !ids.isEmpty {
            if Task.isCancelled { throw ChromaError.cancelled(nil) }
            let page = ids.prefix(size)
            ids = ids.dropFirst(size)
            let (rows, bytes) = try await rows(opened, page, columns)
            size = max(1, min(most, (32 << 20) / max(1, bytes / page.count)))
            try await body(try Self.matching(rows, filter))
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
