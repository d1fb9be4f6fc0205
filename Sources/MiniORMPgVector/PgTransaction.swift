#if PgVector
public import MiniORM

/// A transaction: collections and SQL of your own on one connection, all of it written or nothing.
public struct PgTransaction: Sendable {
    /// The store within the transaction, for a repository:
    /// `try VectorRepository(transaction.store, "users", dimension: 3)`.
    public let store: any VectorStorePort
    private let session: Session
    /// A connection runs one statement at a time: one thread, which nobody else can take, is enough.
    private let thread = BlockingThreads(count: 1, maximumWaiting: 4096)

    init(_ session: Session) {
        self.session = session
        store = PgOperations(session: session)
    }

    /// Runs one statement of your own, its values bound.
    ///
    /// After a statement that failed PostgreSQL takes no other, and the transaction ends with a rollback.
    @discardableResult
    public func execute(_ sql: String, _ values: [PgValue] = []) throws(VectorStoreError) -> PgRows {
        try session.execute(sql, values, session.limit)
    }

    /// The same for asynchronous code: the statement runs on a thread of the transaction's own.
    @discardableResult
    public func execute(_ sql: String, _ values: [PgValue] = []) async throws(VectorStoreError) -> PgRows {
        let (session, limit) = (session, session.limit)
        return try await thread.run { () throws(VectorStoreError) in try session.execute(sql, values, limit) }
    }
}

extension PgVectorStore {
    /// Runs a body in a transaction, which is committed when the body returns and rolled back when it throws.
    ///
    /// ```swift
    /// func add(_ records: [VectorRecord], to store: PgVectorStore) throws {
    ///     try store.withTransaction { transaction in
    ///         let users = try VectorRepository(transaction.store, "users", dimension: 3)
    ///         try users.upsert(records)
    ///         try transaction.execute("insert into audit (what) values ($1)", ["users"])
    ///     }
    /// }
    /// ```
    ///
    /// The transaction is over when this returns; its store throws `VectorStoreError.Code.invalidArgument` afterwards.
    /// Nothing in it is repeated after a failure. Where the task was cancelled before the commit, nothing is written and
    /// `VectorStoreError.Code.cancelled` is thrown.
    @_disfavoredOverload
    // In asynchronous code a body that awaits nothing would otherwise choose this one, and block a thread of Swift's own.
    public func withTransaction<Value>(_ body: (PgTransaction) throws -> Value) throws -> Value {
        let pool = operations.session
        let session = try pool.begin(pool.limit)
        let value: Value
        do { value = try body(PgTransaction(session)) } catch {
            // The body's error is the one to tell, also where the connection is beyond a rollback.
            try? pool.end(session, commits: false)
            throw error
        }
        try pool.end(session, commits: true)
        return value
    }

    /// The same for asynchronous code; no thread waits while the body does.
    ///
    /// ```swift
    /// try await store.withTransaction { transaction in
    ///     let users = try await AsyncVectorRepository(transaction.store, "users", dimension: 3)
    ///     try await users.upsert(records)
    ///     try await transaction.execute("insert into audit (what) values ($1)", ["users"])
    /// }
    /// ```
    ///
    /// In the body use an `AsyncVectorRepository` on the transaction's store. Where the task is cancelled while the
    /// commit is under way, the error says that its outcome is not known.
    public func withTransaction<Value: Sendable>(
        _ body: @Sendable (PgTransaction) async throws -> Value
    ) async throws -> Value {
        let (pool, limit, endings) = (operations.session, operations.session.limit, endings)
        let session = try await threads.run { () throws(VectorStoreError) in try pool.begin(limit) }
        let value: Value
        do {
            value = try await body(PgTransaction(session))
            try await endings.run { () throws(VectorStoreError) in try pool.end(session, commits: true) }
        } catch {
            // Whatever has become of the task, the connection goes back; after a commit that was tried it has.
            let rollback = Task {
                try await endings.run { () throws(VectorStoreError) in try pool.end(session, commits: false) }
            }
            // The first error is the one to tell, also where the connection is beyond a rollback.
            _ = await rollback.result
            throw error
        }
        return value
    }
}
#endif
