#if PgVector
import Foundation
import MiniORM
import MiniORMPgVector
import TestSupport
import Testing

/// The contract's section 6, on real servers that really fail.
@Suite(.serialized, .dropsSchemas) struct FaultTests {
    private static let table = "\(Server.schema).faults"

    private func records(_ count: Int) -> [VectorRecord] {
        (0..<count).map { VectorRecord(id: "r\(100_000 + $0)", vector: [Float($0), 1]) }
    }

    private func services(_ what: String) throws {
        let process = Process()
        let path = try #require(ProcessInfo.processInfo.environment["MINIORM_SERVICES"])
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = ["do", "postgres", what]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    /// Waits until statements on the collection wait for locks, seen from another connection. Their tasks may need the
    /// thread meanwhile.
    private func untilBlocked(_ observer: PgVectorStore, _ count: Int = 1) async throws {
        let sql = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%faults%'"
        while try await observer.execute(sql).rows.count < count { try await Task.sleep(for: .milliseconds(10)) }
    }

    /// Runs a call while another transaction holds a row of the collection, and something else while the call waits.
    private func whileBlocked<Value: Sendable>(
        _ observer: PgVectorStore, lock: String, _ call: @escaping @Sendable () async throws -> Value,
        then meanwhile: () throws -> Void
    ) async throws -> Result<Value, any Error> {
        let transaction = try Server.Locked(observer, lock)
        let task = Task { try await call() }
        try await untilBlocked(observer)
        try meanwhile()
        transaction.release()
        return await task.result
    }

    /// The server undoes one of two transactions that wait for each other: the one whose wait turns out a second old
    /// once both wait. So the delete is held up between its rows, until the other transaction waits for the first.
    @Test func aDeleteThatMeetsADeadlockIsDoneAgain() async throws {
        let store = try Server.faults.store()
        let observer = try Server.faults.store()
        defer { for store in [store, observer] { store.close() } }
        let repository = try await AsyncVectorRepository(store, "faults", dimension: 2, overwrite: true)
        let records = records(3)
        try await repository.upsert(records)
        let updates = records.map { "update \(Self.table) set payload = '{}' where id = '\($0.id)'" }
        let holdsUp = try Server.Locked(observer, updates[1])
        let deletion = try await observer.withTransaction { transaction in
            try await transaction.execute("set local deadlock_timeout = '60s'")
            try await transaction.execute(updates[2])
            let deletion = Task { try await repository.delete(records.map(\.id)) }
            try await untilBlocked(observer)
            async let waits: PgRows = transaction.execute(updates[0])
            try await untilBlocked(observer, 2)
            holdsUp.release()
            _ = try await waits
            return deletion
        }
        #expect(try await deletion.value == 3)
        #expect(try await repository.count() == 0)
    }

    @Test func aServerKilledDuringAnUpsertLeavesNothingOfIt() async throws {
        let store = try Server.faults.store { $0.retry = .none }
        defer { store.close() }
        let repository = try await AsyncVectorRepository(store, "faults", dimension: 2, overwrite: true)
        try await repository.upsert(records(10))
        let many = records(5000)
        // The last row is held by another transaction: all rows but that one are in when the server dies.
        let observer = try Server.faults.store { $0.retry = .none }
        let held = "insert into \(Self.table) (id, embedding) values ('r\(100_000 + 4999)', '[0,0]')"
        let result = try await whileBlocked(observer, lock: held) {
            try await repository.upsert(many)
        } then: {
            try services("crash")
        }
        let error = result.storeError
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("nothing of it is written") == true)
        #expect(error?.isTransient == true)
        try services("recover")
        #expect(try await repository.count() == 10)
        try await repository.upsert(many)
        #expect(try await repository.count() == 5000)
    }

    @Test func anUpsertIsRepeatedWhenTheServerComesBack() async throws {
        let store = try Server.faults.store {
            $0.retry = RetryPolicy(
                maximumAttempts: 100, baseDelay: .milliseconds(200), maximumDelay: .milliseconds(400))
        }
        defer { store.close() }
        let repository = try await AsyncVectorRepository(store, "faults", dimension: 2, overwrite: true)
        let many = records(3000)
        let observer = try Server.faults.store()
        let held = "insert into \(Self.table) (id, embedding) values ('r\(100_000 + 2999)', '[0,0]')"
        let result = try await whileBlocked(observer, lock: held) {
            try await repository.upsert(many)
        } then: {
            try services("crash")
            try services("recover")
        }
        try result.get()
        #expect(try await repository.count() == 3000)
    }

