#if PgVector
import MiniORM

/// The table in which this library remembers its collections, and the statements about it.
struct Catalog: Sendable {
    /// The schema of that table.
    let schema: String

    var table: String { "\(schema.quotedName).collections" }

    /// One creation or drop at a time, as `if not exists` alone does not keep two from meeting.
    func lock(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) {
        var parameters = PostgresParameters()
        parameters.text("mini-orm \(schema)")
        try connection.run("select pg_advisory_xact_lock(hashtextextended($1, 0))", parameters, limit: limit)
    }

    /// Whether the table is there.
    func exists(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) -> Bool {
        var parameters = PostgresParameters()
        parameters.text(table)
        return try connection.run("select to_regclass($1) is not null", parameters, limit: limit).bool(0, 0)
    }

    func create(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) {
        try connection.script(
            """
            create schema if not exists \(schema.quotedName);
            create table if not exists \(table) (
                name text collate "C" primary key,
                table_schema text not null,
                table_name text not null,
                dimension integer not null,
                metric text not null,
                id_column text not null,
                vector_column text not null,
                payload_column text not null,
                is_ours boolean not null,
                approximation text,
                is_half boolean not null default false,
                search_effort integer,
                unique (table_schema, table_name)
            )
            """, limit: limit)
    }

    /// The names of the collections whose tables are there.
    func names(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) -> [String] {
        let rows = try connection.run("select c.name from \(source) order by c.name", limit: limit)
        return (0..<rows.count).compactMap { rows.text($0, 0) }
    }

    private var source: String {
        """
        \(table) c join pg_catalog.pg_namespace n on n.nspname = c.table_schema
        join pg_catalog.pg_class k on k.relnamespace = n.oid and k.relname = c.table_name
        """
    }

    /// The mark of a table that this library made, so that one made later under the same name is not taken for it.
    static let mark = "mini-orm collection"

    /// The collection of a name, or of a table.
    func find(
        _ name: String, or tableName: TableName? = nil, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> CollectionTable? {
        var parameters = PostgresParameters()
        parameters.text(name)
        parameters.literal(tableName?.schema)
        parameters.literal(tableName?.table)
        let rows = try connection.run(
            """
            select c.name, c.table_schema, c.table_name, k.oid, c.dimension, c.metric, c.id_column, c.vector_column,
                c.payload_column,
                c.is_ours and coalesce(obj_description(k.oid, 'pg_class') = '\(Self.mark)', false),
                c.approximation, c.is_half, c.search_effort,
                exists (
                    select from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
                    join pg_catalog.pg_am m on m.oid = x.relam
                    join pg_catalog.pg_attribute a on a.attrelid = k.oid and a.attnum = i.indkey[0]
                    where i.indrelid = k.oid and i.indisvalid and m.amname = 'gin' and a.attname = c.payload_column)
            from \(source) where c.name = $1 or (c.table_schema = $2::text and c.table_name = $3::text)
            """, parameters, limit: limit)
        guard rows.count > 0 else { return nil }
        guard let name = rows.text(0, 0), let schema = rows.text(0, 1), let table = rows.text(0, 2),
            let oid = rows.integer(0, 3), let dimension = rows.integer(0, 4),
            let metric = rows.text(0, 5).flatMap({ VectorMetric($0) }), let id = rows.text(0, 6),
            let vector = rows.text(0, 7), let payload = rows.text(0, 8)
        else {
            throw .pgvector(
                .corruptedStorage, "what \(table) says of the collection cannot be read", collection: name)
        }
        return CollectionTable(
            description: CollectionDescription(name: name, dimension: Int(dimension), metric: metric),
            name: TableName(schema: schema, table: table), oid: oid, idColumn: id, vectorColumn: vector,
            payloadColumn: payload, isOurs: rows.bool(0, 9),
            approximation: rows.text(0, 10).flatMap(CollectionTable.Approximation.init(rawValue:)),
            isHalf: rows.bool(0, 11), searchEffort: rows.integer(0, 12).map { Int($0) },
            hasPayloadIndex: rows.bool(0, 13))
    }

    func insert(
        _ collection: CollectionTable, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        var parameters = PostgresParameters()
        parameters.text(collection.description.name)
        parameters.text(collection.name.schema)
        parameters.text(collection.name.table)
        parameters.literal(String(collection.description.dimension))
        parameters.text(collection.description.metric.rawValue)
        parameters.text(collection.idColumn)
        parameters.text(collection.vectorColumn)
        parameters.text(collection.payloadColumn)
        parameters.literal(collection.isOurs ? "true" : "false")
        try connection.run(
            """
            insert into \(table) (name, table_schema, table_name, dimension, metric, id_column, vector_column,
                payload_column, is_ours)
            values ($1, $2, $3, $4::integer, $5, $6, $7, $8, $9::boolean)
            """, parameters, limit: limit)
    }

    /// Forgets a collection, and whatever was remembered of a table that is gone.
    func remove(
        _ name: String, _ tableName: TableName, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        var parameters = PostgresParameters()
        parameters.text(name)
        parameters.text(tableName.schema)
        parameters.text(tableName.table)
        try connection.run(
            "delete from \(table) where name = $1 or (table_schema = $2 and table_name = $3)", parameters, limit: limit)
    }
}
#endif
