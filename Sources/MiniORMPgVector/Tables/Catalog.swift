#if PgVector
import MiniORM

/// The table in which this library remembers its collections, and the statements about it.
struct Catalog: Sendable {
    /// The schema of that table.
    let schema: String

    var table: String { "\(schema.quotedName).collections" }

    /// One creation or drop at a time, as `if not exists` alone does not keep two from meeting.
    func lock(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) {
        try Self.lock("mini-orm \(schema)", connection, limit)
    }

    /// The same for what all catalogues of a database share.
    static func lockDatabase(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) {
        try lock("mini-orm", connection, limit)
    }

    private static func lock(
        _ what: String, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        var parameters = PostgresParameters()
        parameters.text(what)
        try connection.run("select pg_advisory_xact_lock(hashtextextended($1, 0))", parameters, limit: limit)
    }

    /// Creates a schema where it is missing; a role that may not create may still use one that is there.
    static func createSchema(
        _ schema: String, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        var parameters = PostgresParameters()
        parameters.text(schema)
        if try connection.run(
            "select exists (select from pg_catalog.pg_namespace where nspname = $1)", parameters, limit: limit
        ).bool(0, 0) {
            return
        }
        try lockDatabase(connection, limit)
        try connection.script("create schema if not exists \(schema.quotedName)", limit: limit)
    }

    /// Whether the table is there.
    func exists(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) -> Bool {
        var parameters = PostgresParameters()
        parameters.text(table)
        return try connection.run("select to_regclass($1) is not null", parameters, limit: limit).bool(0, 0)
    }

    /// Creates it where it is missing; a role that may not create may still use one that is there.
    func create(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) {
        if try exists(connection, limit) { return }
        try Self.createSchema(schema, connection, limit)
        try connection.script(
            """
            create table if not exists \(table) (
                table_schema text collate "C" not null,
                table_name text collate "C" not null,
                dimension integer not null,
                metric text not null,
                id_column text not null,
                vector_column text not null,
                payload_column text not null,
                is_ours boolean not null,
                approximation text,
                is_half boolean not null default false,
                search_effort integer,
                primary key (table_schema, table_name)
            )
            """, limit: limit)
    }

    /// The collections whose tables are there. A table of somebody else's that took the place of one that this library
    /// made is none.
    func names(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) -> [TableName] {
        let metrics = VectorMetric.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
        let rows = try connection.run(
            "select c.table_schema, c.table_name from \(source) where c.metric in (\(metrics))", limit: limit)
        return (0..<rows.count).compactMap { row in
            guard let schema = rows.text(row, 0), let table = rows.text(row, 1) else { return nil }
            return TableName(schema: schema, table: table)
        }
    }

    private var source: String {
        """
        \(table) c join pg_catalog.pg_namespace n on n.nspname = c.table_schema
        join pg_catalog.pg_class k on k.relnamespace = n.oid and k.relname = c.table_name and k.relkind <> 'c'
            and (not c.is_ours or k.relkind in ('r', 'p') and (
                coalesce(obj_description(k.oid, 'pg_class') = '\(Self.mark)', false)
                or exists (
                    select from pg_catalog.pg_constraint p where p.conrelid = k.oid and p.contype = 'p'
                        and starts_with(p.conname, '\(IndexName.keyPrefix)'))))
        """
    }

    /// The comment on a table that this library made, so that one made later under the same name is not taken for it. The
    /// name of its primary key tells too, where somebody wrote another comment.
    static let mark = "mini-orm collection"

