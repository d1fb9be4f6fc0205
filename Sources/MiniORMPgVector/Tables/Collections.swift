#if PgVector
import MiniORM

// Creating, dropping and finding collections.
extension PgOperations {
    func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        let wanted = request.collection
        let name = try TableName(wanted.name, defaultSchema: session.configuration.schema)
        guard wanted.dimension >= 1, wanted.dimension <= 16_000 else {
            throw .pgvector(
                .invalidArgument, "pgvector takes 1 to 16,000 dimensions, not \(wanted.dimension)",
                collection: wanted.name)
        }
        // Other programs, whose creations do not wait for ours, may be a moment ahead.
        for _ in 0..<3 {
            do throws(VectorStoreError) { return try create(request, name) } catch {
                guard session.isPooled, error.postgres?.isOfMeeting == true else { throw error }
            }
        }
        try create(request, name)
    }

    private func create(_ request: CreateCollectionRequest, _ name: TableName) throws(VectorStoreError) {
        let wanted = request.collection
        try session.run(repeats: request.mode != .create) { connection, limit throws(VectorStoreError) in
            // The usual case of a restart: it is there as it should be. No lock, and no right to create, is needed.
            if request.mode == .ensure, let present = try session.find(wanted.name, fresh: true, connection, limit) {
                return try check(present, is: wanted)
            }
            try session.atomically(connection, limit) { () throws(VectorStoreError) in
                try session.catalog.lock(connection, limit)
                let pgvector = try installed(connection, limit)
                try session.catalog.create(connection, limit)
                if let present = try session.catalog.find(wanted.name, name, connection, limit) {
                    switch request.mode {
                    case .ensure: return try check(present, is: wanted)
                    case .create:
                        throw .pgvector(
                            .collectionAlreadyExists, "the collection is there already", collection: wanted.name)
                    case .overwrite: try drop(present, connection, limit)
                    }
                }
                guard let table = try isType(name, connection, limit) ? name.besideType : name else {
                    throw .pgvector(
                        .invalidCollectionName, "the schema has a type of that name", collection: wanted.name)
                }
                try session.catalog.forget(name, connection, limit)
                try create(wanted, table, pgvector, connection, limit)
            }
            session.changed(wanted.name)
        }
    }

    private func check(_ present: CollectionTable, is wanted: CollectionDescription) throws(VectorStoreError) {
        let description = present.description
        guard description.dimension == wanted.dimension, description.metric == wanted.metric else {
            throw .pgvector(
                .collectionMismatch,
                "the collection has \(description.dimension) dimensions and metric \(description.metric), "
                    + "not \(wanted.dimension) and \(wanted.metric)", collection: wanted.name)
        }
    }

    /// pgvector, which is installed first if need be.
    func installed(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) -> Session.Extension {
        if let found = try session.findExtension(fresh: true, connection, limit) { return found }
        guard session.configuration.createsExtension else { return try session.pgvector(connection, limit) }
        try Catalog.lockDatabase(connection, limit)
        do { try connection.script("create extension if not exists vector", limit: limit) } catch {
            throw .pgvector(
                error.code == .unauthorized ? .unauthorized : .backend,
                "the extension vector is not installed in this database, and cannot be: "
                    + "the server lacks pgvector, or the role lacks the right; let an administrator run: "
                    + "create extension vector", cause: error.cause)
        }
        return try session.pgvector(connection, limit)
    }

    /// Whether a type has the name, so that no table can; the type of an array gives way by itself.
    private func isType(
        _ name: TableName, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> Bool {
        var parameters = PostgresParameters()
        parameters.text(name.schema)
        parameters.text(name.table)
        return try connection.run(
            """
            select exists (
                select from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
                left join pg_catalog.pg_class k on k.oid = t.typrelid
                where n.nspname = $1 and t.typname = $2 and coalesce(k.relkind = 'c', true)
                    and not (t.typtype = 'b' and t.typcategory = 'A'))
            """, parameters, limit: limit
        ).bool(0, 0)
    }

    private func create(
        _ wanted: CollectionDescription, _ name: TableName, _ pgvector: Session.Extension,
        _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        try Catalog.createSchema(name.schema, connection, limit)
        let isBeyond = ScoreSQL(schema: pgvector.schema, metric: wanted.metric).isBeyond("embedding")
        let rangeIndex =
            isBeyond.map { "create index \(IndexName.newRange()) on \(name.quoted) (id) where \($0);" } ?? ""
        do {
            // Vectors are read whole and hardly compress: kept plain they are read fastest.
            try connection.script(
                """
                create table \(name.quoted) (
                    id text collate "C" constraint \(IndexName.newKey()) primary key,
                    embedding \(pgvector.schema).vector(\(wanted.dimension)) not null,
                    payload jsonb
                );
                alter table \(name.quoted) alter column embedding set storage \(storage(wanted.dimension));
                \(rangeIndex)
                comment on table \(name.quoted) is '\(Catalog.mark)'
                """, limit: limit)
        } catch {
            guard error.postgres?.sqlState == "42P07" else { throw error }
            throw .pgvector(
                .collectionAlreadyExists,
                "there is a table \(name.quoted) that this library did not make; it is left alone, and mapTable makes it "
                    + "a collection",
                collection: wanted.name, cause: error.cause)
        }
        let table = CollectionTable(
            description: wanted, name: name, oid: 0, idColumn: "id", vectorColumn: "embedding",
            payloadColumn: "payload", isOurs: true, approximation: nil, isHalf: false, searchEffort: nil,
            hasPayloadIndex: false, fieldIndexes: [], hasRangeIndex: isBeyond != nil)
        try session.catalog.insert(table, connection, limit)
    }

    /// In the row where it fits a page with its payload, else beside it without a try to compress.
    private func storage(_ dimension: Int) -> String { dimension * 4 <= 6000 ? "plain" : "external" }

    private func drop(
        _ table: CollectionTable, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        guard table.isOurs else {
            throw .pgvector(
                .invalidArgument,
                "the table \(table.name.quoted) was not made by this library, which does not drop it",
                collection: table.description.name)
        }
        try connection.script("drop table \(table.name.quoted)", limit: limit)
        try session.catalog.remove(table.name, connection, limit)
    }

    func dropCollection(_ name: String) throws(VectorStoreError) {
        try session.run(collection: name, repeats: false) { connection, limit throws(VectorStoreError) in
            _ = try session.table(name, fresh: true, connection, limit)
            try session.atomically(connection, limit) { () throws(VectorStoreError) in
                try session.catalog.lock(connection, limit)
                try drop(try session.table(name, fresh: true, connection, limit), connection, limit)
            }
            session.changed(name)
        }
    }

    func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        try session.run { connection, limit throws(VectorStoreError) in
            try session.find(name, fresh: true, connection, limit)?.description
        }
    }

    func listCollections() throws(VectorStoreError) -> [String] {
        try session.run { connection, limit throws(VectorStoreError) in
            guard try session.catalogExists(connection, limit) else { return [] }
            let names = try session.catalog.names(connection, limit)
            return names.compactMap { $0.collection(defaultSchema: session.configuration.schema) }
                .map(UTF8Key.init).sorted().map(\.string)
        }
    }
}
#endif
