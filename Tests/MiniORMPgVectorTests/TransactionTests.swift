#if PgVector
import Foundation
import MiniORM
import MiniORMPgVector
import TestSupport
import Testing

/// Transactions of asynchronous code: cancelled while they wait, and with a thread for whoever holds a connection.
@Suite(.serialized, .dropsSchemas) struct TransactionTests {
    private func store() throws -> PgVectorStore {
        try Server.pg18.store {
            $0.maximumConnections = 1
            $0.timeout = .seconds(8)
        }
    }

    /// Cancels a task when something is so, and expects it to end soon.
    private func expectCancelled<Value>(
        _ task: Task<Value, any Error>, when isReady: () async throws -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        while try await !isReady() { try await Task.sleep(for: .milliseconds(10)) }
        task.cancel()
        #expect(await task.result.storeError?.code == .cancelled, sourceLocation: sourceLocation)
    }

    private func isRunning(_ sql: String, _ observer: PgVectorStore) async throws -> Bool {
        let sql = "select from pg_stat_activity where state = 'active' and query like '\(sql)%'"
        return try await !observer.execute(sql).rows.isEmpty
    }

    @Test func waitingForAConnectionIsCancelled() async throws {
        let store = try store()
        defer { store.close() }
        try await store.withTransaction { _ in
            let second = Task { try await store.withTransaction { _ in } }
            try await expectCancelled(second) {
                try await Task.sleep(for: .milliseconds(100))
                return true
            }
        }
        try await store.withTransaction { _ in }
    }

    @Test func aStatementOfATransactionIsCancelled() async throws {
        let (store, observer) = (try store(), try Server.pg18.store())
        defer {
            store.close()
            observer.close()
        }
        let task = Task {
            try await store.withTransaction { transaction in
                _ = try await transaction.execute("select pg_sleep(7) as in_a_transaction")
            }
        }
        try await expectCancelled(task) { try await isRunning("select pg_sleep(7) as in_a_transaction", observer) }
        #expect(try await store.execute("select 1").rows == [["1"]])
    }

    /// Another transaction is quicker with an id of an upsert that is copied in: what was copied is undone and inserted,
    /// and nothing is left in the caller's transaction that the caller has not begun.
    @Test func aCopyThatIsRefusedLeavesNoSavepoint() async throws {
        struct Over: Error {}
        let (store, observer) = (try store(), try Server.pg18.store())
        defer {
            store.close()
            observer.close()
        }
        let table = "\(Server.schema).quicker"
        _ = try await AsyncVectorRepository(store, "quicker", dimension: 2, overwrite: true)
        let records = (0..<5000).map { VectorRecord(id: "r\(10_000 + $0)", vector: [Float($0), 1]) }
        let upsert = try await observer.withTransaction { other in
            try await other.execute("insert into \(table) (id, embedding) values ('\(records[4999].id)', '[0,0]')")
            let upsert = Task {
                try await store.withTransaction { transaction in
                    let repository = try await AsyncVectorRepository(transaction.store, "quicker", dimension: 2)
                    try await repository.upsert(records)
                    #expect(try await repository.count() == 5000)
                    let error = await #expect(throws: VectorStoreError.self) {
                        try await transaction.execute("release savepoint mini_orm_copy")
                    }
                    #expect(error?.message.contains("SQLSTATE 3B001") == true)
                    throw Over()
                }
            }
            while try await !isRunning("savepoint mini_orm_copy; copy", observer) {
                try await Task.sleep(for: .milliseconds(10))
            }
            return upsert
        }
        await #expect(throws: Over.self) { try await upsert.value }
        #expect(try await observer.execute("select id from \(table)").rows == [[records[4999].id]])
    }

    @Test func aCallThatWaitsForAnotherOfItsTransactionIsCancelled() async throws {
        let (store, observer) = (try store(), try Server.pg18.store())
        defer {
            store.close()
            observer.close()
        }
        let outside = try await AsyncVectorRepository(store, "waiting", dimension: 1, overwrite: true)
        try await store.withTransaction { transaction in
            let inside = try await AsyncVectorRepository(transaction.store, "waiting", dimension: 1)
            let sleep = Task { try await transaction.execute("select pg_sleep(5) as first_of_two") }
            while try await !isRunning("select pg_sleep(5) as first_of_two", observer) {
                try await Task.sleep(for: .milliseconds(10))
            }
            let second = Task { try await inside.count() }
            try await Task.sleep(for: .milliseconds(100))
            try await expectCancelled(second) { true }
            _ = try await sleep.value
            #expect(try await inside.count() == 0)
        }
        try await outside.dropCollection()
    }

    /// A task that was cancelled commits nothing; a commit under way is given up.
    @Test func aCommitIsCancelled() async throws {
        let (store, observer) = (try store(), try Server.pg18.store())
        defer {
            store.close()
            observer.close()
        }
        let table = "\(Server.schema).slow_commit"
        try await observer.execute("create schema if not exists \(Server.schema)")
        try await observer.execute("create table \(table) (n int)")
        let early = Task {
            try await store.withTransaction { transaction in
                try await transaction.execute("insert into \(table) values (1)")
                while !Task.isCancelled { await Task.yield() }
            }
        }
        try await expectCancelled(early) {
            try await Task.sleep(for: .milliseconds(200))
            return true
        }
        #expect(try await store.execute("select from \(table)").rows.isEmpty)
        try await observer.execute(
            """
            create function \(Server.schema).slow() returns trigger language plpgsql
            as $$begin perform pg_sleep(7); return null; end$$
            """)
        try await observer.execute(
            """
            create constraint trigger slow after insert on \(table) deferrable initially deferred
            for each row execute function \(Server.schema).slow()
            """)
        let late = Task {
            try await store.withTransaction { transaction in
                _ = try await transaction.execute("insert into \(table) values (2)")
            }
        }
        try await expectCancelled(late) { try await isRunning("commit", observer) }
        while try await isRunning("commit", observer) { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try await store.execute("select from \(table)").rows.isEmpty)
        try await observer.execute("drop table \(table)")
        try await observer.execute("drop function \(Server.schema).slow()")
    }

    /// Far more transactions than connections: those that have one always get a thread to go on.
    @Test func manyTransactionsShareFewConnections() async throws {
        let store = try Server.pg18.store { $0.maximumConnections = 3 }
        defer { store.close() }
        try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<200 {
                group.addTask {
                    try await store.withTransaction { transaction in
                        await Task.yield()
                        let rows = try await transaction.execute("select $1::int", [.int(number)]).rows
                        return Int(rows.first?.first.flatMap { $0 } ?? "") ?? -1
                    }
                }
            }
            var sum = 0
            for try await number in group { sum += number }
            #expect(sum == 199 * 100)
        }
    }
}
#endif
