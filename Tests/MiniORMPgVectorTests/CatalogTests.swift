#if PgVector
import MiniORM
import MiniORMPgVector
import TestSupport
import Testing

/// What the library remembers of its collections, and what of that it may do with few rights.
@Suite(.serialized, .dropsSchemas) struct CatalogTests {
    private static let tenants = ["\(Server.schema)_t1", "\(Server.schema)_t2"]

    /// Two configurations that differ in the schema alone have two collections of one name.
    @Test(arguments: Server.both)
    func schemasThatShareACatalogKeepTheirCollectionsApart(_ server: Server) throws {
        let stores = try Self.tenants.map { schema in try server.store { $0.schema = schema } }
        defer { for store in stores { store.close() } }
        let first = try VectorRepository(stores[0], "words", dimension: 1, metric: .l2, overwrite: true)
        try first.upsert([VectorRecord(id: "first", vector: [1])])
        #expect(try !VectorRepository(stores[1], "words", dimension: 2, autoCreate: false).collectionExists())
        // Neither is another dimension a mismatch, nor does an overwrite reach beyond its schema.
        let second = try VectorRepository(stores[1], "words", dimension: 2)
        try second.upsert([VectorRecord(id: "second", vector: [1, 2])])
        #expect(try first.fetch().map(\.id) == ["first"])
        _ = try VectorRepository(stores[1], "words", dimension: 2, overwrite: true)
        #expect(try second.count() == 0)
        #expect(try first.fetch().map(\.id) == ["first"])
        // Each is known to the other by its schema, and to its own without.
        #expect(try Set(stores[0].listCollections()).isSuperset(of: ["words", "\(Self.tenants[1]).words"]))
        #expect(try Set(stores[1].listCollections()).isSuperset(of: ["words", "\(Self.tenants[0]).words"]))
        let seen = try VectorRepository(stores[1], "\(Self.tenants[0]).words", dimension: 1, metric: .l2)
        #expect(try seen.fetch().map(\.id) == ["first"])
        expect(.invalidCollectionName) {
            _ = try VectorRepository(stores[1], "\(Self.tenants[1]).words", dimension: 2).count()
        }
        try stores[1].dropCollection("words")
        #expect(try first.count() == 1)
        try stores[0].dropCollection("words")
        for tenant in Self.tenants { try stores[0].execute("drop schema \(tenant)") }
    }

    /// A role that may write the catalogue that an administrator made, and create nothing but tables in one schema.
    @Test(arguments: Server.both)
    func aRoleOfFewRightsUsesACatalogueThatIsThere(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        try VectorRepository(store, "ours", dimension: 1, overwrite: true).dropCollection()
        let (schema, role) = (Server.schema, "\(Server.schema)_least")
        try store.execute("create role \(role)")
        try store.execute("grant usage on schema \(schema)_catalog to \(role)")
        try store.execute("grant select, insert, update, delete on \(schema)_catalog.collections to \(role)")
        try store.execute("grant usage, create on schema \(schema) to \(role)")
        var configuration = try PgVectorConfiguration(server.address() + "?options=-c%20role%3D\(role)")
        configuration.schema = schema
        configuration.catalogSchema = schema + "_catalog"
        let least = PgVectorStore(configuration)
        defer { least.close() }
        let repository = try VectorRepository(least, "modest", dimension: 1)
        try repository.upsert([VectorRecord(id: "a", vector: [1])])
        #expect(try repository.count() == 1)
        try repository.dropCollection()
        try store.execute("drop owned by \(role)")
        try store.execute("drop role \(role)")
    }

    /// An extension that came with a transaction is gone with it, and made again by the next.
    @Test(arguments: Server.both)
    func anExtensionThatWasRolledBackIsMadeAgain(_ server: Server) throws {
        try server.withDatabase { address in
            let store = try PgVectorStore(address)
            defer { store.close() }
            try store.execute("create table public.taken (id text)")
            expect(.collectionAlreadyExists) { _ = try VectorRepository(store, "taken", dimension: 1) }
            #expect(try store.execute("select from pg_extension where extname = 'vector'").rows.isEmpty)
            let repository = try VectorRepository(store, "free", dimension: 1)
            try repository.upsert([VectorRecord(id: "a", vector: [1])])
            // Also where it went and came back behind our back.
            try store.execute("drop extension vector cascade")
            try repository.createCollection(overwrite: true)
            try repository.upsert([VectorRecord(id: "b", vector: [1])])
            #expect(try repository.fetch().map(\.id) == ["b"])
        }
    }

    @Test(arguments: Server.both)
    func anExtensionThatIsNotThereIsSaidClearly(_ server: Server) throws {
        try server.withDatabase { address in
            var configuration = try PgVectorConfiguration(address)
            configuration.createsExtension = false
            let store = PgVectorStore(configuration)
            defer { store.close() }
            let error = expect(.backend) { _ = try VectorRepository(store, "words", dimension: 1) }
            #expect(error?.message.contains("create extension vector") == true)
            // Nothing of the attempt stays.
            #expect(try store.execute("select from pg_namespace where nspname = 'mini_orm'").rows.isEmpty)
            // A role that may not create it is told to ask.
            let role = "\(Server.schema)_none"
            try store.execute("create role \(role)")
            let refused = try PgVectorStore(address + "?options=-c%20role%3D\(role)")
            let refusal = expect(.unauthorized) { _ = try VectorRepository(refused, "words", dimension: 1) }
            #expect(refusal?.message.contains("administrator") == true)
            refused.close()
            try store.execute("drop role \(role)")
        }
    }

