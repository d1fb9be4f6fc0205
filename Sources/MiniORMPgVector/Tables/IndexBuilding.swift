#if PgVector
public import MiniORM
internal import Synchronization

extension PgVectorStore {
    /// Builds an approximate index on a collection's vectors, in place of one that is there. Build it after a bulk load:
    /// that is faster than keeping it up while rows come in.
    ///
    /// Queries then go through the index, and are asked again exactly where it finds too few. Vectors of more dimensions
    /// than the index takes throw `VectorStoreError.Code.invalidArgument` here, and nowhere else.
    ///
    /// - Parameters:
    ///   - collection: The collection's name.
    ///   - index: Which index.
    ///   - concurrently: Whether others may write meanwhile; it takes longer.
    ///   - timeout: How long it may take.
    ///   - progress: Called some four times a second with how far it is, on the calling thread.
    public func createIndex(
        _ collection: String, _ index: PgVectorIndex, concurrently: Bool = false, timeout: Duration = .seconds(86_400),
        progress: (@Sendable (PgIndexProgress) -> Void)? = nil
    ) throws(VectorStoreError) {
        let session = operations.session
        let table = try session.run { connection, limit throws(VectorStoreError) in
            try session.table(collection, fresh: true, connection, limit)
        }
        let dimension = table.description.dimension
        let most = index.precision == .full ? 2000 : 4000
        guard dimension <= most else {
            throw .pgvector(
                .invalidArgument,
                "the vectors have \(dimension) dimensions; an index of \(index.precision) precision takes \(most)",
                collection: collection)
        }
        let pgvector = try session.run { connection, limit throws(VectorStoreError) in
            try session.pgvector(connection, limit)
        }
        let isHalf = index.precision == .half
        let scores = ScoreSQL(schema: pgvector.schema, metric: table.description.metric)
        let column = isHalf ? "(\(table.vector)::\(pgvector.schema).halfvec(\(dimension)))" : table.vector
        let (method, options) =
            switch index.method {
            case .hnsw(let m, let ef): ("hnsw", "m = \(m), ef_construction = \(ef)")
            case .ivfflat(let lists): ("ivfflat", "lists = \(lists)")
            }
        let definition =
            "using \(method) (\(column) \(scores.operatorClass(half: isHalf))) with (\(options))"
        try dropIndex(collection)
        try build(table, Self.vectorIndex(table), definition, concurrently, timeout, progress)
        try remember(collection, method, isHalf: isHalf, index.effort)
    }

    /// Drops the approximate index of a collection; queries are exact again. Nothing happens where there is none.
    public func dropIndex(_ collection: String) throws(VectorStoreError) {
        let session = operations.session
        let table = try session.run { connection, limit throws(VectorStoreError) in
            let table = try session.table(collection, fresh: true, connection, limit)
            try connection.script(
                "drop index if exists \(table.name.schema.quotedName).\(Self.vectorIndex(table).quotedName)",
                limit: limit)
            return table
        }
        if table.approximation != nil { try remember(collection, nil, isHalf: false, nil) }
    }

    /// Sets how thoroughly a collection's index is searched: HNSW's `ef_search` (1 to 1,000), IVFFlat's `probes`.
    public func setSearchEffort(_ collection: String, _ effort: Int) throws(VectorStoreError) {
        let session = operations.session
        let table = try session.run { connection, limit throws(VectorStoreError) in
            try session.table(collection, fresh: true, connection, limit)
        }
        guard let approximation = table.approximation else {
            throw .pgvector(.invalidArgument, "the collection has no approximate index", collection: collection)
        }
        try remember(collection, approximation.rawValue, isHalf: table.isHalf, effort)
    }

    /// Builds a GIN index on the payload, for filters that ask for equality, on whatever fields.
    public func createPayloadIndex(
        _ collection: String, concurrently: Bool = false, timeout: Duration = .seconds(86_400)
    ) throws(VectorStoreError) {
        let session = operations.session
        let table = try session.run { connection, limit throws(VectorStoreError) in
            try session.table(collection, fresh: true, connection, limit)
        }
        try build(
            table, "mini_orm_payload_\(table.oid)", "using gin (\(table.payload))", concurrently, timeout, nil)
        session.changed(collection)
    }

