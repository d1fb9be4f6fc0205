#if Qdrant
public import MiniORM

extension QdrantVectorStore {
    /// The records nearest to a vector.
    ///
    /// One call, as a rule. Where fewer than `topK` records came back the engine counts them, and if there are more is
    /// asked again, exactly; where the filter is finished on our side and too few of the candidates match, again with
    /// more of them; and at the end of that, where strict mode allows no more, or where single precision loses scores,
    /// every candidate is read and scored here. Scores that it leaves little of are computed from their vectors.
    ///
    /// By dot product, a record whose sum overflows both ways is found as long as fewer than `topK` others are, or a
    /// component of the query is 2^63 or more.
    public func query(_ request: QueryRequest) async throws(VectorStoreError) -> [VectorSearchResult] {
        let answers = try await answers(request.collection, [request.vector], request.options)
        return answers.first ?? []
    }

    /// Answers as by ``query(_:)``: all vectors in one call, and those that need more together in further ones.
    public func queryBatch(_ request: QueryBatchRequest) async throws(VectorStoreError) -> [[VectorSearchResult]] {
        try await answers(request.collection, request.vectors, request.options)
    }

    private func answers(
        _ name: String, _ vectors: [[Float]], _ options: QueryOptions
    ) async throws(VectorStoreError) -> [[VectorSearchResult]] {
        try await with(name) { collection async throws(VectorStoreError) in
            for vector in vectors { try collection.check(vector) }
            var answers = [[VectorSearchResult]](repeating: [], count: vectors.count)
            guard options.topK > 0, !vectors.isEmpty else { return answers }
            let plan = try await plan(options.filter, name, collection)
            if plan.isNothing { return answers }
            let first = Search(name, collection, options, plan, isExact: self.options.search.exact)
            // Where sums overflow both ways the engine leaves the record out, and nothing shows that.
            var scanned = vectors.indices.filter { Score.mayOverflow(vectors[$0], collection.metric) }
            var open = [(search: first, queries: vectors.indices.filter { !scanned.contains($0) })]
            var candidates: Int?
            while let (search, queries) = open.popLast() {
                var exactly: [Int] = []
                var wider: [Int] = []
                for part in search.parts(of: queries) {
                    guard let found = try await found(search, part.map { vectors[$0] }) else {
                        scanned += part
                        continue
                    }
                    for (query, points) in zip(part, found) {
                        var results = try search.results(points)
                        var next = search.next(results, points)
                        if next == .count {
                            if candidates == nil { candidates = try await count(name, plan, collection) }
                            next = search.next(points, of: candidates ?? 0)
                        }
                        if next == .answer, !(try await scoreCoarse(&results, vectors[query], search)) { next = .scan }
                        switch next {
                        case .answer: answers[query] = results
                        case .count, .askExactly: exactly.append(query)
                        case .askForMore: wider.append(query)
                        case .scan: scanned.append(query)
                        }
                    }
                }
                if !exactly.isEmpty { open.append((search.exactly, exactly)) }
                if !wider.isEmpty { open.append((search.wider, wider)) }
            }
            if !scanned.isEmpty {
                let results = try await scoredHere(first, scanned.map { vectors[$0] })
                for (query, results) in zip(scanned, results) { answers[query] = results }
            }
            return answers
        }
    }

    /// Scores from their vectors the answers whose scores single precision leaves little of. False where better records
    /// may have been left out, as distances have vanished.
    private func scoreCoarse(
        _ results: inout [VectorSearchResult], _ vector: [Float], _ search: Search
    ) async throws(VectorStoreError) -> Bool {
        let metric = search.collection.metric
        let coarse = results.indices.filter { Score.isCoarse(results[$0].score, metric, vector) }
        guard !coarse.isEmpty else { return true }
        let isCutCoarse = coarse.contains(min(search.options.topK, results.count) - 1)
        let records = try await records(coarse.map { results[$0].id }, search.name, search.collection)
        let vectors = Dictionary(records.map { (UTF8Key($0.id), $0.vector) }) { $1 }
        var isZero = true
        for index in coarse {
            // One that is gone by now keeps the score that it had.
            guard let stored = vectors[UTF8Key(results[index].id)] else { continue }
            results[index].score = metric.score(vector, stored)
            isZero = isZero && results[index].score == 0
        }
        results.sort(by: VectorSearchResult.isBetter)
        return metric != .l2 || isZero || !isCutCoarse
    }

    /// What the engine answers; `nil` where it cannot or may not: the reply to a single query is too large, or strict
    /// mode allows no exact search and the caller did not insist on one.
    private func found(_ search: Search, _ vectors: [[Float]]) async throws(VectorStoreError) -> [[StoredPoint]]? {
        do {
            return try await answered(search, vectors)
        } catch {
            if QdrantFailure.isRefusal(error), search.isExact, !search.isExactWanted { return nil }
            guard QdrantFailure.isTooLarge(error) else { throw error }
        }
        guard vectors.count > 1 else { return nil }
        let half = vectors.count / 2
        guard let lower = try await found(search, Array(vectors[..<half])),
            let upper = try await found(search, Array(vectors[half...]))
        else { return nil }
        return lower + upper
    }

