#if PgVector
internal import Dispatch
public import MiniORM

/// A transaction: collections and SQL of your own on one connection, all of it written or nothing.
public struct PgTransaction: Sendable {
    /// The store within the transaction, for a repository:
    /// `try VectorRepository(transaction.store, "users", dimension: 3)`.
    public let store: any VectorStorePort
    private let session: Session

    init(_ session: Session) {
        self.session = session
        store = PgOperations(session: session)
    }

    /// Runs one statement of your own, its values bound.
    ///
    /// After a statement that failed PostgreSQL takes no other, and the transaction ends with a rollback.
    @discardableResult
    public func execute(_ sql: String, _ values: [PgValue] = []) throws(VectorStoreError) -> PgRows {
        try session.execute(sql, values)
    }

    /// The same for asynchronous code: the statement runs on a thread of its own.
    @discardableResult
    public func execute(_ sql: String, _ values: [PgValue] = []) async throws(VectorStoreError) -> PgRows {
        try await WaitingThread.run { () throws(VectorStoreError) in try session.execute(sql, values) }
    }
}

extension PgVectorStore {
    /// Runs a body in a transaction, which is committed when the body returns and rolled back when it throws.
    ///
    /// ```swift
    /// try store.withTransaction { transaction in
    ///     let users = try VectorRepository(transaction.store, "users", dimension: 3)
    ///     try users.upsert(records)
    ///     try transaction.execute("insert into audit (what) values ($1)", ["users"])
    /// }
    /// ```
    ///
    /// The transaction is over when this returns; its store throws `VectorStoreError.Code.invalidArgument` afterwards.
    /// Nothing in it is repeated after a failure.
    public func withTransaction<Value>(_ body: (PgTransaction) throws -> Value) throws -> Value {
        let pool = operations.session
        let session = try pool.begin()
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
    /// In the body use an `AsyncVectorRepository` on the transaction's store.
    public func withTransaction<Value: Sendable>(
        _ body: @Sendable (PgTransaction) async throws -> Value
    ) async throws -> Value {
        let pool = operations.session
        let session = try await WaitingThread.run { () throws(VectorStoreError) in try pool.begin() }
        let value: Value
        do { value = try await body(PgTransaction(session)) } catch {
            try? await WaitingThread.run { () throws(VectorStoreError) in try pool.end(session, commits: false) }
            throw error
        }
        try await WaitingThread.run { () throws(VectorStoreError) in try pool.end(session, commits: true) }
        return value
    }
}

extension WaitingThread {
    /// Runs a call that blocks on a thread of its own, apart from the cooperative pool.
    static func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(VectorStoreError) -> Value
    ) async throws(VectorStoreError) -> Value {
        let result: Result<Value, VectorStoreError> = await withCheckedContinuation { continuation in
            DispatchQueue(label: "mini-orm.pgvector.call").async {
                do throws(VectorStoreError) { continuation.resume(returning: .success(try body())) } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }
}
#endif
