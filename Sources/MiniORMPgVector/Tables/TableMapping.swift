#if PgVector
public import MiniORM

extension PgVectorStore {
    /// Makes an existing table of yours a collection. It is never dropped or overwritten by this library.
    ///
    /// The id's column is `text` or `varchar` with a primary key or a unique index of its own, the vector's a `vector` of
    /// fixed length without nulls, the payload's a `jsonb`. Further columns keep their values, or take their defaults in
    /// rows that an upsert inserts.
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
        let session = operations.session
        let name = try TableName(collection, defaultSchema: session.configuration.schema)
        return try session.run(repeats: false) { connection, limit throws(VectorStoreError) in
            try session.atomically(connection, limit) { () throws(VectorStoreError) in
                try session.catalog.lock(connection, limit)
                _ = try operations.installed(connection, limit)
                try session.catalog.create(connection, limit)
                if try session.catalog.find(collection, or: name, connection, limit) != nil {
                    throw .pgvector(
                        .collectionAlreadyExists, "the table is a collection already", collection: collection)
                }
                let dimension = try Self.dimension(
                    of: name, collection, id: id, vector: vector, payload: payload, connection, limit)
                let table = CollectionTable(
                    description: CollectionDescription(name: collection, dimension: dimension, metric: metric),
                    name: name, oid: 0, idColumn: id, vectorColumn: vector, payloadColumn: payload, isOurs: false,
                    approximation: nil, isHalf: false, searchEffort: nil, hasPayloadIndex: false)
                try session.catalog.remove(collection, name, connection, limit)
                try session.catalog.insert(table, connection, limit)
                return table.description
            }
        }
    }

    /// Forgets a table that ``mapTable(_:metric:id:vector:payload:)`` made a collection; the table itself stays.
    public func unmapTable(_ collection: String) throws(VectorStoreError) {
        let session = operations.session
        try session.run(repeats: false) { connection, limit throws(VectorStoreError) in
            let table = try session.table(collection, fresh: true, connection, limit)
            guard !table.isOurs else {
                throw .pgvector(.invalidArgument, "the table is this library's; drop it", collection: collection)
            }
            try session.catalog.remove(collection, table.name, connection, limit)
            session.changed(collection)
        }
    }

    /// The length of the vectors of a table whose columns are as they have to be.
    private static func dimension(
        of name: TableName, _ collection: String, id: String, vector: String, payload: String,
        _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> Int {
        var parameters = PostgresParameters()
        parameters.text(name.schema)
        parameters.text(name.table)
        let rows = try connection.run(
            """
            select a.attname::text, t.typname::text, a.atttypmod, exists (
                select from pg_catalog.pg_index i where i.indrelid = k.oid and i.indisunique and i.indisvalid
                    and i.indpred is null and i.indnkeyatts = 1 and i.indkey[0] = a.attnum)
            from pg_catalog.pg_class k join pg_catalog.pg_namespace n on n.oid = k.relnamespace
            join pg_catalog.pg_attribute a on a.attrelid = k.oid and a.attnum > 0 and not a.attisdropped
            join pg_catalog.pg_type t on t.oid = a.atttypid
            where n.nspname = $1 and k.relname = $2
            """, parameters, limit: limit)
        guard rows.count > 0 else {
            throw .pgvector(.collectionNotFound, "there is no table \(name.quoted)", collection: collection)
        }
        var columns: [UTF8Key: (type: String, modifier: Int64, isUnique: Bool)] = [:]
        for row in 0..<rows.count {
            guard let column = rows.text(row, 0), let type = rows.text(row, 1), let modifier = rows.integer(row, 2)
            else { continue }
            columns[UTF8Key(column)] = (type, modifier, rows.bool(row, 3))
        }
        guard let key = columns[UTF8Key(id)], ["text", "varchar"].contains(key.type), key.isUnique else {
            throw .pgvector(
                .collectionMismatch, "the id's column is text or varchar with a unique index of its own",
                collection: collection)
        }
        guard let embedding = columns[UTF8Key(vector)], embedding.type == "vector",
            (1...16_000).contains(embedding.modifier)
        else {
            throw .pgvector(
                .collectionMismatch, "the vector's column is of the type vector(n)", collection: collection)
        }
        guard columns[UTF8Key(payload)]?.type == "jsonb" else {
            throw .pgvector(.collectionMismatch, "the payload's column is jsonb", collection: collection)
        }
        return Int(embedding.modifier)
    }
}
#endif
