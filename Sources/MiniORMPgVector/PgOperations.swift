#if PgVector
import MiniORM

/// The port's operations, on a pool or in a transaction.
struct PgOperations: VectorStorePort {
    let session: Session

    var name: String { "pgvector" }

    var capabilities: StoreCapabilities {
        var capabilities = StoreCapabilities()
        capabilities.pushedDownOperators = .all
        capabilities.isUpsertAtomic = true
        capabilities.isExact = true
        capabilities.isPersistent = true
        capabilities.maximumDimension = 16_000
        capabilities.nativeOperations = .all
        return capabilities
    }

    func upsert(_ request: UpsertRequest) throws(VectorStoreError) {
        try session.run(collection: request.collection) { connection, limit throws(VectorStoreError) in
            let table = try session.table(request.collection, connection, limit)
            let pgvector = try session.pgvector(connection, limit)
            var upsert = Upsert(table: table, pgvector: pgvector)
            let batch: Upsert.Batch
            do throws(VectorStoreError) { batch = try upsert.prepared(request.records) } catch {
                guard error.code == .invalidVector else { throw error }
                // It may be refused for what the table was, or for an index that it had.
                let table = try session.table(request.collection, fresh: true, connection, limit)
                upsert = Upsert(table: table, pgvector: pgvector)
                batch = try upsert.prepared(request.records)
            }
            guard !batch.order.isEmpty else { return }
            try upsert.run(batch, session, connection, limit)
        }
    }

    func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] {
        try session.run(collection: request.collection) { connection, limit throws(VectorStoreError) in
            let table = try session.table(request.collection, connection, limit)
            let columns = "select \(table.id)::text, \(table.vector), \(table.payload) from \(table.name.quoted)"
            guard let ids = request.ids else { return try Self.records(connection.run(columns, limit: limit), table) }
            if ids.isEmpty { return [] }
            var parameters = PostgresParameters()
            parameters.texts(ids.filter { !$0.utf8.contains(0) })
            return try Self.records(
                connection.run("\(columns) where \(table.id) = any($1::text[])", parameters, limit: limit), table)
        }
    }

    static func records(_ rows: PostgresResult, _ table: CollectionTable) throws(VectorStoreError) -> [VectorRecord] {
        var records: [VectorRecord] = []
        records.reserveCapacity(rows.count)
        for row in 0..<rows.count {
            guard let id = rows.text(row, 0), let vector = rows.vector(row, 1) else {
                throw .pgvector(.corruptedStorage, "a row has no id or no vector", recordID: rows.text(row, 0))
            }
            let payload = try rows.bytes(row, 2).map { bytes throws(VectorStoreError) in
                try JSONBReader.payload(bytes, recordID: id)
            }
            records.append(VectorRecord(id: id, vector: vector, payload: payload))
        }
        return records
    }

    func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int {
        try session.run(collection: request.collection, repeats: false) { connection, limit throws(VectorStoreError) in
            let table = try session.table(request.collection, connection, limit)
            var parameters = PostgresParameters()
            parameters.texts(request.ids.filter { !$0.utf8.contains(0) })
            return try connection.run(
                "delete from \(table.name.quoted) where \(table.id) = any($1::text[])", parameters, limit: limit
            ).affected
        }
    }

    func deleteMatching(_ request: DeleteMatchingRequest) throws(VectorStoreError) -> Int {
        try session.run(collection: request.collection, repeats: false) { connection, limit throws(VectorStoreError) in
            let table = try session.table(request.collection, connection, limit)
            let filter = try Self.condition(request.filter, table, PostgresParameters())
            return try connection.run(
                "delete from \(table.name.quoted) where \(filter.sql)", filter.parameters, prepare: false, limit: limit
            ).affected
        }
    }

    func count(_ request: CountRequest) throws(VectorStoreError) -> Int {
        try session.run(collection: request.collection) { connection, limit throws(VectorStoreError) in
            let table = try session.table(request.collection, connection, limit)
            let filter = try Self.condition(request.filter, table, PostgresParameters())
            let rows = try connection.run(
                "select count(*) from \(table.name.quoted) where \(filter.sql)", filter.parameters,
                prepare: request.filter == nil, limit: limit)
            return Int(rows.integer(0, 0) ?? 0)
        }
    }

    /// Where a page ended.
    private struct LastID: Sendable {
        let id: String
    }

    /// Pages by the primary key: as fast as a cursor, nothing is held open between two, and an iteration that is given
    /// up leaves nothing.
    func scan(_ request: ScanRequest) throws(VectorStoreError) -> ScanPage {
        try session.run(collection: request.collection) { connection, limit throws(VectorStoreError) in
            let table = try session.table(request.collection, connection, limit)
            let size = max(1, request.pageSize)
            var parameters = PostgresParameters()
            parameters.integer(Int64(size))
            var after = "true"
            if let cursor = request.cursor {
                guard let last = cursor.state as? LastID else {
                    throw .pgvector(.invalidArgument, "the cursor is not one of this store's")
                }
                after = "\(table.id) > $\(parameters.text(last.id))::text"
            }
            let filter = try Self.condition(request.filter, table, parameters)
            let rows = try connection.run(
                """
                select \(table.id)::text, \(table.vector), \(table.payload) from \(table.name.quoted)
                where \(after) and \(filter.sql) order by \(table.id) limit $1
                """, filter.parameters, prepare: request.filter == nil, limit: limit)
            let records = try Self.records(rows, table)
            let last = records.count < size ? nil : records.last.map { ScanCursor(LastID(id: $0.id)) }
            return ScanPage(records: records, next: last)
        }
    }

    func explain(_ request: ExplainRequest) throws(VectorStoreError) -> FilterPlan {
        try session.run(collection: request.collection) { connection, limit throws(VectorStoreError) in
            let table = try session.table(request.collection, connection, limit)
            let filter = try Self.condition(request.filter, table, PostgresParameters())
            return FilterPlan(pushedDown: request.filter, finished: nil, native: filter.sql)
        }
    }

    func close() { session.close() }

    /// The condition for a `where`, its parameters after those given.
    static func condition(
        _ filter: VectorFilter?, _ table: CollectionTable, _ parameters: PostgresParameters
    ) throws(VectorStoreError) -> (sql: String, parameters: PostgresParameters) {
        guard let filter else { return ("true", parameters) }
        var translation = FilterSQL(
            payload: table.payload, usesContainment: table.hasPayloadIndex, indexes: table.fieldIndexes,
            parameters: parameters)
        let sql = try translation.condition(filter)
        return (sql, translation.parameters)
    }
}
#endif