    /// The collection of a table, by a name of its own in the store; the table may have been named beside a type.
    func find(
        _ collection: String, _ name: TableName, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> CollectionTable? {
        var parameters = PostgresParameters()
        parameters.text(name.schema)
        parameters.text(name.table)
        parameters.text((name.besideType ?? name).table)
        let rows = try connection.run(
            """
            select k.oid, coalesce((
                    select a.atttypmod from pg_catalog.pg_attribute a where a.attrelid = k.oid
                        and a.attname = c.vector_column and not a.attisdropped and a.atttypmod > 0), c.dimension),
                c.metric, c.id_column, c.vector_column, c.payload_column, c.is_ours,
                case when has_index then c.approximation end, c.is_half and has_index,
                case when has_index then c.search_effort end,
                exists (
                    select from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
                    join pg_catalog.pg_am m on m.oid = x.relam
                    join pg_catalog.pg_attribute a on a.attrelid = k.oid and a.attnum = i.indkey[0]
                    where i.indrelid = k.oid and i.indisvalid and m.amname = 'gin' and a.attname = c.payload_column),
                (select string_agg(x.relname, ' ') from pg_catalog.pg_index i
                    join pg_catalog.pg_class x on x.oid = i.indexrelid
                    where i.indrelid = k.oid and i.indisvalid and starts_with(x.relname, '\(IndexName.fieldPrefix)')),
                exists (
                    select from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
                    where i.indrelid = k.oid and i.indisvalid and starts_with(x.relname, '\(IndexName.rangePrefix)')),
                c.table_name
            from \(source)
            cross join lateral (
                select exists (
                    select from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
                    where i.indrelid = k.oid and i.indisvalid and starts_with(x.relname, '\(IndexName.vectorPrefix)')
                ) as has_index
            ) as vectors
            where c.table_schema = $1 and c.table_name in ($2, $3) order by c.table_name limit 1
            """, parameters, limit: limit)
        guard rows.count > 0 else { return nil }
        guard let oid = rows.integer(0, 0), let dimension = rows.integer(0, 1),
            let metric = rows.text(0, 2).flatMap({ VectorMetric($0) }), let id = rows.text(0, 3),
            let vector = rows.text(0, 4), let payload = rows.text(0, 5), let table = rows.text(0, 13)
        else {
            throw .pgvector(
                .corruptedStorage, "what \(self.table) says of the collection cannot be read", collection: collection)
        }
        return CollectionTable(
            description: CollectionDescription(name: collection, dimension: Int(dimension), metric: metric),
            name: TableName(schema: name.schema, table: table), oid: oid, idColumn: id, vectorColumn: vector,
            payloadColumn: payload, isOurs: rows.bool(0, 6),
            approximation: rows.text(0, 7).flatMap(CollectionTable.Approximation.init(rawValue:)),
            isHalf: rows.bool(0, 8), searchEffort: rows.integer(0, 9).map { Int($0) },
            hasPayloadIndex: rows.bool(0, 10), fieldIndexes: Self.keys(of: rows.text(0, 11)),
            hasRangeIndex: rows.bool(0, 12))
    }

    /// The keys of the paths that indexes are on, by the names of these, which end with a table's number and a key; the
    /// number is another one where the table was restored from a dump.
    private static func keys(of names: String?) -> Set<String> {
        let ends = (names ?? "").split(separator: " ").map {
            $0.dropFirst(IndexName.fieldPrefix.count).split(separator: "_")
        }
        return Set(ends.filter { $0.count == 2 }.map { String($0[1]) })
    }

    func insert(
        _ collection: CollectionTable, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        var parameters = PostgresParameters()
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
            insert into \(table) (table_schema, table_name, dimension, metric, id_column, vector_column,
                payload_column, is_ours)
            values ($1, $2, $3::integer, $4, $5, $6, $7, $8::boolean)
            """, parameters, limit: limit)
    }

    /// Forgets a collection, or whatever was remembered of a table that is gone.
    func remove(
        _ name: TableName, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        var parameters = PostgresParameters()
        parameters.text(name.schema)
        parameters.text(name.table)
        try connection.run(
            "delete from \(table) where table_schema = $1 and table_name = $2", parameters, limit: limit)
    }

    /// Takes out all that is left of a collection whose table is gone, whichever name that had.
    func forget(
        _ name: TableName, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        try remove(name, connection, limit)
        if let besideType = name.besideType { try remove(besideType, connection, limit) }
    }

    /// Remembers the approximate index of a collection; `nil` for none.
    func setIndex(
        _ method: CollectionTable.Approximation?, isHalf: Bool, effort: Int?, of name: TableName,
        _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        var parameters = PostgresParameters()
        parameters.text(name.schema)
        parameters.text(name.table)
        parameters.literal(method?.rawValue)
        parameters.literal(isHalf ? "true" : "false")
        parameters.literal(effort.map(String.init))
        try connection.run(
            """
            update \(table) set approximation = $3::text, is_half = $4::boolean, search_effort = $5::integer
            where table_schema = $1 and table_name = $2
            """, parameters, limit: limit)
    }
}
#endif