    /// One statement, which the server may have done before it died, or may do yet where the connection alone was lost.
    @Test func anUpsertWhoseOutcomeIsNotKnownIsNotRepeated() async throws {
        let store = try Server.faults.store {
            $0.retry = RetryPolicy(
                maximumAttempts: 100, baseDelay: .milliseconds(200), maximumDelay: .milliseconds(400))
        }
        defer { store.close() }
        let repository = try await AsyncVectorRepository(store, "faults", dimension: 2, overwrite: true)
        let few = records(3)
        let observer = try Server.faults.store()
        let held = "insert into \(Self.table) (id, embedding) values ('\(few[2].id)', '[0,0]')"
        let result = try await whileBlocked(observer, lock: held) {
            try await repository.upsert(few)
        } then: {
            try services("crash")
            try services("recover")
        }
        #expect(result.storeError?.code == .unavailable)
        #expect(result.storeError?.message.contains("which is not known") == true)
        #expect(result.storeError?.isTransient == true)
        #expect(try await repository.count() == 0)
        try await repository.upsert(few)
        #expect(try await repository.count() == 3)
    }

    @Test(arguments: Server.both)
    func aConnectionThatWasCutIsReplaced(_ server: Server) async throws {
        let store = try server.store { $0.maximumConnections = 1 }
        let other = try server.store()
        defer {
            store.close()
            other.close()
        }
        let repository = try await AsyncVectorRepository(store, "faults", dimension: 2, overwrite: true)
        try await repository.upsert(records(3))
        // While it is idle.
        let pid = try await #require(store.execute("select pg_backend_pid()").rows[0][0])
        try await other.execute("select pg_terminate_backend($1)", [.text(pid)])
        while try await !other.execute("select from pg_stat_activity where pid = $1", [.text(pid)]).rows.isEmpty {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(try await repository.delete(["r100000"]) == 1)
        // While it runs: a query is repeated, a delete is not.
        let again = try await #require(store.execute("select pg_backend_pid()").rows[0][0])
        #expect(again != pid)
        let query = try await whileBlocked(other, lock: "lock table \(Self.table)") {
            try await repository.query([1, 1]).count
        } then: {
            try other.execute("select pg_terminate_backend($1)", [.text(again)])
        }
        #expect(try query.get() == 2)
        let third = try await #require(store.execute("select pg_backend_pid()").rows[0][0])
        let deletion = try await whileBlocked(other, lock: "lock table \(Self.table)") {
            try await repository.delete(["r100001"])
        } then: {
            try other.execute("select pg_terminate_backend($1)", [.text(third)])
        }
        #expect(deletion.storeError?.code == .unavailable)
        #expect(try await repository.count() == 2)
    }

    @Test(arguments: Server.both)
    func aLockWaitPastTheDeadlineIsATimeoutAndLeavesNothing(_ server: Server) async throws {
        let store = try server.store { $0.timeout = .seconds(1) }
        let other = try server.store()
        defer {
            store.close()
            other.close()
        }
        let repository = try await AsyncVectorRepository(other, "faults", dimension: 2, overwrite: true)
        let limited = try await AsyncVectorRepository(store, "faults", dimension: 2)
        let records = records(5)
        let locked = try Server.Locked(other, "lock table \(Self.table)")
        let result = await Task { try await limited.upsert(records) }.result
        #expect(result.storeError?.code == .timeout)
        locked.release()
        #expect(try await repository.count() == 0)
        try await limited.upsert(records)
    }

    @Test(arguments: Server.both)
    func aCancelledTaskStopsItsStatement(_ server: Server) async throws {
        let store = try server.store()
        let other = try server.store()
        defer {
            store.close()
            other.close()
        }
        let repository = try await AsyncVectorRepository(store, "faults", dimension: 2, overwrite: true)
        let locked = try Server.Locked(other, "lock table \(Self.table)")
        let task = Task { try await repository.query([1, 1]) }
        try await untilBlocked(other)
        task.cancel()
        #expect(await task.result.storeError?.code == .cancelled)
        // The server hears of it soon.
        let sql = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%faults%'"
        while try await !other.execute(sql).rows.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        locked.release()
        #expect(try await repository.query([1, 1]).isEmpty)
    }

    /// New records are copied in; the last one's id is held by another transaction.
    @Test(arguments: Server.both)
    func aCopyIsCancelledOrEndsAtItsDeadlineAndLeavesNothing(_ server: Server) async throws {
        let store = try server.store()
        let limited = try server.store { $0.timeout = .seconds(2) }
        let other = try server.store()
        defer {
            store.close()
            limited.close()
            other.close()
        }
        let repository = try await AsyncVectorRepository(store, "faults", dimension: 2, overwrite: true)
        let many = records(5000)
        let held = "insert into \(Self.table) (id, embedding) values ('r\(100_000 + 4999)', '[0,0]')"
        let locked = try Server.Locked(other, held)
        let task = Task { try await repository.upsert(many) }
        try await untilBlocked(other)
        let copying = "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%copy%faults%'"
        #expect(try await other.execute(copying).rows.count == 1)
        task.cancel()
        #expect(await task.result.storeError?.code == .cancelled)
        let late = try await AsyncVectorRepository(limited, "faults", dimension: 2)
        #expect(await Task { try await late.upsert(many) }.result.storeError?.code == .timeout)
        while try await !other.execute(copying).rows.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        locked.release()
        #expect(try await repository.count() == 0)
        try await late.upsert(many)
        #expect(try await repository.count() == 5000)
    }

    /// It takes the connection and says nothing.
    @Test func aServerThatNeverAnswersIsATimeout() async throws {
        let silent = try SilentServer()
        defer { silent.close() }
        var configuration = try PgVectorConfiguration("postgres://u:p@127.0.0.1:\(silent.port)/db")
        configuration.timeout = .milliseconds(500)
        let store = PgVectorStore(configuration)
        let error = await expect(.timeout) { _ = try await store.execute("select 1") }
        #expect(error?.message.contains("did not answer") == true)
        // One that has all the time that the test has: it ends because it is cancelled.
        configuration.timeout = .seconds(86_400)
        let patient = PgVectorStore(configuration)
        silent.takeCallers()
        let task = Task { try await patient.execute("select 1") }
        while !silent.hasCaller { try await Task.sleep(for: .milliseconds(10)) }
        task.cancel()
        #expect(await task.result.storeError?.code == .cancelled)
        // With a time of its own for connecting.
        var quick = try PgVectorConfiguration("postgres://u:p@127.0.0.1:\(silent.port)/db?connect_timeout=1")
        quick.timeout = .seconds(86_400)
        let impatient = PgVectorStore(quick)
        await expect(.timeout) { _ = try await impatient.execute("select 1") }
    }

    /// One server of several that does not answer leaves time for the next one.
    @Test func theNextOfSeveralServersIsTaken() async throws {
        let silent = try SilentServer()
        defer { silent.close() }
        let address = try Server.pg18.address().replacingOccurrences(
            of: "@127.0.0.1:", with: "@127.0.0.1:\(silent.port),127.0.0.1:")
        for (settings, timeout) in [("?connect_timeout=1", 86_400), ("", 6)] {
            var configuration = try PgVectorConfiguration(address + settings)
            configuration.timeout = .seconds(timeout)
            let store = PgVectorStore(configuration)
            defer { store.close() }
            #expect(try await store.execute("select 1").rows == [["1"]])
        }
        // A wrong password is no reason to go on.
        let wrong = try Server.pg18.address().replacingOccurrences(of: "@127.0.0.1:", with: "x@127.0.0.1:1,127.0.0.1:")
        await expect(.unauthorized) { _ = try await PgVectorStore(wrong).execute("select 1") }
    }

    @Test func aFullPoolIsATimeoutThatSaysSo() throws {
        let store = try Server.pg16.store {
            $0.maximumConnections = 1
            $0.timeout = .milliseconds(200)
        }
        defer { store.close() }
        try store.withTransaction { _ in
            let error = expect(.timeout) { _ = try store.listCollections() }
            #expect(error?.message.contains("pool") == true)
        }
        _ = try store.listCollections()
    }

    @Test func aWrongPasswordAndAMissingDatabaseAreToldApart() throws {
        let address = try Server.pg16.address()
        let password = try #require(address.split(separator: "@").first?.split(separator: ":").last)
        let wrong = try PgVectorStore(address.replacingOccurrences(of: password, with: "wr0ng-secret"))
        let error = expect(.unauthorized) { _ = try wrong.listCollections() }
        #expect(error.map { "\($0)" + String(reflecting: $0) }?.contains("wr0ng-secret") == false)
        var dumped = ""
        dump(wrong, to: &dumped)
        dump(try PgVectorConfiguration(address), to: &dumped)
        print(try PgVectorConfiguration(address), to: &dumped)
        #expect(!dumped.contains(password) && !dumped.contains("wr0ng-secret"))
        let missing = try PgVectorStore(
            address.replacingOccurrences(of: "/postgres", with: "/missing", options: [.backwards, .anchored]))
        expect(.invalidArgument) { _ = try missing.listCollections() }
        expect(.invalidArgument) { _ = try PgVectorStore("postgres://u:s3cret@[") }
        var nowhere = try PgVectorConfiguration("host=127.0.0.1 port=1 user=u password=p")
        nowhere.retry = .none
        expect(.unavailable) { _ = try PgVectorStore(nowhere).listCollections() }
    }

    @Test func aStandbyReadsAndRefusesToWrite() async throws {
        let primary = try Server.pg16.store()
        let standby = try Server.standby.store()
        defer {
            primary.close()
            standby.close()
        }
        // A name of its own: the standby may still have an earlier collection of a name that is used again.
        let name = "standby-\(UInt32.random(in: 0 ... .max))"
        let repository = try await AsyncVectorRepository(primary, name, dimension: 2)
        try await repository.upsert(records(3))
        let reader = try await AsyncVectorRepository(standby, name, dimension: 2, autoCreate: false)
        // To open a collection that is there writes nothing.
        while try await !reader.collectionExists() { try await Task.sleep(for: .milliseconds(20)) }
        while try await reader.count() < 3 { try await Task.sleep(for: .milliseconds(20)) }
        #expect(try await reader.query([2, 1]).count == 3)
        let opened = try await AsyncVectorRepository(standby, name, dimension: 2)
        #expect(try await opened.count() == 3)
        await expect(.collectionMismatch) { _ = try await AsyncVectorRepository(standby, name, dimension: 3) }
        await expect(.unavailable) { _ = try await AsyncVectorRepository(standby, "not_there", dimension: 2) }
        let records = records(1)
        let error = await Task { try await reader.upsert(records) }.result.storeError
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("read-only") == true)
        try await repository.dropCollection()
    }

