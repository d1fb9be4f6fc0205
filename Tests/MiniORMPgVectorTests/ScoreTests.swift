#if PgVector
import MiniORM
import MiniORMPgVector
import TestSupport
import Testing

/// The contract's section 3: scores are those of double arithmetic, also where float32 is too narrow for a norm.
@Suite(.serialized, .dropsSchemas) struct ScoreTests {
    private static let tiny = Float.leastNonzeroMagnitude
    private static let vectors: [[Float]] = [
        [1, 0], [0, 1], [0.6, 0.8], [-1, 0], [0, 0], [1e20, 0], [1e20, 1e20], [3e38, -3e38], [-1e20, 3], [1e10, 0],
        [1e-25, 1e-25], [3e-23, 1e-23], [-3e-23, 1e-23], [1e-19, 2e-19], [2e-38, 1e-38], [tiny, tiny], [tiny, 0],
        [1e-30, 1], [1, 1e-30], [1e20, 1e-20], [1e-15, 1e15], [7, -7], [2e-17, 1e-17], [5e-10, 1], [1e15, 3e15],
    ]

    @Test(arguments: Server.both, VectorMetric.allCases)
    func extremesScoreAsTheSpecificationSays(_ server: Server, _ metric: VectorMetric) throws {
        let store = try server.store()
        defer { store.close() }
        let records = Self.vectors.enumerated().map { VectorRecord(id: "\($0)", vector: $1) }
        let repository = try VectorRepository(store, "extreme", dimension: 2, metric: metric, overwrite: true)
        let model = try VectorRepository(InMemoryVectorStore(), "extreme", dimension: 2, metric: metric)
        try repository.upsert(records)
        try model.upsert(records)
        for query in Self.vectors {
            let scores = try repository.query(query, topK: 100)
            #expect(scores.count == records.count)
            let expected = try model.query(query, topK: 100).reduce(into: [String: Float]()) { $0[$1.id] = $1.score }
            for result in scores {
                let truth = Double(try #require(expected[result.id]))
                let vector = Self.vectors[Int(result.id) ?? 0]
                // Below float32's normal numbers there are fewer digits.
                let isNear =
                    abs(Double(result.score) - truth) <= max(1e-4 * abs(truth), metric == .cosine ? 1e-6 : 3e-45)
                #expect(isNear, "\(metric) of \(vector) and \(query): \(result.score), not \(truth)")
            }
            #expect(zip(scores, scores.dropFirst()).allSatisfy { $0.score >= $1.score })
            #expect(try repository.queryBatch([query, query], topK: 100) == [scores, scores])
        }
        // With an index as well: what it cannot be asked for is asked exactly. (Under cosine a query is put into its range,
        // while rows beyond float32's squares are as far as pgvector takes them to be.)
        try store.createIndex("extreme", .hnsw(efSearch: 100))
        for query in [Self.vectors[4]] + (metric == .cosine ? [] : [[1e20, 3e20], [1e-20, 2e-20]]) {
            let (found, expected) = (try repository.query(query, topK: 3), try model.query(query, topK: 3))
            #expect(found.count == 3)
            for (found, expected) in zip(found, expected) {
                let isNear = abs(found.score - expected.score) <= max(1e-4 * abs(expected.score), 1e-6)
                #expect(isNear, "\(metric) of \(query): \(found.score), not \(expected.score)")
            }
        }
        try repository.dropCollection()
    }

    /// Whether a row is beyond pgvector's operators is asked of an index in the same statement, so that a row of whoever's
    /// that comes or goes counts at once.
    @Test(arguments: Server.both, [VectorMetric.cosine, .dot])
    func aRowBeyondTheUsualRangeCountsAtOnce(_ server: Server, _ metric: VectorMetric) throws {
        let store = try server.store()
        defer { store.close() }
        let repository = try VectorRepository(store, "range", dimension: 2, metric: metric, overwrite: true)
        let model = try VectorRepository(InMemoryVectorStore(), "range", dimension: 2, metric: metric)
        func add(_ records: [VectorRecord]) throws {
            for record in records {
                let vector = "[\(record.vector[0]),\(record.vector[1])]"
                try store.execute(
                    "insert into \(Server.schema).range values ($1, $2::text::vector)",
                    [.text(record.id), .text(vector)])
            }
            try model.upsert(records)
        }
        let query: [Float] = [3, 4]
        func isSame() throws -> Bool {
            let (found, expected) = (try repository.query(query, topK: 100), try model.query(query, topK: 100))
            return found.map(\.id) == expected.map(\.id)
                && zip(found, expected).allSatisfy { abs($0.score - $1.score) <= 1e-5 * max(1, abs($1.score)) }
        }
        try add((0..<50).map { VectorRecord(id: "r\($0)", vector: [Float($0) - 25, 7]) })
        #expect(try isSame())
        for (number, vector) in ([[0, 0], [1e20, 1e19], [1e-20, 3e-20], [3e38, 3e38]] as [[Float]]).enumerated() {
            let record = VectorRecord(id: "x\(number)", vector: vector)
            try add([record])
            #expect(try isSame(), "\(metric), with \(vector)")
            try store.execute("delete from \(Server.schema).range where id = $1", [.text(record.id)])
            try model.delete([record.id])
            #expect(try isSame(), "\(metric), without \(vector)")
        }
        // What is counted on a connection is told to others later.
        let counting = """
            select sum(pg_stat_get_xact_numscans(indexrelid)) from pg_index join pg_class on pg_class.oid = indexrelid
            where indrelid = '\(Server.schema).range'::regclass and starts_with(relname, 'mini_orm_range_')
            """
        try store.withTransaction { transaction in
            let inside = try VectorRepository(transaction.store, "range", dimension: 2, metric: metric)
            let before = try #require(transaction.execute(counting).rows.first?.first?.flatMap { Int($0) })
            _ = try inside.query(query, topK: 3)
            #expect(try transaction.execute(counting).rows == [["\(before + 1)"]])
        }
        try repository.dropCollection()
    }
}
#endif