    /// Builds an index on one field of the payload, for filters with `==` and `in` on it.
    public func createFieldIndex(
        _ collection: String, _ path: FieldPath, concurrently: Bool = false, timeout: Duration = .seconds(86_400)
    ) throws(VectorStoreError) {
        let session = operations.session
        let table = try session.run { connection, limit throws(VectorStoreError) in
            try session.table(collection, fresh: true, connection, limit)
        }
        let field = path.parts.reduce(table.payload) { "\($0) -> \(JSONBText.stored($1).quotedLiteral)::text" }
        // One index a path: the name is made of its bytes.
        let hash = path.parts.joined(separator: "\u{0}").utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { hash, byte in
            (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        try build(
            table, "mini_orm_field_\(table.oid)_\(String(hash, radix: 16))", "((\(field)))", concurrently, timeout, nil)
    }

    private static func vectorIndex(_ table: CollectionTable) -> String { "mini_orm_vector_\(table.oid)" }

    private func build(
        _ table: CollectionTable, _ name: String, _ definition: String, _ concurrently: Bool, _ timeout: Duration,
        _ progress: (@Sendable (PgIndexProgress) -> Void)?
    ) throws(VectorStoreError) {
        let session = operations.session
        let index = "\(table.name.schema.quotedName).\(name.quotedName)"
        let how = concurrently ? "concurrently " : ""
        let last = Mutex(ContinuousClock.now)
        let onWait: @Sendable () -> Void = {
            guard let progress else { return }
            let isTime = last.withLock { last in
                guard ContinuousClock.now - last > .milliseconds(250) else { return false }
                last = .now
                return true
            }
            if isTime, let now = Self.progress(of: table, session) { progress(now) }
        }
        do {
            try session.run(repeats: false, limit: CallLimit(timeout, onWait: onWait)) {
                connection, limit throws(VectorStoreError) in
                try connection.script("drop index if exists \(index)", limit: limit)
                try connection.script(
                    "create index \(how)\(name.quotedName) on \(table.name.quoted) \(definition)", limit: limit)
            }
        } catch {
            // A concurrent build that fails leaves an index that is kept up and never used.
            _ = try? session.run(repeats: false) { connection, limit throws(VectorStoreError) in
                try connection.script("drop index if exists \(index)", limit: limit)
            }
            throw error.adding(collection: table.description.name)
        }
    }

    private static func progress(of table: CollectionTable, _ session: Session) -> PgIndexProgress? {
        var parameters = PostgresParameters()
        parameters.integer(table.oid)
        let bound = parameters
        return try? session.run(limit: CallLimit(.milliseconds(200))) { connection, limit throws(VectorStoreError) in
            let rows = try connection.run(
                """
                select phase, coalesce(blocks_done, 0), coalesce(blocks_total, 0), coalesce(tuples_done, 0),
                    coalesce(tuples_total, 0)
                from pg_catalog.pg_stat_progress_create_index where relid::bigint = $1::bigint
                """, bound, limit: limit)
            guard let phase = rows.text(0, 0) else { return nil }
            func number(_ column: Int) -> Int { Int(rows.integer(0, column) ?? 0) }
            return PgIndexProgress(
                phase: phase, blocksDone: number(1), blocksTotal: number(2), rowsDone: number(3), rowsTotal: number(4))
        }
    }

    private func remember(
        _ collection: String, _ method: String?, isHalf: Bool, _ effort: Int?
    ) throws(VectorStoreError) {
        let session = operations.session
        var parameters = PostgresParameters()
        parameters.text(collection)
        parameters.literal(method)
        parameters.literal(isHalf ? "true" : "false")
        parameters.literal(effort.map(String.init))
        let bound = parameters
        try session.run { connection, limit throws(VectorStoreError) in
            try connection.run(
                """
                update \(session.catalog.table)
                set approximation = $2::text, is_half = $3::boolean, search_effort = $4::integer where name = $1
                """, bound, limit: limit)
            session.changed(collection)
        }
    }
}
#endif
