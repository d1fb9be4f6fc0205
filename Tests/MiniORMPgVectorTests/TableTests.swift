#if PgVector
import MiniORM
import MiniORMPgVector
import Synchronization
import TestSupport
import Testing

/// Tables: whose they are, what they are called, what may be done to them.
@Suite(.serialized, .dropsSchemas) struct TableTests {
    @Test func aTableThatThisLibraryDidNotMakeIsLeftAlone() throws {
        let store = try Server.pg16.store()
        defer { store.close() }
        // Makes the schema.
        try VectorRepository(store, "ours", dimension: 1, overwrite: true).dropCollection()
        try store.execute("create table \(Server.schema).foreign_table (id text primary key)")
        expect(.collectionAlreadyExists) { _ = try VectorRepository(store, "foreign_table", dimension: 1) }
        expect(.collectionAlreadyExists) {
            _ = try VectorRepository(store, "foreign_table", dimension: 1, overwrite: true)
        }
        expect(.collectionNotFound) { try store.dropCollection("foreign_table") }
        try store.execute("drop table \(Server.schema).foreign_table")
    }

    @Test func aNameMayHoldASchemaAndTwoNamesNeverMeet() throws {
        let store = try Server.pg18.store()
        defer { store.close() }
        let schema = Server.schema + " \"other\""
        let name = "\(schema).T'able; --"
        let repository = try VectorRepository(store, name, dimension: 1, overwrite: true)
        try repository.upsert([VectorRecord(id: "a", vector: [1])])
        #expect(try repository.count() == 1)
        #expect(try store.listCollections().contains(name))
        _ = try VectorRepository(store, "meeting", dimension: 1, overwrite: true)
        expect(.invalidCollectionName) { _ = try VectorRepository(store, "\(Server.schema).meeting", dimension: 1) }
        expect(.invalidCollectionName) {
            _ = try VectorRepository(store, String(repeating: "é", count: 32), dimension: 1)
        }
        try store.dropCollection("meeting")
        try repository.dropCollection()
        try store.execute("drop schema \"\(Server.schema) \"\"other\"\"\"")
    }

    /// The index of the ids has a name of its own: not one that another collection may have.
    @Test func namesThatTheServerGivesAreFree() throws {
        let store = try Server.pg16.store()
        defer { store.close() }
        for name in ["keyed", "keyed_pkey"] {
            let repository = try VectorRepository(store, name, dimension: 1, overwrite: true)
            try repository.upsert([VectorRecord(id: name, vector: [1])])
        }
        for name in ["keyed", "keyed_pkey"] {
            let repository = try VectorRepository(store, name, dimension: 1)
            #expect(try repository.fetch().map(\.id) == [name])
            try repository.dropCollection()
        }
    }