    @Test(arguments: Server.both)
    func aTableThatChangedBehindOurBackIsSeen(_ server: Server) throws {
        let store = try server.store()
        let other = try server.store()
        defer {
            store.close()
            other.close()
        }
        let first = try VectorRepository(store, "faults", dimension: 2, overwrite: true)
        try first.upsert(records(3))
        #expect(try first.query([1, 1], topK: 1).first.map { $0.score > 0.99 } == true)
        // Another metric under the same name.
        let second = try VectorRepository(other, "faults", dimension: 2, metric: .l2, overwrite: true)
        try second.upsert(records(3))
        #expect(try first.query([5, 1], topK: 1).first?.score == -3)
        // Another dimension.
        let third = try VectorRepository(other, "faults", dimension: 3, overwrite: true)
        try third.upsert([VectorRecord(id: "a", vector: [1, 2, 3])])
        expect(.invalidVector) { try first.upsert(records(1)) }
        expect(.invalidVector) { _ = try first.query([1, 1]) }
        #expect(try first.fetch().map(\.vector) == [[1, 2, 3]])
        // A column that is gone, and the table.
        try other.execute("alter table \(Self.table) rename column payload to other")
        expect(.collectionMismatch) { _ = try first.fetch() }
        try other.execute("drop table \(Self.table)")
        expect(.collectionNotFound) { _ = try first.count() }
        #expect(try !first.collectionExists())
    }

    @Test func aClosedStoreRefusesCalls() throws {
        let store = try Server.pg16.store()
        _ = try store.listCollections()
        store.close()
        expect(.unavailable) { _ = try store.listCollections() }
    }
}

extension Server {
    /// A transaction of its own thread that holds a lock until it is released.
    struct Locked {
        private let gate = DispatchSemaphore(value: 0)
        private let done = DispatchSemaphore(value: 0)

        init(_ store: PgVectorStore, _ sql: String) throws {
            let (gate, done, taken) = (gate, done, DispatchSemaphore(value: 0))
            Thread.detachNewThread {
                // What ends it, a crash of the server say, is what the test is about.
                try? store.withTransaction { transaction in
                    try transaction.execute(sql)
                    taken.signal()
                    gate.wait()
                    throw CancellationError()
                }
                taken.signal()
                done.signal()
            }
            taken.wait()
        }

        func release() {
            gate.signal()
            done.wait()
        }
    }
}

extension Result {
    var storeError: VectorStoreError? {
        if case .failure(let error) = self { error as? VectorStoreError } else { nil }
    }
}
#endif
