#if PgVector
import MiniORM
internal import Synchronization

/// Building and dropping indexes.
///
/// An index is built under a name of its own and takes the place of the one before when it is complete, so that a build
/// that fails changes nothing. Builders of one index take turns, by a lock of the server's that ends with the connection.
struct IndexBuilding: Sendable {
    let session: Session

    /// How an index is built.
    struct Way: Sendable {
        var concurrently: Bool
        var timeout: Duration
        var progress: (@Sendable (PgIndexProgress) -> Void)?
    }

    func createVectorIndex(_ collection: String, _ index: PgVectorIndex, _ way: Way) throws(VectorStoreError) {
        try index.check(collection)
        let (table, pgvector) = try session.run { connection, limit throws(VectorStoreError) in
            (
                try session.table(collection, fresh: true, connection, limit),
                try session.pgvector(connection, limit)
            )
        }
        let dimension = table.description.dimension
        let most = index.precision == .full ? 2000 : 4000
        guard dimension <= most else {
            throw .pgvector(
                .invalidArgument,
                "the vectors have \(dimension) dimensions; an index of \(index.precision) precision takes \(most)",
                collection: collection)
        }
        let isHalf = index.precision == .half
        let scores = ScoreSQL(schema: pgvector.schema, metric: table.description.metric)
        let column = isHalf ? "(\(table.vector)::\(pgvector.schema).halfvec(\(dimension)))" : table.vector
        let approximation: CollectionTable.Approximation
        let options: String
        switch index.method {
        case .hnsw(let m, let ef): (approximation, options) = (.hnsw, "m = \(m), ef_construction = \(ef)")
        case .ivfflat(let lists): (approximation, options) = (.ivfflat, "lists = \(lists)")
        }
        let definition =
            "using \(approximation) (\(column) \(scores.operatorClass(half: isHalf))) with (\(options))"
        do {
            try build(table, .vector(of: table), definition, way) { connection, limit throws(VectorStoreError) in
                try dropRestored(.vector(of: table), IndexName.vectorPrefix, of: table, connection, limit)
                try session.catalog.setIndex(
                    approximation, isHalf: isHalf, effort: index.effort, of: table.name, connection, limit)
            }
        } catch {
            guard error.postgres?.sqlState == HalfPrecision.outOfRange else { throw error }
            throw .pgvector(
                .invalidVector,
                "the collection holds numbers beyond \(HalfPrecision.largest), which an index of half precision cannot",
                collection: collection, cause: error.cause)
        }
    }

    func dropVectorIndex(_ collection: String) throws(VectorStoreError) {
        try session.run(collection: collection, repeats: false) { connection, limit throws(VectorStoreError) in
            let table = try session.table(collection, fresh: true, connection, limit)
            let index = IndexName.vector(of: table)
            try inTurn(index, connection, limit) { () throws(VectorStoreError) in
                try session.atomically(connection, limit) { () throws(VectorStoreError) in
                    try checkOwner(index, of: table, connection, limit)
                    try dropIndexes(of: table, IndexName.vectorPrefix, but: [], connection, limit)
                    try session.catalog.setIndex(nil, isHalf: false, effort: nil, of: table.name, connection, limit)
                }
            }
            session.changed(collection)
        }
    }

    /// Drops the indexes in whose place a new one is, of a table that was restored.
    private func dropRestored(
        _ index: IndexName, _ prefix: String, _ suffix: String = "", of table: CollectionTable,
        _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        try dropIndexes(of: table, prefix, suffix, but: [index.name, index.old.name], connection, limit)
    }

    /// Drops a table's indexes of one kind: by their table, as those of a restored one have the number of another.
    private func dropIndexes(
        of table: CollectionTable, _ prefix: String, _ suffix: String = "", but kept: [String],
        _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        var parameters = PostgresParameters()
        parameters.text(String(table.oid))
        parameters.texts(kept)
        parameters.text(prefix)
        parameters.text(suffix)
        let names = try connection.run(
            """
            select x.relname::text from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
            where i.indrelid = $1::text::oid and x.relname <> all($2::text[])
                and starts_with(x.relname, $3::text) and right(x.relname, length($4::text)) = $4::text
            """, parameters, limit: limit)
        for row in 0..<names.count {
            guard let name = names.text(row, 0) else { continue }
            try connection.script("drop index \(table.name.schema.quotedName).\(name.quotedName)", limit: limit)
        }
    }

    func setSearchEffort(_ collection: String, _ effort: Int) throws(VectorStoreError) {
        try session.run(collection: collection) { connection, limit throws(VectorStoreError) in
            let table = try session.table(collection, fresh: true, connection, limit)
            guard let approximation = table.approximation else {
                throw .pgvector(.invalidArgument, "the collection has no approximate index", collection: collection)
            }
            try approximation.check(effort: effort, collection)
            try session.catalog.setIndex(
                approximation, isHalf: table.isHalf, effort: effort, of: table.name, connection, limit)
            session.changed(collection)
        }
    }

    func createPayloadIndex(_ collection: String, _ way: Way) throws(VectorStoreError) {
        let table = try session.run { connection, limit throws(VectorStoreError) in
            try session.table(collection, fresh: true, connection, limit)
        }
        let index = IndexName.payload(of: table)
        try build(table, index, "using gin (\(table.payload))", way) { connection, limit throws(VectorStoreError) in
            try dropRestored(index, IndexName.payloadPrefix, of: table, connection, limit)
        }
    }

