#if PgVector
public import MiniORM

extension PgVectorStore {
    /// Makes an existing table of yours a collection. It is never dropped or overwritten by this library.
    ///
    /// The id's column is `text` or `varchar` without nulls, of a deterministic collation, with a primary key or a unique
    /// index of its own that is not deferrable; the vector's a `vector` of fixed length without nulls; the payload's a
    /// `jsonb`. Further columns keep their values, or take their defaults in rows that an upsert inserts.
    ///
    /// - Parameters:
    ///   - collection: The collection's name, which is the table's: `table` or `schema.table`.
    ///   - metric: How its vectors are compared.
    ///   - id: The column of ids.
    ///   - vector: The column of vectors.
    ///   - payload: The column of payloads.
    /// - Returns: What the collection is.
    /// - Throws: `VectorStoreError.Code.collectionNotFound` where there is no such table,
    ///   `VectorStoreError.Code.collectionMismatch` where its columns are of other types,
    ///   `VectorStoreError.Code.collectionAlreadyExists` where it is a collection already.
    @discardableResult
    public func mapTable(
        _ collection: String, metric: VectorMetric, id: String, vector: String, payload: String
    ) throws(VectorStoreError) -> CollectionDescription {
        try TableMapping(session: operations.session).map(
            collection, metric: metric, id: id, vector: vector, payload: payload)
    }

    /// The same for asynchronous code.
    @discardableResult
    public func mapTable(
        _ collection: String, metric: VectorMetric, id: String, vector: String, payload: String
    ) async throws(VectorStoreError) -> CollectionDescription {
        let mapping = TableMapping(session: operations.session)
        return try await threads.run { () throws(VectorStoreError) in
            try mapping.map(collection, metric: metric, id: id, vector: vector, payload: payload)
        }
    }

    /// Forgets a table that `mapTable` made a collection; the table itself stays.
    public func unmapTable(_ collection: String) throws(VectorStoreError) {
        try TableMapping(session: operations.session).unmap(collection)
    }

    /// The same for asynchronous code.
    public func unmapTable(_ collection: String) async throws(VectorStoreError) {
        let mapping = TableMapping(session: operations.session)
        try await threads.run { () throws(VectorStoreError) in try mapping.unmap(collection) }
    }
}

/// Making tables of the caller's own collections.
private struct TableMapping: Sendable {
    let session: Session

    func map(
        _ collection: String, metric: VectorMetric, id: String, vector: String, payload: String
    ) throws(VectorStoreError) -> CollectionDescription {
        let name = try TableName(collection, defaultSchema: session.configuration.schema)
        return try session.run(repeats: false) { connection, limit throws(VectorStoreError) in
            try session.atomically(connection, limit) { () throws(VectorStoreError) in
                try session.catalog.lock(connection, limit)
                _ = try PgOperations(session: session).installed(connection, limit)
                try session.catalog.create(connection, limit)
                if try session.catalog.find(collection, name, connection, limit) != nil {
                    throw .pgvector(
                        .collectionAlreadyExists, "the table is a collection already", collection: collection)
                }
                let dimension = try dimension(
                    of: name, collection, id: id, vector: vector, payload: payload, connection, limit)
                let table = CollectionTable(
                    description: CollectionDescription(name: collection, dimension: dimension, metric: metric),
                    name: name, oid: 0, idColumn: id, vectorColumn: vector, payloadColumn: payload, isOurs: false,
                    approximation: nil, isHalf: false, searchEffort: nil, hasPayloadIndex: false, fieldIndexes: [],
                    hasRangeIndex: false)
                try session.catalog.forget(name, connection, limit)
                try session.catalog.insert(table, connection, limit)
                return table.description
            }
        }
    }

    func unmap(_ collection: String) throws(VectorStoreError) {
        try session.run(repeats: false) { connection, limit throws(VectorStoreError) in
            let table = try session.table(collection, fresh: true, connection, limit)
            guard !table.isOurs else {
                throw .pgvector(.invalidArgument, "the table is this library's; drop it", collection: collection)
            }
            try session.catalog.remove(table.name, connection, limit)
            session.changed(collection)
        }
    }

    /// The length of the vectors of a table whose columns are as they have to be.
    private func dimension(
        of name: TableName, _ collection: String, id: String, vector: String, payload: String,
        _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> Int {
        var parameters = PostgresParameters()
        parameters.text(name.schema)
        parameters.text(name.table)
        let rows = try connection.run(
            """
            select a.attname::text, t.typname::text, a.atttypmod, a.attnotnull, exists (
                select from pg_catalog.pg_index i
                left join pg_catalog.pg_collation c on c.oid in (a.attcollation, i.indcollation[0])
                where i.indrelid = k.oid and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null
                    and i.indnkeyatts = 1 and i.indkey[0] = a.attnum
                group by i.indexrelid having bool_and(coalesce(c.collisdeterministic, true)))
            from pg_catalog.pg_class k join pg_catalog.pg_namespace n on n.oid = k.relnamespace
            join pg_catalog.pg_attribute a on a.attrelid = k.oid and a.attnum > 0 and not a.attisdropped
            join pg_catalog.pg_type t on t.oid = a.atttypid
            where n.nspname = $1 and k.relname = $2
            """, parameters, limit: limit)
        guard rows.count > 0 else {
            throw .pgvector(.collectionNotFound, "there is no table \(name.quoted)", collection: collection)
        }
        var columns: [UTF8Key: Column] = [:]
        for row in 0..<rows.count {
            guard let column = rows.text(row, 0), let type = rows.text(row, 1), let modifier = rows.integer(row, 2)
            else { continue }
            columns[UTF8Key(column)] = Column(
                type: type, modifier: modifier, isNeverNull: rows.bool(row, 3), isKey: rows.bool(row, 4))
        }
        guard let key = columns[UTF8Key(id)], ["text", "varchar"].contains(key.type), key.isNeverNull, key.isKey else {
            throw .pgvector(
                .collectionMismatch,
                "the id's column is text or varchar, not null, of a deterministic collation, with a primary key or unique "
                    + "index of its own that is not deferrable", collection: collection)
        }
        // A length is kept with 4 added to it; without one there is no such number.
        guard !(5...10_485_764).contains(key.modifier) else {
            throw .pgvector(
                .collectionMismatch,
                "the id's column has a longest length, to which the server cuts spaces off an id; make it text",
                collection: collection)
        }
        guard let embedding = columns[UTF8Key(vector)], embedding.type == "vector", embedding.isNeverNull,
            (1...16_000).contains(embedding.modifier)
        else {
            throw .pgvector(
                .collectionMismatch, "the vector's column is of the type vector(n), not null", collection: collection)
        }
        guard columns[UTF8Key(payload)]?.type == "jsonb" else {
            throw .pgvector(.collectionMismatch, "the payload's column is jsonb", collection: collection)
        }
        return Int(embedding.modifier)
    }

    /// A column of a table that is to be mapped.
    private struct Column {
        let type: String
        let modifier: Int64
        let isNeverNull: Bool
        /// Whether an upsert can go by it: it is unique byte for byte, and at once.
        let isKey: Bool
    }
}
#endif
