#if PgVector
import MiniORM
internal import Synchronization

/// Where statements run: on connections of the pool, or on the one of a transaction.
final class Session: Sendable {
    /// pgvector in this database.
    struct Extension: Sendable {
        /// Its schema, quoted.
        let schema: String
        /// The number of the type `vector`.
        let vectorType: UInt32
    }

    private enum Place: Sendable {
        case pool(ConnectionPool)
        case transaction(PostgresConnection)
    }

    let configuration: PgVectorConfiguration
    let catalog: Catalog
    private let place: Place
    /// Whether each call has a transaction of its own.
    var isPooled: Bool {
        if case .pool = place { true } else { false }
    }
    private let hasCatalog = Mutex(false)
    private let knownExtension = Mutex<Extension?>(nil)
    private let tables = Mutex<[UTF8Key: CollectionTable]>([:])
    /// Keeps the calls of a transaction apart.
    private let turn = Turn()
    /// Whether the transaction is over.
    private let isOver = Mutex(false)

    /// On a pool.
    init(_ configuration: PgVectorConfiguration) {
        self.configuration = configuration
        catalog = Catalog(schema: configuration.catalogSchema)
        let address = configuration.address
        let cancellations = Cancellations()
        place = .pool(
            ConnectionPool(maximum: configuration.maximumConnections) { limit throws(VectorStoreError) in
                let connection = try PostgresConnection.open(
                    address, cancellations: cancellations, limit: limit)
                // An index that finds too few goes on; rows come in the order of their distance.
                try connection.script(
                    "set hnsw.iterative_scan = strict_order; set ivfflat.iterative_scan = relaxed_order", limit: limit)
                return connection
            })
    }

    /// On the connection of a transaction.
    init(_ configuration: PgVectorConfiguration, transaction connection: PostgresConnection) {
        self.configuration = configuration
        catalog = Catalog(schema: configuration.catalogSchema)
        place = .transaction(connection)
    }

    /// The limit of a call that begins now.
    var limit: CallLimit { CallLimit(configuration.timeout) }

    /// Begins a transaction on a connection of the pool: a session of its own.
    func begin(_ limit: CallLimit) throws(VectorStoreError) -> Session {
        guard case .pool(let pool) = place else {
            throw .pgvector(.invalidArgument, "a transaction is open already")
        }
        var isStale = true
        while true {
            let connection = try pool.take(limit)
            do { try connection.script("begin", limit: limit) } catch {
                pool.giveBack(connection)
                // An idle connection can have been cut unnoticed; the next one is looked at or new.
                guard isStale, error.postgres?.isWorthRepeating == true else { throw error }
                isStale = false
                continue
            }
            return Session(configuration, transaction: connection)
        }
    }

    /// Ends the transaction that ``begin(_:)`` of a pool's session began, and gives its connection back; once.
    ///
    /// Nothing is committed for a task that was cancelled.
    func end(_ transaction: Session, commits: Bool) throws(VectorStoreError) {
        guard case .pool(let pool) = place, case .transaction(let connection) = transaction.place else { return }
        // Later calls are refused, and one that is under way is waited for.
        let isFirst = transaction.isOver.withLock { isOver in
            defer { isOver = true }
            return !isOver
        }
        guard isFirst else { return }
        defer { pool.giveBack(connection) }
        transaction.turn.take()
        defer { transaction.turn.giveBack() }
        for name in transaction.tables.withLock({ Array($0.keys) }) { forget(name.string) }
        if commits, !BlockingCall.isCancelled { return try Self.commit(connection, CallLimit(configuration.timeout)) }
        if !connection.isBroken {
            try connection.script("rollback", limit: CallLimit(configuration.timeout, isCancellable: false))
        }
        if commits { throw .pgvector(.cancelled, "the task was cancelled before the commit; nothing of it is written") }
    }

    func close() { if case .pool(let pool) = place { pool.close() } }

    /// Runs statements on a connection, within the deadline.
    ///
    /// - Parameters:
    ///   - collection: What is remembered of this one is looked up again, once, where the server's answer suggests that
    ///     the table changed behind our back.
    ///   - repeats: Whether the statements may run twice. If not, they are repeated only where no connection was there.
    func run<Value>(
        collection: String? = nil, repeats: Bool = true, limit given: CallLimit? = nil,
        _ body: (PostgresConnection, CallLimit) throws(VectorStoreError) -> Value
    ) throws(VectorStoreError) -> Value {
        let limit = given ?? limit
        guard case .pool(let pool) = place else {
            guard case .transaction(let connection) = place else { throw .pgvector(.backend, "no connection") }
            try turn.take(limit)
            defer { turn.giveBack() }
            if isOver.withLock({ $0 }) { throw .pgvector(.invalidArgument, "the transaction is over") }
            return try body(connection, limit)
        }
        var attempt = 1
        var hasLookedAgain = false
        while true {
            var isSent = false
            do {
                let connection = try pool.take(limit)
                defer { pool.giveBack(connection) }
                isSent = true
                return try body(connection, limit)
            } catch {
                if error.postgres?.suggestsChangedTable == true, let collection, !hasLookedAgain {
                    hasLookedAgain = true
                    if forget(collection) { continue }
                }
                guard error.postgres?.isWorthRepeating == true, repeats || !isSent || error.postgres?.isUndone == true,
                    let pause = configuration.retry.delay(after: attempt)
                else { throw error }
                attempt += 1
                try Self.sleep(pause, limit, orThrow: error)
            }
        }
    }