    func createFieldIndex(_ collection: String, _ path: FieldPath, _ way: Way) throws(VectorStoreError) {
        let table = try session.run { connection, limit throws(VectorStoreError) in
            try session.table(collection, fresh: true, connection, limit)
        }
        let field = path.parts.reduce(table.payload) { "\($0) -> \(JSONBText.stored($1).quotedLiteral)::text" }
        let index = IndexName.field(path, of: table)
        let key = "_\(IndexName.key(of: path))"
        try build(table, index, "(\(FilterSQL.hash(field)))", way) { connection, limit throws(VectorStoreError) in
            try dropRestored(index, IndexName.fieldPrefix, key, of: table, connection, limit)
        }
    }

    private func build(
        _ table: CollectionTable, _ index: IndexName, _ definition: String, _ way: Way,
        remember: (PostgresConnection, CallLimit) throws(VectorStoreError) -> Void = { _, _ throws(VectorStoreError) in
        }
    ) throws(VectorStoreError) {
        let collection = table.description.name
        let limit = CallLimit(way.timeout, onWait: reporting(on: table, to: way.progress))
        var hasBegun = false
        do {
            try session.run(repeats: false, limit: limit) { connection, limit throws(VectorStoreError) in
                try inTurn(index, connection, limit) { () throws(VectorStoreError) in
                    try checkOwner(index, of: table, connection, limit)
                    hasBegun = true
                    // Of a build that was cut off.
                    try dropRest(index, way, connection, limit)
                    try connection.script(
                        """
                        create index \(way.concurrently ? "concurrently" : "") \(index.new.name.quotedName)
                        on \(table.name.quoted) \(definition)
                        """, limit: limit)
                    // So that the server knows at once how many rows a filter leaves, and with that which index to use.
                    try connection.script("analyze \(table.name.quoted)", limit: limit)
                    // Renaming waits for nobody who reads or writes.
                    try session.atomically(connection, limit) { () throws(VectorStoreError) in
                        try connection.script(
                            """
                            alter index if exists \(index.quoted) rename to \(index.old.name.quotedName);
                            alter index \(index.new.quoted) rename to \(index.name.quotedName)
                            """, limit: limit)
                        try remember(connection, limit)
                    }
                    session.changed(collection)
                    try dropRest(index, way, connection, limit)
                }
            }
        } catch {
            let error = error.adding(collection: collection)
            guard hasBegun else { throw error }
            do {
                let limit = CallLimit(.seconds(30), isCancellable: false)
                try session.run(repeats: false, limit: limit) { connection, limit throws(VectorStoreError) in
                    try inTurn(index, connection, limit) { () throws(VectorStoreError) in
                        try dropRest(index, way, connection, limit)
                    }
                }
            } catch _ {
                throw error.saying("what it left of an index could not be dropped now; the next build does that")
            }
            throw error
        }
    }

    /// Refuses to replace or to drop the index of another table, whose name tells this one's number: one that was
    /// restored from a dump of another database.
    private func checkOwner(
        _ index: IndexName, of table: CollectionTable, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        var parameters = PostgresParameters()
        parameters.text(index.schema)
        parameters.texts([index, index.new, index.old].map(\.name))
        parameters.text(String(table.oid))
        let rows = try connection.run(
            """
            select x.relname::text, i.indrelid::regclass::text from pg_catalog.pg_index i
            join pg_catalog.pg_class x on x.oid = i.indexrelid
            join pg_catalog.pg_namespace n on n.oid = x.relnamespace
            where n.nspname = $1 and x.relname = any($2::text[]) and i.indrelid <> $3::text::oid limit 1
            """, parameters, limit: limit)
        guard let name = rows.count > 0 ? rows.text(0, 0) : nil else { return }
        throw .pgvector(
            .invalidArgument,
            "the index \(name) is one of the table \(rows.text(0, 1) ?? ""), from a dump of another database; give it "
                + "another name that begins as it does", collection: table.description.name)
    }

    /// Drops what is not the index itself. (Concurrently is not for tables in partitions, nor is such a build.)
    private func dropRest(
        _ index: IndexName, _ way: Way, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        for rest in [index.new, index.old] {
            try connection.script(
                "drop index \(way.concurrently ? "concurrently" : "") if exists \(rest.quoted)", limit: limit)
        }
    }

    /// Runs a body while nobody else builds or drops that index.
    ///
    /// A builder that waited within a statement would hold a snapshot, for whose end a concurrent build waits in turn.
    private func inTurn(
        _ index: IndexName, _ connection: PostgresConnection, _ limit: CallLimit,
        _ body: () throws(VectorStoreError) -> Void
    ) throws(VectorStoreError) {
        var key = PostgresParameters()
        key.text("mini-orm index \(index.name)")
        while !(try connection.run(
            "select pg_try_advisory_lock(hashtextextended($1, 0))", key, limit: limit
        ).bool(0, 0)) {
            for _ in 0..<5 { WaitingThread.sleep(try limit.nextWait()) }
        }
        defer {
            if !connection.isBroken {
                let unlock = "select pg_advisory_unlock(hashtextextended($1, 0))"
                let soon = CallLimit(.seconds(5), isCancellable: false)
                // One that keeps its lock is closed, which frees it.
                let isFree = (try? connection.run(unlock, key, limit: soon))?.bool(0, 0) ?? false
                if !isFree { connection.giveUp() }
            }
        }
        try body()
    }

    /// What reports the progress of a build while it waits.
    private func reporting(
        on table: CollectionTable, to progress: (@Sendable (PgIndexProgress) -> Void)?
    ) -> (@Sendable () -> Void)? {
        guard let progress else { return nil }
        let last = Mutex(ContinuousClock.now)
        return {
            let isTime = last.withLock { last in
                guard ContinuousClock.now - last > .milliseconds(250) else { return false }
                last = .now
                return true
            }
            if isTime, let now = self.progress(of: table) { progress(now) }
        }
    }

    private func progress(of table: CollectionTable) -> PgIndexProgress? {
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
}
#endif