    private func answered(_ search: Search, _ vectors: [[Float]]) async throws(VectorStoreError) -> [[StoredPoint]] {
        let common = try common(search)
        func add(_ vector: [Float], to request: inout ProtobufWriter) {
            request.append(common)
            // A query, of the nearest points, to a dense vector.
            request.message(3) {
                $0.message(1) { $0.message(2) { $0.field(1, search.collection.queryVector(vector)) } }
            }
        }
        let bytes = common.count + search.collection.dimension * 4 + 64
        var found: [[StoredPoint]] = []
        if vectors.count == 1 {
            var request = ProtobufWriter(reservingCapacity: bytes)
            add(vectors[0], to: &request)
            found = [try await connection.call(QdrantMethods.query, request)]
        } else {
            var batch = ProtobufWriter(reservingCapacity: vectors.count * bytes)
            batch.field(1, search.name)
            for vector in vectors { batch.message(2) { add(vector, to: &$0) } }
            if let consistency { try batch.message(3, consistency) }
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

    /// What a `QueryPoints` says beside its vector.
    private func common(_ search: Search) throws(VectorStoreError) -> ProtobufWriter {
        var request = ProtobufWriter()
        request.field(1, search.name)
        if let filter = search.plan.pushed { try request.message(5, filter) }
        let ef = options.search.ef
        let oversampling = options.search.oversampling
        // Without it, the scores of some kinds of quantisation would be those of the smaller vectors.
        let rescore = options.search.rescore ?? (search.collection.isQuantized ? true : nil)
        let isQuantization = rescore != nil || oversampling != nil
        if ef != nil || search.isExact || isQuantization {
            request.message(6) { params in
                if let ef { params.field(1, UInt64(clamping: ef)) }
                if search.isExact { params.field(2, true) }
                guard isQuantization else { return }
                params.message(3) {
                    if let rescore { $0.field(2, rescore) }
                    if let oversampling { $0.field(3, oversampling) }
                }
            }
        }
        request.field(8, UInt64(clamping: search.limit))
        request.message(10) { $0.field(1, search.options.includeVectors) }
        try request.message(11, search.collection.payloadSelector)
        if let consistency { try request.message(12, consistency) }
        return request
    }

    /// Reads every candidate once and scores it here, holding a few times `topK` answers for each vector.
    private func scoredHere(
        _ search: Search, _ vectors: [[Float]]
    ) async throws(VectorStoreError) -> [[VectorSearchResult]] {
        let options = search.options
        var best = vectors.map { _ in
            BestOf<VectorRecord>(options.topK, minScore: options.minScore) { UTF8Key($0.id) < UTF8Key($1.id) }
        }
        var scroll = Scroll(search.name, search.plan, includeVectors: true)
        while let page = try await next(&scroll, search.collection, limit: 1024) {
            for point in page {
                let record = try point.record()
                for (index, vector) in vectors.enumerated() {
                    best[index].offer(record, search.collection.metric.score(vector, record.vector))
                }
            }
        }
        return best.map { best in
            best.sorted().map { score, record in
                VectorSearchResult(
                    id: record.id, score: score, payload: record.payload,
                    vector: options.includeVectors ? record.vector : nil)
            }
        }
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
    /// How many at most: from there on, reading everything is no slower than asking for so much, or strict mode allows
    /// no more.
    let maximumLimit: Int
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
        // Nothing that is kept has so many records, and multiples of it do not overflow.
        let topK = min(options.topK, Int(Int32.max) / 8)
        // One more than asked for shows whether there is a tie at the cut.
        let wanted = plan.finished != nil ? max(64, 2 * topK) : isExact ? topK + 1 : topK
        // An engine may make room for so many before it looks for the first.
        let allowed = min(131_072, collection.limits.queryLimit ?? .max)
        limit = min(wanted, allowed)
        maximumLimit = max(limit, min(16_384, allowed))
    }

    /// What to do about an answer.
    enum Step {
        case answer, count, askExactly, askForMore, scan
    }

    func next(_ results: [VectorSearchResult], _ points: [StoredPoint]) -> Step {
        if results.prefix(options.topK).contains(where: { Score.isLost($0.score, collection.metric) }) { return .scan }
        let isExhausted = points.count < limit
        if isEnough(results, last: points.last, isExhausted) { return .answer }
        if isExhausted, isExact, collection.metric == .cosine { return .answer }
        if isExhausted { return collection.limits.allowsExact ? .count : .scan }
        return limit < maximumLimit ? .askForMore : .scan
    }

    /// What to do about a short answer, by the number of the candidates.
    func next(_ points: [StoredPoint], of candidates: Int) -> Step {
        // Exactly, the engine leaves out what is infinitely far in single precision, or no number.
        points.count >= candidates ? .answer : isExact ? .scan : .askExactly
    }

    /// The same, past the index.
    var exactly: Search {
        var search = self
        search.isExact = true
        return search
    }

    /// The same, of more candidates.
    var wider: Search {
        var search = self
        search.limit = min(limit * 4, maximumLimit)
        return search
    }

    private func isEnough(_ results: [VectorSearchResult], last: StoredPoint?, _ isExhausted: Bool) -> Bool {
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

    /// Queries cut into calls, so that requests and replies stay at some megabytes.
    func parts(of queries: [Int]) -> [[Int]] {
        let vectorBytes = collection.dimension * 4
        let replyBytes = limit * ((options.includeVectors ? vectorBytes : 0) + 512)
        let count = max(1, min((32 << 20) / (vectorBytes + replyBytes), collection.limits.searchCount ?? .max))
        return stride(from: 0, to: queries.count, by: count).map { start in
            Array(queries[start..<min(queries.count, start + count)])
        }
    }
}
#endif