    /// Waits; where the deadline passes meanwhile, the error that was to be retried is the better one to tell.
    private static func sleep(
        _ pause: Duration, _ limit: CallLimit, orThrow error: VectorStoreError
    ) throws(VectorStoreError) {
        let end = ContinuousClock.now + pause
        while .now < end {
            let wait: Duration
            do { wait = try limit.nextWait() } catch let stop { throw stop.code == .cancelled ? stop : error }
            WaitingThread.sleep(min(wait, end - .now))
        }
    }

    /// Runs statements in one transaction, or in the one that is open.
    func atomically<Value>(
        _ connection: PostgresConnection, _ limit: CallLimit,
        _ body: () throws(VectorStoreError) -> Value
    ) throws(VectorStoreError) -> Value {
        if connection.isInTransaction { return try body() }
        try connection.script("begin", limit: limit)
        let value: Value
        do { value = try body() } catch {
            // A broken connection ends its transaction by itself.
            if connection.isBroken { throw error.saying("nothing of it is written") }
            // A rollback that fails leaves the connection in its transaction, and the pool closes it.
            _ = try? connection.script("rollback", limit: CallLimit(.seconds(5), isCancellable: false))
            throw error
        }
        try Self.commit(connection, limit)
        return value
    }

    static func commit(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) {
        connection.noticeLoss()
        if connection.isBroken {
            throw .pgvector(
                .unavailable, "the connection was lost before the transaction was committed; nothing of it is written")
        }
        let result: PostgresResult
        do { result = try connection.script("commit", limit: limit) } catch {
            guard connection.isBroken else { throw error }
            throw error.ofWriteInDoubt
        }
        guard result.command == "COMMIT" else {
            throw .pgvector(.backend, "a statement of the transaction failed, so nothing of it is written")
        }
    }

    // MARK: What is remembered

    @discardableResult
    private func forget(_ collection: String) -> Bool {
        knownExtension.withLock { $0 = nil }
        return tables.withLock { $0.removeValue(forKey: UTF8Key(collection)) != nil }
    }

    /// Forgets what is remembered of a collection.
    func changed(_ collection: String) { forget(collection) }

    /// pgvector, if it is installed in the database.
    func findExtension(
        fresh: Bool = false, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> Extension? {
        if !fresh, let known = knownExtension.withLock({ $0 }) { return known }
        let rows = try connection.run(
            """
            select n.nspname::text, t.oid from pg_catalog.pg_extension e
            join pg_catalog.pg_namespace n on n.oid = e.extnamespace
            join pg_catalog.pg_type t on t.typnamespace = n.oid and t.typname = 'vector'
            where e.extname = 'vector'
            """, limit: limit)
        guard let schema = rows.text(0, 0), let type = rows.integer(0, 1) else { return nil }
        let found = Extension(schema: schema.quotedName, vectorType: UInt32(truncatingIfNeeded: type))
        if isTrue(on: connection) { knownExtension.withLock { $0 = found } }
        return found
    }

    /// Whether what the connection sees is there for all calls of this session: not in a transaction of one call, which
    /// may be rolled back.
    private func isTrue(on connection: PostgresConnection) -> Bool {
        if case .transaction = place { return true }
        return !connection.isInTransaction
    }

    /// pgvector; throws where it is not installed.
    func pgvector(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) -> Extension {
        if let found = try findExtension(connection, limit) { return found }
        throw .pgvector(
            .backend, "the extension vector is not installed in this database; run: create extension vector")
    }

    /// Whether there is a table of collections.
    func catalogExists(_ connection: PostgresConnection, _ limit: CallLimit) throws(VectorStoreError) -> Bool {
        if hasCatalog.withLock({ $0 }) { return true }
        let exists = try catalog.exists(connection, limit)
        if exists, isTrue(on: connection) { hasCatalog.withLock { $0 = true } }
        return exists
    }

    /// A collection; from memory, unless told to look.
    func find(
        _ name: String, fresh: Bool = false, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> CollectionTable? {
        if !fresh, let known = tables.withLock({ $0[UTF8Key(name)] }) { return known }
        let table = try TableName(name, defaultSchema: configuration.schema)
        guard try catalogExists(connection, limit) else { return nil }
        let found: CollectionTable?
        do { found = try catalog.find(name, table, connection, limit) } catch {
            hasCatalog.withLock { $0 = false }
            throw error
        }
        tables.withLock { $0[UTF8Key(name)] = found }
        return found
    }

    /// A collection; throws `VectorStoreError.Code.collectionNotFound` where there is none.
    func table(
        _ name: String, fresh: Bool = false, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> CollectionTable {
        if let found = try find(name, fresh: fresh, connection, limit) { return found }
        throw .pgvector(.collectionNotFound, "there is no such collection", collection: name)
    }
}
#endif
