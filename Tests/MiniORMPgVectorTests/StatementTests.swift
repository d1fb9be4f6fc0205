#if PgVector
import MiniORM
import MiniORMPgVector
import TestSupport
import Testing

/// Statements, prepared and of the caller's own, and what a connection remembers of them.
@Suite(.serialized, .dropsSchemas) struct StatementTests {
    @Test(arguments: Server.both)
    func aCopyOfTheCallersOwnIsRefusedAndFreesTheConnection(_ server: Server) throws {
        let store = try server.store {
            $0.maximumConnections = 1
            $0.timeout = .seconds(5)
        }
        defer { store.close() }
        try store.execute("create temporary table one as select 1 as n")
        for sql in ["copy pg_am to stdout", "copy one from stdin"] {
            try store.execute("create temporary table if not exists one (n int)")
            expect(.invalidArgument) { try store.execute(sql) }
            #expect(throws: VectorStoreError.self) {
                try store.withTransaction { transaction in
                    try transaction.execute("create temporary table if not exists one (n int)")
                    try transaction.execute(sql)
                }
            }
            #expect(try store.execute("select 1").rows == [["1"]])
        }
    }

    /// Another process makes the collection anew with another dimension, again and again.
    @Test(arguments: Server.both)
    func statementsThatNoLongerFitAreMadeAnew(_ server: Server) throws {
        let store = try server.store { $0.maximumConnections = 1 }
        let other = try server.store()
        defer {
            store.close()
            other.close()
        }
        for dimension in [2, 3, 4] {
            let maker = try VectorRepository(other, "anew", dimension: dimension, overwrite: true)
            let vector = [Float](repeating: 1, count: dimension)
            try maker.upsert([VectorRecord(id: "a", vector: vector)])
            let repository = try VectorRepository(store, "anew", dimension: dimension, autoCreate: false)
            for _ in 0..<2 {
                #expect(try repository.fetch().map(\.vector) == [vector])
                #expect(try repository.fetch(["a"]).map(\.vector) == [vector])
                #expect(try repository.records().map { try $0.get().id } == ["a"])
                #expect(try repository.query(vector, includeVectors: true).map(\.vector) == [vector])
                #expect(try repository.queryBatch([vector, vector], includeVectors: true).count == 2)
            }
        }
        // In a transaction the first statement's failure is the last; the next transaction is well.
        let repository = try VectorRepository(store, "anew", dimension: 5, autoCreate: false)
        _ = try VectorRepository(other, "anew", dimension: 5, overwrite: true)
        func read() throws {
            try store.withTransaction { transaction in
                let inside = try VectorRepository(transaction.store, "anew", dimension: 5, autoCreate: false)
                #expect(try inside.fetch().isEmpty)
            }
        }
        expect(.unavailable, read)
        try read()
        #expect(try repository.fetch().isEmpty)
        try repository.dropCollection()
    }

    /// In a transaction a statement that no longer fits is told from one that failed for a reason of its own: only the
    /// former is worth another transaction.
    @Test(arguments: Server.both)
    func aTransactionIsToBeRunAgainOnlyWhereThatHelps(_ server: Server) throws {
        try server.withDatabase { address in
            var configuration = try PgVectorConfiguration(address)
            configuration.maximumConnections = 1
            let store = PgVectorStore(configuration)
            defer { store.close() }
            let repository = try VectorRepository(store, "words", dimension: 1, metric: .l2)
            func write() throws {
                try store.withTransaction { transaction in
                    let inside = try VectorRepository(transaction.store, "words", dimension: 1, metric: .l2)
                    try inside.upsert([VectorRecord(id: "a", vector: [1])])
                }
            }
            try write()
            // The type of a parameter goes and comes back with its extension.
            try store.execute("drop extension vector cascade")
            try store.execute("create extension vector")
            try store.execute("drop table words")
            try store.execute("create table words (id text primary key, embedding vector(1) not null, payload jsonb)")
            try store.execute("comment on table words is 'mini-orm collection'")
            let stale = expect(.unavailable, write)
            #expect(stale?.message.contains("run the transaction again") == true)
            try write()
            #expect(try repository.count() == 1)
            // Errors of other origin with the same SQLSTATEs.
            for (state, code) in [("0A000", VectorStoreError.Code.collectionMismatch), ("XX000", .backend)] {
                try store.execute(
                    """
                    create or replace function refuse() returns trigger language plpgsql as
                    $$ begin raise exception 'no' using errcode = '\(state)'; end $$
                    """)
                try store.execute(
                    "create or replace trigger refuse before insert on words for each row execute function refuse()")
                for _ in 0..<2 {
                    let error = expect(code, write)
                    #expect(error?.message.contains(state) == true)
                }
            }
        }
    }

    @Test(arguments: Server.both)
    func statementsThatTheServerForgotAreMadeAnew(_ server: Server) throws {
        let store = try server.store { $0.maximumConnections = 1 }
        defer { store.close() }
        let repository = try VectorRepository(store, "forgotten", dimension: 1, metric: .l2, overwrite: true)
        for id in ["a", "b"] {
            try repository.upsert([VectorRecord(id: id, vector: [1])])
            #expect(try repository.queryBatch([[1], [2]]).map(\.count) == (id == "a" ? [1, 1] : [2, 2]))
            try store.execute("deallocate all")
        }
        #expect(try repository.queryBatch([[1], [2]]).map(\.count) == [2, 2])
        try store.execute("deallocate all")
        try repository.upsert((0..<3000).map { VectorRecord(id: "\($0)", vector: [1]) })
        #expect(try repository.count() == 3002)
        try repository.dropCollection()
    }

    @Test func statementsThatAreNotUsedMakeRoom() throws {
        let store = try Server.pg18.store { $0.maximumConnections = 1 }
        defer { store.close() }
        let repository = try VectorRepository(store, "many", dimension: 1, metric: .l2, overwrite: true)
        try repository.upsert([VectorRecord(id: "a", vector: [1])])
        for topK in 1...400 { #expect(try repository.query([1], topK: topK).count == 1) }
        let kept = try store.execute("select statement from pg_prepared_statements").rows.compactMap { $0[0] }
        #expect(kept.count <= 256)
        #expect(kept.contains { $0.contains("limit 400") })
        #expect(!kept.contains { $0.contains("limit 1\n") })
        try repository.dropCollection()
    }

    /// What a transaction sets ends with it, and what is remembered of the session stays true.
    @Test(arguments: Server.both)
    func aTransactionLeavesNoSearchEffortBehind(_ server: Server) throws {
        let store = try server.store { $0.maximumConnections = 1 }
        defer { store.close() }
        for (name, effort) in [("deep", 100), ("shallow", 7)] {
            let repository = try VectorRepository(store, name, dimension: 1, metric: .l2, overwrite: true)
            try repository.upsert([VectorRecord(id: "a", vector: [1])])
            try store.createIndex(name, .hnsw(efSearch: effort))
        }
        func effort(_ execute: (String) throws -> PgRows) throws -> String? {
            try execute("show hnsw.ef_search").rows.first?.first ?? nil
        }
        let deep = try VectorRepository(store, "deep", dimension: 1, metric: .l2)
        _ = try deep.query([1])
        #expect(try effort { try store.execute($0) } == "100")
        try store.withTransaction { transaction in
            for (name, expected) in [("shallow", "7"), ("deep", "100"), ("shallow", "7")] {
                _ = try VectorRepository(transaction.store, name, dimension: 1, metric: .l2).query([1])
                #expect(try effort { try transaction.execute($0) } == expected)
            }
        }
        _ = try deep.query([1])
        #expect(try effort { try store.execute($0) } == "100")
        try store.dropCollection("deep")
        try store.dropCollection("shallow")
    }

    @Test func aCommitThatWasNeverSentSaysThatNothingIsWritten() throws {
        let store = try Server.pg18.store()
        defer { store.close() }
        let error = expect(.unavailable) {
            try store.withTransaction { transaction in
                _ = try? transaction.execute("select pg_terminate_backend(pg_backend_pid())")
            }
        }
        #expect(error?.message.contains("nothing of it is written") == true)
        #expect(error?.message.contains("not known") == false)
    }
}
#endif
