#if Chroma
public import MiniORM

extension ChromaVectorStore {
    /// Asks the index, wider where our side of the filter leaves too few, and scores every matching record where the
    /// index finds fewer than there are or its 32-bit distances do not tell which are the best: where dot products or
    /// cosines below 2^-10 are among the best, and where distances overflow or vanish.
    public func query(_ request: QueryRequest) async throws(VectorStoreError) -> [VectorSearchResult] {
        let batch = QueryBatchRequest(
            collection: request.collection, vectors: [request.vector], options: request.options)
        return try await queryBatch(batch).first ?? []
    }

    /// Asks for many vectors in one request, and for those that come back with too few answers one by one.
    public func queryBatch(_ request: QueryBatchRequest) async throws(VectorStoreError) -> [[VectorSearchResult]] {
        let opened = try await open(request.collection)
        let mark = opened.mark
        for vector in request.vectors {
            guard vector.count == mark.dimension, vector.isFinite else {
                throw VectorStoreError(
                    .invalidVector, "a query vector has \(mark.dimension) finite components", store: name,
                    collection: request.collection)
            }
        }
        guard request.options.topK > 0 else { return request.vectors.map { _ in [] } }
        let search = IndexSearch(
            store: self, opened: opened, options: request.options, clause: clause(request.options.filter, mark))
        if configuration.isExact || request.options.topK > IndexSearch.widest {
            return try await search.exact(request.vectors[...])
        }
        return try await search.answers(request.vectors)
    }
}

/// A query, or many with the same options.
struct IndexSearch {
    let store: ChromaVectorStore
    let opened: OpenedCollection
    let options: QueryOptions
    let clause: WhereClause?

    /// More than this is not asked of the index, of one query nor of all those of one request: scoring all that matches
    /// is then as quick, and a few times more are more than the server can look up at once.
    static let widest = 10_000

    private var mark: ChromaCollection.Mark { opened.mark }

    private var columns: [RecordRequest.Column] {
        options.includeVectors ? [.distances, .metadatas, .embeddings] : [.distances, .metadatas]
    }

    func answers(_ vectors: [[Float]]) async throws(VectorStoreError) -> [[VectorSearchResult]] {
        var width = min(options.topK, limit)
        var answers: [Int: [VectorSearchResult]] = [:]
        var open = Array(vectors.indices)
        var untold: [Int] = []
        var candidates: Int?
        while !open.isEmpty {
            var short: [Int] = []
            var isUnderReturned = false
            // The answers of one request stay small, however wide they are.
            for asked in store.chunks(open, max(1, min(100, Self.widest / width))) {
                let lists = try await lists(asked.map { vectors[$0] }, width)
                guard lists.count == asked.count else {
                    throw VectorStoreError(.backend, "the server answered too few queries", store: "chroma")
                }
                for (index, rows) in zip(asked, lists) {
                    let matched = try ChromaVectorStore.matching(rows, options.filter)
                    var isAll = false
                    if matched.count < options.topK, rows.count < width {
                        if candidates == nil { candidates = try await candidateCount() }
                        isAll = rows.count >= candidates ?? 0
                    }
                    if isAll || matched.count >= options.topK {
                        if let results = try await results(matched, vectors[index], isAll) {
                            answers[index] = results
                        } else {
                            untold.append(index)
                        }
                    } else {
                        short.append(index)
                        if rows.count < width { isUnderReturned = true }
                    }
                }
            }
            open = short
            if open.isEmpty { break }
            if isUnderReturned || width >= min(limit, Self.widest) {
                untold += open
                break
            }
            width = min(limit, Self.widest, width * 4)
        }
        if !untold.isEmpty {
            for (index, results) in zip(untold, try await exact(untold.map { vectors[$0] }[...])) {
                answers[index] = results
            }
        }
        return vectors.indices.map { answers[$0] ?? [] }
    }

    private var limit: Int { store.configuration.limits.recordsPerAnswer ?? Int(Int32.max) }

    private func lists(_ vectors: [[Float]], _ width: Int) async throws(VectorStoreError) -> [[ChromaRow]] {
        let scaled = mark.metric == .cosine ? vectors.map(Self.middling) : vectors
        let body = RecordRequest.query(scaled[...], clause, results: width, columns)
        return try RecordReply.lists(try await store.send("query", body, opened))
    }

