#if PgVector
import MiniORM

/// Queries on a table: exact by scoring every row that matches, or through an approximate index.
struct Query {
    let table: CollectionTable
    let pgvector: Session.Extension
    let options: QueryOptions

    private static let pipelined = 64

    /// How a query is asked.
    private enum Way {
        /// By the approximate index.
        case index
        /// Of every row; where one is beyond pgvector's operators, there is no answer.
        case scan
        /// Of every row, whatever its numbers.
        case careful
    }

    /// The answers to each vector; `nil` where the table was made anew since it was looked up.
    func run(
        _ vectors: [[Float]], _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> [[VectorSearchResult]]? {
        guard options.topK > 0 else { return vectors.map { _ in [] } }
        for vector in vectors where vector.count != table.description.dimension || !vector.isFinite {
            throw .pgvector(
                .invalidVector, "the query vector is not \(table.description.dimension) finite numbers",
                collection: table.description.name)
        }
        if let approximation = table.approximation, let effort = table.searchEffort {
            let name = approximation == .hnsw ? "hnsw.ef_search" : "ivfflat.probes"
            try connection.set(name, to: String(effort), limit: limit)
        }
        let queries = vectors.map {
            QueryVector($0, metric: table.description.metric, isHalf: table.approximation != nil && table.isHalf)
        }
        var answers = [[VectorSearchResult]](repeating: [], count: vectors.count)
        let indexed = table.approximation == nil ? [] : queries.indices.filter { canAskIndex(queries[$0]) }
        guard try ask(queries, indexed, .index, &answers, connection, limit) != nil else { return nil }
        // What an index cannot be asked, or missed: rows beyond its reach, and under cosine the zero vectors, which
        // score 0.
        var isAnswered = [Bool](repeating: false, count: vectors.count)
        for index in indexed {
            isAnswered[index] =
                answers[index].count >= options.topK
                && (table.description.metric != .cosine || (answers[index].last?.score ?? 0) > 0)
        }
        let rest = queries.indices.filter { !isAnswered[$0] }
        guard let unanswered = try ask(queries, rest, .scan, &answers, connection, limit),
            try ask(queries, unanswered, .careful, &answers, connection, limit) != nil
        else { return nil }
        return answers
    }

    /// Whether the index can be asked: one of half precision holds neither great nor small numbers.
    private func canAskIndex(_ query: QueryVector) -> Bool {
        guard table.isHalf, query.isIndexable else { return query.isIndexable }
        let isVisible = table.description.metric == .l2 || query.values.contains { abs($0) >= HalfPrecision.smallest }
        return HalfPrecision.holds(query.values) && isVisible
    }

    /// Asks for the answers to some of the queries, and tells which of them have none and are to be asked with care;
    /// `nil` where the table was made anew since it was looked up.
    private func ask(
        _ queries: [QueryVector], _ indices: [Int], _ way: Way, _ answers: inout [[VectorSearchResult]],
        _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> [Int]? {
        var unanswered: [Int] = []
        /// Keeps an answer; false where the table was made anew.
        func take(_ rows: PostgresResult, _ index: Int) throws(VectorStoreError) -> Bool {
            // Rows without a score come first.
            if way == .scan, rows.count > 0, rows.float(0, 1) == nil {
                unanswered.append(index)
                return true
            }
            guard let results = try read(rows) else { return false }
            answers[index] = results
            return true
        }
        if indices.count == 1 {
            let (sql, parameters) = try statement(queries[indices[0]], way)
            let rows = try connection.run(sql, parameters, prepare: options.filter == nil, limit: limit)
            return try take(rows, indices[0]) ? unanswered : nil
        }
        var rest = indices[...]
        while !rest.isEmpty {
            // Vectors of another range have another statement.
            var groups: [String: [(index: Int, parameters: PostgresParameters)]] = [:]
            for index in rest.prefix(Self.pipelined) {
                let (sql, parameters) = try statement(queries[index], way)
                groups[sql, default: []].append((index, parameters))
            }
            for (sql, group) in groups {
                let answered = try connection.runPipelined(sql, limit: limit) {
                    AnyIterator(group.map(\.parameters).makeIterator())
                }
                for (item, rows) in zip(group, answered) {
                    guard try take(rows, item.index) else { return nil }
                }
            }
            rest = rest.dropFirst(Self.pipelined)
        }
        return unanswered
    }

    private func statement(
        _ asked: QueryVector, _ way: Way
    ) throws(VectorStoreError) -> (String, PostgresParameters) {
        var parameters = PostgresParameters()
        // Where every score is 0 the vector is not asked for.
        let query = asked.range == .zero ? "" : "$\(parameters.vector(asked.values))::\(pgvector.schema).vector"
        // Not bound: how many rows are wanted decides on the plan, so that the server would plan each call anew.
        let count = String(options.topK)
        let filter = try PgOperations.condition(options.filter, table, parameters)
        let scores = ScoreSQL(schema: pgvector.schema, metric: table.description.metric)
        let order = "order by row_score desc nulls first, row_id collate \"C\""
        let columns = "row_id::text, row_score, row_table"
        let vectorColumn = options.includeVectors ? ", row_vector" : ""
        let sql: String
        if way != .index {
            let quick =
                way == .scan
                ? scores.scoreOfMost(table.vector, query, asked.range, isOneBeyond: isOneBeyond(scores)) : nil
            let score = quick ?? scores.score(table.vector, query, asked.range)
            // The sort copies every row that it is given: payloads and vectors are read afterwards, by place.
            sql = """
                select \(columns), row_payload\(vectorColumn) from (
                    select row_id, row_score, row_table, row_place from (
                        select \(table.id) as row_id, tableoid as row_table, ctid as row_place, \(score) as row_score
                        from \(table.name.quoted) where \(filter.sql)
                    ) as scored \(order) limit \(count)
                ) as best cross join lateral (
                    select \(table.payload) as row_payload, \(table.vector) as row_vector from \(table.name.quoted)
                    where ctid = best.row_place and tableoid = best.row_table offset 0
                ) as stored \(order)
                """
        } else {
            sql = """
                select \(columns), row_payload\(vectorColumn) from (
                    select *, \(scores.score("row_vector", query, asked.range)) as row_score from (
                        select \(table.id) as row_id, tableoid as row_table, \(table.payload) as row_payload,
                            \(table.vector) as row_vector
                        from \(table.name.quoted) where \(filter.sql)
                        order by \(approximateDistance(query, scores)) limit \(candidates)
                    ) as nearest
                ) as scored \(order) limit \(count)
                """
        }
        return (sql, filter.parameters)
    }

    /// Whether there is a row that pgvector's operators are not enough for, where an index answers that: asked by its
    /// order, so that the server does not look through the table instead. Without rows that is one page.
    private func isOneBeyond(_ scores: ScoreSQL) -> String? {
        guard table.hasRangeIndex, let isBeyond = scores.isBeyond(table.vector) else { return nil }
        return "(select true from \(table.name.quoted) where \(isBeyond) order by \(table.id) limit 1)"
    }

    /// The distance in the form that the index knows.
    private func approximateDistance(_ query: String, _ scores: ScoreSQL) -> String {
        guard table.isHalf else { return "\(table.vector) \(scores.distanceOperator) \(query)" }
        let half = "\(pgvector.schema).halfvec(\(table.description.dimension))"
        return "\(table.vector)::\(half) \(scores.distanceOperator) (\(query))::\(half)"
    }

    /// An index of half precision names twice as many, which are then scored by their vectors.
    private var candidates: Int { table.isHalf ? min(options.topK, 1_000_000_000) * 2 : options.topK }

    private func read(_ rows: PostgresResult) throws(VectorStoreError) -> [VectorSearchResult]? {
        var results: [VectorSearchResult] = []
        results.reserveCapacity(rows.count)
        for row in 0..<rows.count {
            guard !table.isOurs || rows.integer(row, 2) == table.oid else { return nil }
            guard let id = rows.text(row, 0), let score = rows.float(row, 1) else {
                throw .pgvector(.corruptedStorage, "a row has no id or no vector", recordID: rows.text(row, 0))
            }
            let payload = try rows.bytes(row, 3).map { bytes throws(VectorStoreError) in
                try JSONBReader.payload(bytes, recordID: id)
            }
            results.append(
                VectorSearchResult(
                    id: id, score: score, payload: payload,
                    vector: options.includeVectors ? rows.vector(row, 4) : nil))
        }
        return results
    }
}

extension PgOperations {
    func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] {
        let batch = QueryBatchRequest(
            collection: request.collection, vectors: [request.vector], options: request.options)
        return try queryBatch(batch).first ?? []
    }

    func queryBatch(_ request: QueryBatchRequest) throws(VectorStoreError) -> [[VectorSearchResult]] {
        try session.run(collection: request.collection) { connection, limit throws(VectorStoreError) in
            let pgvector = try session.pgvector(connection, limit)
            var table = try session.table(request.collection, connection, limit)
            let dimension = table.description.dimension
            if !request.vectors.allSatisfy({ $0.count == dimension }) {
                table = try session.table(request.collection, fresh: true, connection, limit)
            }
            // A table made anew under our feet may have another metric; twice in one call is as good as never.
            for _ in 0..<3 {
                let query = Query(table: table, pgvector: pgvector, options: request.options)
                if let answers = try query.run(request.vectors, connection, limit) { return answers }
                table = try session.table(request.collection, fresh: true, connection, limit)
            }
            throw .pgvector(.unavailable, "the collection is dropped and made anew again and again")
        }
    }
}
#endif