    /// A table's rows are of a type of its name, so no table can have that of a type: `vector` where the extension is.
    @Test(arguments: Server.both) func namesOfTypesAreNamesOfCollections(server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        let extensionSchema = try #require(
            try store.execute(
                "select nspname from pg_extension e join pg_namespace n on n.oid = extnamespace where extname = 'vector'"
            ).rows.first?.first ?? nil)
        try store.execute("create type \(Server.schema).mood as enum ('good', 'bad')")
        try store.execute("create type \(Server.schema).pair as (a integer, b integer)")
        let names = ["mood", "_mood", "pair"] + ["vector", "halfvec", "sparsevec"].map { "\(extensionSchema).\($0)" }
        for name in names {
            _ = try VectorRepository(store, name, dimension: 1)
            let repository = try VectorRepository(store, name, dimension: 2, metric: .dot, overwrite: true)
            try repository.upsert([VectorRecord(id: name, vector: [1, 2], payload: ["n": 1])])
            try store.createIndex(name, .hnsw())
            #expect(try repository.query([1, 0], filter: ["n": 1]).map(\.id) == [name])
            #expect(try repository.describe() == CollectionDescription(name: name, dimension: 2, metric: .dot))
            expect(.collectionMismatch) { _ = try VectorRepository(store, name, dimension: 1, metric: .dot) }
            expect(.invalidCollectionName) { _ = try VectorRepository(store, name + " (collection)", dimension: 2) }
        }
        let again = try server.store()
        defer { again.close() }
        #expect(try Set(again.listCollections()).isSuperset(of: names))
        for name in names {
            let repository = try VectorRepository(again, name, dimension: 2, metric: .dot)
            #expect(try repository.fetch().map(\.id) == [name])
            try repository.dropCollection()
            #expect(try !repository.collectionExists())
        }
        try store.execute("drop type \(Server.schema).mood")
        try store.execute("drop type \(Server.schema).pair")
        // A table that was dropped, then a type of its name, then another's table.
        _ = try VectorRepository(store, "stale", dimension: 2)
        try store.execute("drop table \(Server.schema).stale")
        try store.execute("create type \(Server.schema).stale as (a integer)")
        let stale = try VectorRepository(store, "stale", dimension: 3)
        try stale.upsert([VectorRecord(id: "a", vector: [1, 2, 3])])
        try store.execute("drop type \(Server.schema).stale")
        try store.execute("create table \(Server.schema).stale (id text)")
        #expect(try VectorRepository(server.store(), "stale", dimension: 3).fetch().map(\.id) == ["a"])
        try stale.dropCollection()
        try store.execute("drop table \(Server.schema).stale")
        let prepended = "\u{600}"
        _ = try VectorRepository(store, prepended, dimension: 2)
        expect(.invalidCollectionName) { _ = try VectorRepository(store, prepended + " (collection)", dimension: 2) }
        try store.dropCollection(prepended)
        // A table whose name would be too long.
        let long = String(repeating: "t", count: 51)
        try store.execute("create type \(Server.schema).\(long) as enum ()")
        expect(.invalidCollectionName) { _ = try VectorRepository(store, long, dimension: 1) }
        try store.execute("drop type \(Server.schema).\(long)")
        for schema in ["pg_temp", "pg_toast", "pg_catalog"] {
            expect(.invalidCollectionName) { _ = try VectorRepository(store, "\(schema).x", dimension: 1) }
        }
    }

    /// A dump of another database brings indexes whose names have the numbers of its tables.
    @Test(arguments: Server.both) func indexesOfRestoredTablesAreToldByTheirTable(server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        for name in ["restored", "innocent"] {
            let repository = try VectorRepository(store, name, dimension: 2, metric: .dot, overwrite: true)
            try repository.upsert([VectorRecord(id: "a", vector: [1, 0])])
            try store.createIndex(name, .hnsw(precision: .half))
        }
        func names(_ table: String) throws -> [String] {
            try store.execute(
                """
                select indexname from pg_indexes where schemaname = '\(Server.schema)' and tablename = '\(table)'
                and indexname like 'mini\\_orm\\_vector%'
                """
            ).rows.compactMap { $0.first ?? nil }
        }
        let (mine, other) = (try names("restored"), try names("innocent"))
        #expect(mine.count == 1 && other.count == 1)
        // As if `innocent` came with the number that `restored` has here.
        try store.execute("alter index \(Server.schema).\(mine[0]) rename to mini_orm_vector_1")
        try store.execute("alter index \(Server.schema).\(other[0]) rename to \(mine[0])")
        expect(.invalidArgument) { try store.createIndex("restored", .hnsw()) }
        expect(.invalidArgument) { try store.dropIndex("restored") }
        #expect(try names("innocent") == mine)
        // It is dropped with its own table's, whatever its name.
        try store.dropIndex("innocent")
        #expect(try names("innocent").isEmpty)
        try store.dropIndex("restored")
        #expect(try names("restored").isEmpty)
        let restored = try VectorRepository(store, "restored", dimension: 2, metric: .dot)
        try restored.upsert([VectorRecord(id: "a", vector: [1e6, 0])])
        #expect(try restored.query([1, 0]).first?.score == 1e6)
        for name in ["restored", "innocent"] { try store.dropCollection(name) }
    }

    @Test(arguments: Server.both) func indexesOfARestoredTableAreFoundAgain(server: Server) throws {
        var store = try server.store()
        let name = "dumped"
        _ = try VectorRepository(store, name, dimension: 2, metric: .dot, overwrite: true)
        try store.createIndex(name, .hnsw(precision: .half))
        try store.createFieldIndex(name, "n")
        try store.createFieldIndex(name, "m")
        try store.createPayloadIndex(name)
        func names() throws -> [String] {
            try store.execute(
                "select indexname from pg_indexes where schemaname = '\(Server.schema)' and tablename = '\(name)'"
            ).rows.compactMap { $0.first ?? nil }.filter { !$0.contains("_key_") && !$0.contains("_range_") }.sorted()
        }
        for name in try names() {
            let parts = name.split(separator: "_", omittingEmptySubsequences: false)
            let restored = (parts[..<3] + ["1"] + parts[4...]).joined(separator: "_")
            try store.execute("alter index \(Server.schema).\(name) rename to \(restored)")
        }
        store.close()
        store = try server.store()
        defer { store.close() }
        let repository = try VectorRepository(store, name, dimension: 2, metric: .dot)
        #expect(try repository.explain(.field("n") == 1).native.contains("hash"))
        try store.setSearchEffort(name, 100)
        expect(.invalidVector) { try repository.upsert([VectorRecord(id: "a", vector: [1e6, 0])]) }
        // A new one takes its place.
        try store.createIndex(name, .hnsw())
        let index = try #require(try names().first { $0.contains("_vector_") })
        #expect(try names().count == 4 && !index.hasSuffix("_1"))
        try store.createFieldIndex(name, "n")
        try store.createPayloadIndex(name)
        #expect(try names().filter { $0.hasPrefix("mini_orm_field_1_") || $0.hasSuffix("_1") }.count == 1)
        #expect(try names().count == 4)
        try repository.upsert([VectorRecord(id: "a", vector: [1e6, 0])])
        // One that was dropped by hand is none.
        try store.execute("drop index \(Server.schema).\(index)")
        expect(.invalidArgument) { try store.setSearchEffort(name, 100) }
        #expect(try repository.query([1, 0]).first?.score == 1e6)
        try store.dropCollection(name)
    }

    /// An insert meets the table's rules; a copy would pass them by.
    @Test func aMappedTableWithRulesIsWrittenTheSameWayHoweverManyRecords() throws {
        let store = try Server.pg16.store()
        defer { store.close() }
        let name = "ruled"
        try store.execute(
            "create table \(Server.schema).\(name) (id text primary key, v vector(2) not null, p jsonb)")
        try store.execute("create rule nothing as on insert to \(Server.schema).\(name) do instead nothing")
        try store.mapTable(name, metric: .l2, id: "id", vector: "v", payload: "p")
        let repository = try VectorRepository(store, name, dimension: 2, metric: .l2)
        for count in [1, 3_000] {
            try repository.upsert((0..<count).map { VectorRecord(id: "\($0)", vector: [1, 2]) })
            #expect(try repository.count() == 0)
        }
        try store.unmapTable(name)
        try store.execute("drop table \(Server.schema).\(name)")
    }

    @Test func anExistingTableWithOtherColumnNamesIsMapped() throws {
        let store = try Server.pg16.store()
        defer { store.close() }
        try VectorRepository(store, "ours", dimension: 1, overwrite: true).dropCollection()
        let table = "\(Server.schema).articles"
        try store.execute(
            """
            create table \(table) ("Key" varchar primary key, v vector(2) not null, meta jsonb, kept int default 7)
            """)
        try store.execute(
            "insert into \(table) values ('x', $1, '{\"n\": 12345678901234567890, \"e\": 1e2}', 1)", [.vector([1, 0])])
        expect(.collectionMismatch) {
            _ = try store.mapTable("articles", metric: .l2, id: "meta", vector: "v", payload: "meta")
        }
        try store.execute("alter table \(table) alter \"Key\" type varchar(3)")
        expect(.collectionMismatch) {
            _ = try store.mapTable("articles", metric: .l2, id: "Key", vector: "v", payload: "meta")
        }
        try store.execute("alter table \(table) alter \"Key\" type varchar")
        let description = try store.mapTable("articles", metric: .l2, id: "Key", vector: "v", payload: "meta")
        #expect(description.dimension == 2)
        let articles = try VectorRepository(store, "articles", dimension: 2, metric: .l2)
        try articles.upsert([VectorRecord(id: "y", vector: [0, 1], payload: ["a": 1])])
        #expect(try articles.query([0, 1], topK: 2).map(\.id) == ["y", "x"])
        #expect(try articles.fetch(["x"]).first?.payload == ["n": .double(12_345_678_901_234_567_168), "e": 100])
        #expect(try store.execute("select kept from \(table) order by \"Key\"").rows == [["1"], ["7"]])
        expect(.invalidArgument) { try store.dropCollection("articles") }
        try store.unmapTable("articles")
        expect(.collectionNotFound) { _ = try articles.count() }
        try store.execute("drop table \(table)")
    }

    /// Names of columns that the library's own statements could take for theirs.
    @Test(arguments: Server.both)
    func aMappedTableMayHaveAnyColumns(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        try VectorRepository(store, "ours", dimension: 1, overwrite: true).dropCollection()
        let table = "\(Server.schema).columns"
        try store.execute(
            """
            create table \(table) (
                item text primary key, row_score vector(1) not null, row_payload jsonb, element jsonb default '{"no": 1}',
                row_place tid default '(0,0)', row_table oid default 0, row_id text default 'no', a int, b int,
                value jsonb default '{"no": 1}', present int, excluded int)
            """)
        try store.mapTable("columns", metric: .l2, id: "item", vector: "row_score", payload: "row_payload")
        let columns = try VectorRepository(store, "columns", dimension: 1, metric: .l2)
        let tags: PayloadValue = [["deep": 1], [1, 2], "flat"]
        try columns.upsert([
            VectorRecord(id: "x", vector: [1], payload: ["tags": tags]), VectorRecord(id: "y", vector: [2]),
        ])
        for wanted: PayloadValue in [["deep": 1], [1, 2], "flat"] {
            #expect(try columns.query([1], filter: .field("tags").contains(wanted)).map(\.id) == ["x"], "\(wanted)")
        }
        #expect(try columns.query([2]).map(\.id) == ["y", "x"])
        #expect(try columns.query([2]).last?.payload == ["tags": tags])
        try store.unmapTable("columns")
        try store.execute("drop table \(table)")
    }

    /// What an upsert or a query on it could not keep to, is refused when it is mapped.
    @Test(arguments: Server.both)
    func aTableThatCannotKeepTheContractIsNotMapped(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        try VectorRepository(store, "ours", dimension: 1, overwrite: true).dropCollection()
        let table = "\(Server.schema).refused"
        for columns in [
            "id text primary key, v vector(2), p jsonb",
            "id text unique, v vector(2) not null, p jsonb",
            "id text primary key deferrable, v vector(2) not null, p jsonb",
            "id text primary key deferrable initially deferred, v vector(2) not null, p jsonb",
            "id text primary key, v vector not null, p jsonb",
            "id text primary key, v vector(2) not null, p json",
            "id text, part int, v vector(2) not null, p jsonb, primary key (id, part)",
        ] {
            try store.execute("create table \(table) (\(columns))")
            let error = expect(.collectionMismatch) {
                _ = try store.mapTable("refused", metric: .l2, id: "id", vector: "v", payload: "p")
            }
            #expect(error != nil, "\(columns)")
            try store.execute("drop table \(table)")
        }
    }

    /// An index of PostgreSQL's takes no longer text; which record it was is said before anything is sent.
    @Test(arguments: Server.both)
    func anIdLongerThanAnIndexTakesIsRefusedByName(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        let repository = try VectorRepository(store, "ids", dimension: 1, metric: .l2, overwrite: true)
        func id(_ length: Int) -> String {
            String(decoding: (0..<length).map { _ in UInt8.random(in: 33...126) }, as: UTF8.self)
        }
        let longest = id(2600)
        try repository.upsert([VectorRecord(id: longest, vector: [1])])
        #expect(try repository.fetch([longest]).count == 1)
        for long in [id(2601), id(10_000), String(repeating: "é", count: 1301)] {
            let error = expect(.invalidIdentifier) {
                try repository.upsert([VectorRecord(id: "short", vector: [1]), VectorRecord(id: long, vector: [1])])
            }
            #expect(error?.recordID == long)
            #expect(try repository.fetch([long]).isEmpty)
            #expect(try repository.delete([long]) == 0)
        }
        #expect(try repository.count() == 1)
        try repository.dropCollection()
    }

    /// Large calls copy new records in, and insert where some are there; both mean the same.
    @Test(arguments: Server.both)
    func largeUpsertsKeepEveryRecordAsItIs(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        let repository = try VectorRepository(store, "large", dimension: 3, metric: .l2, overwrite: true)
        let payloads: [[String: PayloadValue]?] = [nil, [:], ["a": "x\0y"], ["b": 1.0, "c": [nil, ["d": -0.0]]]]
        func records(_ numbers: Range<Int>, _ value: Float) -> [VectorRecord] {
            numbers.map { VectorRecord(id: "é\($0)", vector: [Float($0), value, 0.1], payload: payloads[$0 % 4]) }
        }
        func sorted(_ records: [VectorRecord]) -> [VectorRecord] { records.sorted { UTF8Key($0.id) < UTF8Key($1.id) } }
        let first = records(0..<3000, 1)
        try repository.upsert(first)
        #expect(try repository.fetch() == sorted(first))
        let second = records(2500..<6000, 2)
        try repository.upsert(second)
        #expect(try repository.fetch() == sorted(first.prefix(2500) + second))
        try repository.dropCollection()
    }

    /// Rows that stay as they are, are left alone in a table of ours; equal is what has the same bytes.
    @Test(arguments: Server.both)
    func upsertsWriteWhatDiffersByteForByte(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        let repository = try VectorRepository(store, "equal", dimension: 2, metric: .dot, overwrite: true)
        let table = "\(Server.schema).equal"
        func places() throws -> [String?] {
            try store.execute("select ctid::text from \(table) order by id").rows.map { $0[0] }
        }
        var records = [
            VectorRecord(id: "a", vector: [0, 1], payload: ["n": 1]), VectorRecord(id: "b", vector: [0, 1]),
            VectorRecord(id: "c", vector: [2, 1], payload: [:]),
            VectorRecord(id: "d", vector: [3, 1], payload: ["x": 0.0]),
        ]
        try repository.upsert(records)
        let first = try places()
        try repository.upsert(records)
        #expect(try places() == first)
        // Each is equal to SQL, and another value.
        records[0].payload = ["n": 1.0]
        records[1].vector = [-0.0, 1]
        records[2].payload = nil
        records[3].payload = ["x": .double(-0.0)]
        try repository.upsert(records)
        let fetched = try repository.fetch()
        #expect(fetched == records)
        #expect(fetched[1].vector[0].sign == .minus)
        #expect(zip(first, try places()).allSatisfy { $0 != $1 })
        try repository.dropCollection()
    }

    /// Many rows that change are deleted and copied in, which nobody can tell from an update.
    @Test(arguments: Server.both)
    func rowsThatAreReplacedAreNeverGone(_ server: Server) async throws {
        let (store, other) = (try server.store { $0.maximumConnections = 1 }, try server.store())
        defer {
            store.close()
            other.close()
        }
        let table = "\(Server.schema).replaced_rows"
        let repository = try await AsyncVectorRepository(
            store, "replaced_rows", dimension: 2, metric: .l2, overwrite: true)
        let reader = try await AsyncVectorRepository(other, "replaced_rows", dimension: 2, metric: .l2)
        @Sendable func records(_ round: Int) -> [VectorRecord] {
            (0..<3000).map { VectorRecord(id: "r\($0)", vector: [Float($0), Float(round)], payload: ["n": .int($0)]) }
        }
        /// How many rows were deleted and updated so far.
        func changes() async throws -> [String?]? {
            try await store.execute("select pg_stat_force_next_flush()")
            return try await store.execute(
                "select n_tup_del, n_tup_upd from pg_stat_user_tables where relid = $1::regclass", [.text(table)]
            ).rows.first
        }
        try await repository.upsert(records(0))
        #expect(try await changes() == ["0", "0"])
        try await repository.upsert(records(1))
        #expect(try await changes() == ["3000", "0"])
        #expect(try await repository.fetch(["r7"]) == [records(1)[7]])
        // Somebody who writes is not waited for, and the rows are updated.
        let locked = try Server.Locked(other, "insert into \(table) values ('other', '[0,0]')")
        try await repository.upsert(records(2))
        #expect(try await changes() == ["3000", "3000"])
        locked.release()
        // So they are in a transaction, whose other statements could wait for somebody who waits for it.
        try await store.withTransaction { transaction in
            try await AsyncVectorRepository(transaction.store, "replaced_rows", dimension: 2, metric: .l2)
                .upsert(records(3))
        }
        #expect(try await changes() == ["3000", "6000"])
        // And where some are the same already, as these are left alone.
        let half = records(4).enumerated().map { $0 % 2 == 0 ? $1 : records(3)[$0] }
        try await repository.upsert(half)
        #expect(try await changes() == ["3000", "7500"])
        let isDone = Mutex(false)
        async let reading = {
            var counts: Set<Int> = []
            repeat { counts.insert(try await reader.count(matching: .field("n") >= 0)) } while !isDone.withLock { $0 }
            return counts
        }()
        for round in 5..<15 { try await repository.upsert(records(round)) }
        isDone.withLock { $0 = true }
        #expect(try await reading == [3000])
        #expect(try await changes() == ["33000", "7500"])
        #expect(try await repository.fetch(["r7"]) == [records(14)[7]])
        try await repository.dropCollection()
    }

    /// What takes long to send would keep others waiting: more than 32 MB of vectors are updated.
    @Test(arguments: Server.both)
    func rowsOfManyNumbersAreUpdated(_ server: Server) async throws {
        let store = try server.store { $0.maximumConnections = 1 }
        defer { store.close() }
        let (dimension, most) = (16_000, (8 << 20) / 16_000)
        let repository = try await AsyncVectorRepository(
            store, "long_rows", dimension: dimension, metric: .l2, overwrite: true)
        func write(_ count: Int, _ round: Int) async throws -> [String?]? {
            let vector = [Float](repeating: Float(round), count: dimension)
            try await repository.upsert((0..<count).map { VectorRecord(id: "r\($0)", vector: vector) })
            try await store.execute("select pg_stat_force_next_flush()")
            return try await store.execute(
                "select n_tup_del, n_tup_upd from pg_stat_user_tables where relid = $1::regclass",
                [.text("\(Server.schema).long_rows")]
            ).rows.first
        }
        #expect(try await write(most + 1, 0) == ["0", "0"])
        #expect(try await write(most, 1) == ["\(most)", "0"])
        #expect(try await write(most + 1, 2) == ["\(most)", "\(most + 1)"])
        #expect(try await repository.fetch(["r7"])[0].vector[15_999] == 2)
        try await repository.dropCollection()
    }

    /// What hangs on a row, or beside ours in it, is kept by updating it.
    @Test(arguments: Server.both)
    func rowsThatAreMoreThanOursAreUpdated(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        let table = "\(Server.schema).hung"
        let records = (0..<1500).map { VectorRecord(id: "r\($0)", vector: [Float($0)]) }
        let others = records.map { VectorRecord(id: $0.id, vector: [$0.vector[0] + 1]) }
        let additions = [
            "alter table \(table) add more int default 7; update \(table) set more = 8",
            """
            create table \(table)_child (id text references \(table) on delete cascade);
            insert into \(table)_child select id from \(table)
            """,
            """
            create table \(table)_log (id text);
            create rule log as on delete to \(table) do also insert into \(table)_log values (old.id)
            """,
        ]
        for (addition, check) in zip(
            additions,
            [
                "select count(*) from \(table) where more = 8", "select count(*) from \(table)_child",
                "select count(*) + 1500 from \(table)_log",
            ])
        {
            let repository = try VectorRepository(store, "hung", dimension: 1, metric: .l2, overwrite: true)
            try repository.upsert(records)
            for statement in addition.split(separator: ";") { try store.execute(String(statement)) }
            try repository.upsert(others)
            #expect(try store.execute(check).rows == [["1500"]], "\(addition)")
            #expect(try repository.fetch(["r3"]).first?.vector == [4])
            try store.execute("drop table if exists \(table)_child, \(table)_log cascade")
            try store.execute("drop rule if exists log on \(table)")
        }
        try store.dropCollection("hung")
    }

    /// Also where another table was given the name since a store looked at it.
    @Test(arguments: Server.both)
    func rowsOfATableThatTookTheNameAreUpdated(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        let schema = Server.schema
        let records = (0..<1500).map { VectorRecord(id: "r\($0)", vector: [Float($0)]) }
        let repository = try VectorRepository(store, "swapped", dimension: 1, metric: .l2, overwrite: true)
        let other = try VectorRepository(store, "incoming", dimension: 1, metric: .l2, overwrite: true)
        for repository in [repository, other] { try repository.upsert(records) }
        try store.execute("create table \(schema).kept (id text references \(schema).incoming on delete cascade)")
        try store.execute("insert into \(schema).kept select id from \(schema).incoming")
        try store.execute("alter table \(schema).swapped rename to outgoing")
        try store.execute("alter table \(schema).incoming rename to swapped")
        try repository.upsert(records.map { VectorRecord(id: $0.id, vector: [$0.vector[0] + 1]) })
        #expect(try store.execute("select count(*) from \(schema).kept").rows == [["1500"]])
        #expect(try repository.fetch(["r3"]).first?.vector == [4])
        try store.execute("drop table \(schema).kept, \(schema).outgoing")
        try store.dropCollection("swapped")
    }

    /// In a table of the caller's own every upsert is an update, whose triggers run; and policies on rows are kept.
    @Test func upsertsOfMappedTablesRunTriggersAndKeepPolicies() throws {
        let store = try Server.pg18.store()
        defer { store.close() }
        try VectorRepository(store, "ours", dimension: 1, overwrite: true).dropCollection()
        let (table, role) = ("\(Server.schema).guarded", "\(Server.schema)_role")
        try store.execute(
            "create table \(table) (id text primary key, score vector(1) not null, row_id jsonb, touched int default 0)"
        )
        try store.mapTable("guarded", metric: .l2, id: "id", vector: "score", payload: "row_id")
        try store.execute(
            """
            create function \(Server.schema).touch() returns trigger language plpgsql
            as $$begin new.touched = old.touched + 1; return new; end$$
            """)
        try store.execute(
            "create trigger touch before update on \(table) for each row execute function \(Server.schema).touch()")
        try store.execute("create role \(role)")
        try store.execute("grant all on schema \(Server.schema), \(Server.schema)_catalog to \(role)")
        try store.execute("grant all on all tables in schema \(Server.schema), \(Server.schema)_catalog to \(role)")
        try store.execute("alter table \(table) enable row level security")
        try store.execute("create policy short on \(table) using (true) with check (length(id) < 6)")
        let address = try Server.pg18.address() + "?options=-c%20role%3D\(role)"
        var configuration = try PgVectorConfiguration(address)
        configuration.schema = Server.schema
        configuration.catalogSchema = Server.schema + "_catalog"
        let guarded = PgVectorStore(configuration)
        defer { guarded.close() }
        let repository = try VectorRepository(guarded, "guarded", dimension: 1, metric: .l2)
        let records = (0..<1500).map { VectorRecord(id: "r\($0)", vector: [Float($0)], payload: ["n": 1]) }
        try repository.upsert(records)
        try repository.upsert([records[3]])
        #expect(try repository.query([3], topK: 1).first?.payload == ["n": 1])
        #expect(try store.execute("select sum(touched) from \(table)").rows == [["1"]])
        #expect(throws: VectorStoreError.self) {
            try repository.upsert([records[4], VectorRecord(id: "too long", vector: [1])])
        }
        #expect(try repository.count() == 1500)
        try store.unmapTable("guarded")
        try store.execute("drop table \(table)")
        try store.execute("drop function \(Server.schema).touch()")
        try store.execute("drop owned by \(role)")
        try store.execute("drop role \(role)")
    }

    @Test(arguments: Server.both)
    func vectorsAndSQLShareATransaction(_ server: Server) async throws {
        let store = try server.store()
        defer { store.close() }
        let outside = try await AsyncVectorRepository(store, "shared", dimension: 1, overwrite: true)
        try await store.execute("create table if not exists \(Server.schema).notes (text text)")
        try await store.execute("truncate \(Server.schema).notes")
        let record = VectorRecord(id: "a", vector: [1])
        struct Stop: Error {}
        await #expect(throws: Stop.self) {
            try await store.withTransaction { transaction in
                let inside = try await AsyncVectorRepository(transaction.store, "shared", dimension: 1)
                try await inside.upsert([record])
                try await transaction.execute("insert into \(Server.schema).notes values ($1)", ["it's"])
                #expect(try await inside.count() == 1)
                #expect(try await outside.count() == 0)
                throw Stop()
            }
        }
        #expect(try await outside.count() == 0)
        try Self.commit(record, in: store)
        #expect(try await outside.count() == 1)
        #expect(try await store.execute("select text from \(Server.schema).notes").rows == [["it's"]])
        // A statement that failed takes the transaction with it, also where the body goes on.
        await #expect(throws: VectorStoreError.self) {
            try await store.withTransaction { transaction in
                try await transaction.execute("delete from \(Server.schema).notes")
                _ = try? await transaction.execute("select 1 / 0")
            }
        }
        #expect(try await store.execute("select * from \(Server.schema).notes").rows.count == 1)
        try await outside.dropCollection()
    }

    private static func commit(_ record: VectorRecord, in store: PgVectorStore) throws {
        let leaked = try store.withTransaction { transaction in
            try VectorRepository(transaction.store, "shared", dimension: 1).upsert([record])
            try transaction.execute("insert into \(Server.schema).notes values ($1)", ["it's"])
            return transaction
        }
        expect(.invalidArgument) { try leaked.execute("select 1") }
    }
}
#endif
