#if Qdrant
public import MiniORM

extension QdrantVectorStore {
    /// The records nearest to a vector.
    ///
    /// One call, as a rule. Where fewer than `topK` records came back the engine is asked again, exactly; where the filter
    /// is finished on our side and too few of the candidates match, again with more of them; and at the end of that, or
    /// where scores overflow single precision, every candidate is read and scored here.
    public func query(_ request: QueryRequest) async throws(VectorStoreError) -> [VectorSearchResult] {
        let answers = try await answers(request.collection, [request.vector], request.options)
        return answers.first ?? []
    }

    /// Answers as by ``query(_:)``: all vectors in one call, and further ones for those that need more.
    public func queryBatch(_ request: QueryBatchRequest) async throws(VectorStoreError) -> [[VectorSearchResult]] {
        try await answers(request.collection, request.vectors, request.options)
    }

    private func answers(
        _ name: String, _ vectors: [[Float]], _ options: QueryOptions
    ) async throws(VectorStoreError) -> [[VectorSearchResult]] {
        try await with(name) { collection async throws(VectorStoreError) in
            for vector in vectors { try collection.check(vector) }
            guard options.topK > 0 else { return vectors.map { _ in [] } }
            let plan = try await plan(options.filter, name, collection)
            let search = Search(name, collection, options, plan, isExact: self.options.search.exact)
            var answers: [[VectorSearchResult]] = []
            if search.limit > search.maximumLimit {
                for vector in vectors { answers.append(try await scoredHere(search, vector)) }
                return answers
            }
            for part in search.parts(of: vectors) {
                let found = try await found(search, part)
                for (vector, points) in zip(part, found) {
                    answers.append(try await widened(search, vector, points))
                }
            }
            return answers
        }
    }

    /// Asks again until there are enough answers, or no more.
    private func widened(
        _ search: Search, _ vector: [Float], _ first: [StoredPoint]
    ) async throws(VectorStoreError) -> [VectorSearchResult] {
        var search = search
        var points = first
        while true {
            let isExhausted = points.count < search.limit
            let results = try search.results(points)
            if results.contains(where: { !$0.score.isFinite }) { return try await scoredHere(search, vector) }
            if search.isEnough(results, last: points.last, isExhausted) { return results }
            if isExhausted {
                if search.isExact { return results }
                search.isExact = true
            } else {
                search.limit *= 4
            }
            guard search.limit <= search.maximumLimit else { return try await scoredHere(search, vector) }
            do throws(VectorStoreError) { points = try await found(search, [vector]).first ?? [] } catch {
                // Strict mode may allow no exact search.
                guard error.code == .invalidArgument, search.isExact, !options.search.exact else { throw error }
                return try await scoredHere(search, vector)
            }
        }
    }

    private func found(_ search: Search, _ vectors: [[Float]]) async throws(VectorStoreError) -> [[StoredPoint]] {
        let requests = vectors.map { request(search, $0) }
        var found: [[StoredPoint]] = []
        if requests.count == 1 {
            found = [try await connection.call(QdrantMethods.query, requests[0])]
        } else {
            var batch = Qdrant_QueryBatchPoints()
            batch.collectionName = search.name
            batch.queryPoints = requests
            if let consistency { batch.readConsistency = consistency }
            found = try await connection.call(QdrantMethods.queryBatch, batch)
            guard found.count == vectors.count else {
                throw VectorStoreError(
                    .backend, "the server answered \(found.count) of \(vectors.count) queries", store: Self.name)
            }
        }
        for index in found.indices {
            found[index] = try await complete(found[index], search.name, search.collection)
        }
        return found
    }

    private func request(_ search: Search, _ vector: [Float]) -> Qdrant_QueryPoints {
        var request = Qdrant_QueryPoints()
        request.collectionName = search.name
        request.query.nearest.dense.data = search.collection.queryVector(vector)
        if let filter = search.plan.pushed { request.filter = filter }
        if search.isExact { request.params.exact = true }
        if let ef = options.search.ef { request.params.hnswEf = UInt64(clamping: ef) }
        if let rescore = options.search.rescore { request.params.quantization.rescore = rescore }
        if let oversampling = options.search.oversampling { request.params.quantization.oversampling = oversampling }
        request.limit = UInt64(clamping: search.limit)
        request.withPayload = search.collection.payloadSelector
        request.withVectors.enable = search.options.includeVectors
        if let consistency { request.readConsistency = consistency }
        return request
    }

