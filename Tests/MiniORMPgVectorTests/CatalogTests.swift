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
}
#endif