    /// A table made by hand in the place of one that was dropped by hand is not taken for it.
    @Test(arguments: Server.both)
    func whatTookTheNameOfATableOfOursIsLeftAlone(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        let name = "replaced"
        let quoted = "\(Server.schema).\(name)"
        func open(overwrite: Bool = false) throws -> VectorRepository {
            try VectorRepository(store, name, dimension: 2, metric: .l2, overwrite: overwrite)
        }
        let columns = "id text primary key, embedding vector(2) not null, payload jsonb"
        for (kind, definition) in [
            ("table", "(\(columns))"), ("table", "(\(columns)) partition by hash (id)"),
            ("view", "as select 'a' as id, '[1,2]'::vector(2) as embedding, null::jsonb as payload"),
            ("materialized view", "as select 'a' as id, '[1,2]'::vector(2) as embedding, null::jsonb as payload"),
            ("sequence", ""),
        ] {
            let repository = try open(overwrite: true)
            try store.execute("drop table \(quoted)")
            try store.execute("create \(kind) \(quoted) \(definition)")
            expect(.collectionAlreadyExists) { _ = try open() }
            expect(.collectionAlreadyExists) { try repository.createCollection() }
            expect(.collectionAlreadyExists) { _ = try open(overwrite: true) }
            expect(.collectionNotFound) { try repository.upsert([VectorRecord(id: "a", vector: [1, 2])]) }
            expect(.collectionNotFound) { _ = try repository.delete(["a"]) }
            expect(.collectionNotFound) { try repository.dropCollection() }
            #expect(try !repository.collectionExists())
            #expect(try !store.listCollections().contains(name))
            try store.execute("drop \(kind) \(quoted)")
        }
        // A table can be made a collection all the same.
        try store.execute("create table \(quoted) (\(columns))")
        try store.mapTable(name, metric: .l2, id: "id", vector: "embedding", payload: "payload")
        try open().upsert([VectorRecord(id: "a", vector: [1, 2])])
        try store.unmapTable(name)
        try store.execute("drop table \(quoted)")
        // One of ours stays ours, whatever its comment says.
        let repository = try open()
        try store.execute("comment on table \(quoted) is 'words of mine'")
        try open().upsert([VectorRecord(id: "a", vector: [1, 2])])
        // What others built on it stays.
        try store.execute("create view \(quoted)_view as select id from \(quoted)")
        expect(.invalidArgument) { try repository.dropCollection() }
        expect(.invalidArgument) { _ = try open(overwrite: true) }
        #expect(try repository.count() == 1)
        try store.execute("drop view \(quoted)_view")
        try repository.dropCollection()
    }

    @Test(arguments: Server.both)
    func theTableItselfTellsItsDimension(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        let two = try VectorRepository(store, "dimension-2", dimension: 2, overwrite: true)
        let three = try VectorRepository(store, "dimension-3", dimension: 3, overwrite: true)
        let schema = Server.schema
        try store.execute(#"alter table \#(schema)."dimension-2" rename to swap"#)
        try store.execute(#"alter table \#(schema)."dimension-3" rename to "dimension-2""#)
        try store.execute(#"alter table \#(schema).swap rename to "dimension-3""#)
        #expect(try store.describeCollection("dimension-2")?.dimension == 3)
        expect(.collectionMismatch) { _ = try VectorRepository(store, "dimension-2", dimension: 2) }
        try VectorRepository(store, "dimension-2", dimension: 3).upsert([VectorRecord(id: "a", vector: [1, 2, 3])])
        try store.execute(#"alter table \#(schema)."dimension-3" alter column embedding type vector(5)"#)
        #expect(try store.describeCollection("dimension-3")?.dimension == 5)
        try two.dropCollection()
        try three.dropCollection()
    }

    /// What another program is about to create, without waiting for this library, is there when it is done.
    @Test(
        arguments: Server.both,
        [
            "create extension vector", "create schema shared", "create schema mini_orm",
            "create table public.words (id text)",
        ])
    func whatOthersCreateAtTheSameMomentIsThere(_ server: Server, _ statement: String) async throws {
        try await server.withDatabase { address in
            var configuration = try PgVectorConfiguration(address)
            configuration.schema = statement.contains("public") ? "public" : "shared"
            let (store, other) = (PgVectorStore(configuration), PgVectorStore(configuration))
            let observer = PgVectorStore(configuration)
            defer { for store in [store, other, observer] { store.close() } }
            let creation = try await other.withTransaction { transaction in
                try await transaction.execute(statement)
                let creation = Task { _ = try await AsyncVectorRepository(store, "words", dimension: 2) }
                let waiting =
                    "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
                while try await observer.execute(waiting).rows.isEmpty {
                    try await Task.sleep(for: .milliseconds(10))
                }
                return creation
            }
            if statement.contains("table") {
                await expect(.collectionAlreadyExists) { try await creation.value }
            } else {
                try await creation.value
            }
        }
    }

    /// Each waits for the others where they would create the same.
    @Test(arguments: Server.both)
    func manyCataloguesAreMadeAtOnce(_ server: Server) async throws {
        try await server.withDatabase { address in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        var configuration = try PgVectorConfiguration(address)
                        configuration.schema = "shared"
                        configuration.catalogSchema = "catalogue_\(number)"
                        let store = PgVectorStore(configuration)
                        defer { store.close() }
                        _ = try await AsyncVectorRepository(store, "words_\(number)", dimension: 2)
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}
#endif