    /// Reads every candidate and scores it here, holding a few times `topK` answers.
    private func scoredHere(_ search: Search, _ vector: [Float]) async throws(VectorStoreError) -> [VectorSearchResult]
    {
        let topK = search.options.topK
        var best: [VectorSearchResult] = []
        func cut() {
            best.sort { $0.score != $1.score ? $0.score > $1.score : UTF8Key($0.id) < UTF8Key($1.id) }
            if best.count > topK { best.removeLast(best.count - topK) }
        }
        var scroll = Scroll(search.name, search.plan, includeVectors: true)
        while let page = try await next(&scroll, search.collection, limit: 1024) {
            for point in page {
                let record = try point.record()
                let score = Score.of(vector, record.vector, search.collection.metric)
                if let minimum = search.options.minScore, score < minimum { continue }
                best.append(
                    VectorSearchResult(
                        id: record.id, score: score, payload: record.payload,
                        vector: search.options.includeVectors ? record.vector : nil))
            }
            if best.count / 2 > topK, best.count > 4096 { cut() }
        }
        cut()
        return best
    }
}

/// A query but for its vector, and how far it has been widened.
private struct Search {
    let name: String
    let collection: QdrantCollection
    let options: QueryOptions
    let plan: FilterTranslation.Plan
    /// How many candidates the engine is asked for.
    var limit: Int
    /// Whether the engine is to pass its index by.
    var isExact: Bool
    /// Whether answers are to be exact, ties at the cut included.
    let isExactWanted: Bool

    init(
        _ name: String, _ collection: QdrantCollection, _ options: QueryOptions, _ plan: FilterTranslation.Plan,
        isExact: Bool
    ) {
        self.plan = plan
        self.name = name
        self.collection = collection
        self.options = options
        self.isExact = isExact
        isExactWanted = isExact
        let topK = min(options.topK, Int(Int32.max) / 8)
        // One more than asked for shows whether there is a tie at the cut.
        limit = plan.finished == nil ? topK + 1 : max(64, 2 * topK)
    }

    /// From here on, reading everything is no slower than asking for so much.
    var maximumLimit: Int { min(16_384, collection.limits.queryLimit ?? .max) }

    func isEnough(_ results: [VectorSearchResult], last: StoredPoint?, _ isExhausted: Bool) -> Bool {
        guard results.count >= options.topK else { return false }
        guard isExactWanted, !isExhausted, let last else { return true }
        // What did not come back is no better than the last that did.
        return results[options.topK - 1].score > Score.fromEngine(last.score, collection.metric)
    }

    func results(_ points: [StoredPoint]) throws(VectorStoreError) -> [VectorSearchResult] {
        var results: [VectorSearchResult] = []
        results.reserveCapacity(points.count)
        for point in points {
            let payload = try point.recordPayload()
            if let filter = plan.finished, !filter.matches(payload) { continue }
            results.append(
                VectorSearchResult(
                    id: point.recordID, score: Score.fromEngine(point.score, collection.metric), payload: payload,
                    vector: options.includeVectors ? point.recordVector : nil))
        }
        return results
    }

    /// Vectors cut into calls, so that requests and replies stay at some megabytes.
    func parts(of vectors: [[Float]]) -> [[[Float]]] {
        let vectorBytes = collection.dimension * 4
        let replyBytes = limit * ((options.includeVectors ? vectorBytes : 0) + 512)
        let count = max(1, min((32 << 20) / (vectorBytes + replyBytes), collection.limits.searchCount ?? .max))
        return stride(from: 0, to: vectors.count, by: count).map { start in
            Array(vectors[start..<min(vectors.count, start + count)])
        }
    }
}
#endif