    private static func middling(_ vector: [Float]) -> [Float] {
        VectorScale.divided(vector, VectorScale.exponent(vector))
    }

    /// How many records the server has to choose from.
    private func candidateCount() async throws(VectorStoreError) -> Int {
        clause == nil
            ? try RecordReply.count(try await store.send("count", nil, opened))
            : try await store.ids(opened, clause).count
    }

    /// Scores from distances; from vectors where a distance is too coarse. `nil` where better records than these may have
    /// been left out, unless these are all that there are.
    private func results(
        _ matched: [MatchedRow], _ vector: [Float], _ isAll: Bool
    ) async throws(VectorStoreError) -> [VectorSearchResult]? {
        var scores = matched.map { ChromaScore.score(mark.metric, distance: $0.row.distance, of: vector) }
        // What did not come back is no better than the last of the answers.
        let isTold =
            isAll || scores[options.topK - 1] != nil || ChromaScore.areTooLow(mark.metric, below: options.minScore)
        if !isAll, matched.contains(where: { $0.row.distance?.isFinite != true }) { return nil }
        // No record is nearer than those at no distance, which only their vectors can tell.
        if !isTold, mark.metric != .l2 { return nil }
        let coarse = scores.indices.filter { scores[$0] == nil }
        if !coarse.isEmpty {
            var vectors: [UTF8Key: [Float]] = [:]
            let ids = coarse.map { matched[$0].row.id }
            for chunk in store.chunks(ids, store.pageSize(mark)) {
                for row in try await store.rows(opened, chunk, [.metadatas, .embeddings]).rows {
                    vectors[UTF8Key(row.id)] = row.original
                }
            }
            for index in coarse {
                scores[index] = vectors[UTF8Key(matched[index].row.id)].map {
                    mark.metric.score(vector, $0)
                }
            }
        }
        var results: [VectorSearchResult] = []
        for (matched, score) in zip(matched, scores) {
            // Without a score the record was deleted meanwhile.
            guard let score, score >= options.minScore ?? -.infinity else { continue }
            results.append(
                VectorSearchResult(
                    id: matched.row.id, score: score, payload: try matched.decoded(),
                    vector: options.includeVectors ? matched.row.original : nil))
        }
        results.sort(by: VectorSearchResult.isBetter)
        results = Array(results.prefix(options.topK))
        return isTold || results.count == options.topK && results.allSatisfy { $0.score == 0 } ? results : nil
    }

    /// Scores every record that matches, a page at a time, in double arithmetic.
    func exact(_ vectors: ArraySlice<[Float]>) async throws(VectorStoreError) -> [[VectorSearchResult]] {
        var best = vectors.map { _ in
            BestOf<MatchedRow>(options.topK, minScore: options.minScore) {
                UTF8Key($0.row.id) < UTF8Key($1.row.id)
            }
        }
        // Where the server does not evaluate the whole filter, it is known only from the payloads which vectors to
        // read.
        let needsPayloads = options.filter != nil && options.filter != clause?.filter
        try await store.forEachPage(
            opened, options.filter, needsPayloads ? [.metadatas] : [.metadatas, .embeddings]
        ) { (rows) async throws(VectorStoreError) in
            let rows = needsPayloads ? try await withVectors(rows) : rows
            for row in rows {
                guard let stored = row.row.original else {
                    throw VectorStoreError(
                        .backend, "the server answered a record without its vector", store: "chroma",
                        recordID: row.row.id)
                }
                for (position, vector) in vectors.enumerated() {
                    best[position].offer(row, mark.metric.score(vector, stored))
                }
            }
        }
        var answers: [[VectorSearchResult]] = []
        for best in best {
            var results: [VectorSearchResult] = []
            for (score, row) in best.sorted() {
                results.append(
                    VectorSearchResult(
                        id: row.row.id, score: score, payload: try row.decoded(),
                        vector: options.includeVectors ? row.row.original : nil))
            }
            answers.append(results)
        }
        return answers
    }

    /// The records with their vectors, as they are now: what was deleted or replaced meanwhile may not match any more.
    private func withVectors(_ rows: [MatchedRow]) async throws(VectorStoreError) -> [MatchedRow] {
        guard !rows.isEmpty else { return [] }
        let found = try await store.rows(opened, rows.map(\.row.id), [.metadatas, .embeddings]).rows
        return try ChromaVectorStore.matching(found, options.filter)
    }
}
#endif
