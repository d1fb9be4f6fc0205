#if PgVector
internal import CLibPQ
import MiniORM

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Musl)
internal import Musl
#else
internal import Glibc
#endif

/// One connection to PostgreSQL: libpq, non-blocking, with a limit on every wait.
///
/// All calls into libpq are in this file and ``PostgresResult``'s. `@unchecked Sendable`, as libpq lets a connection be
/// used from any thread, by one at a time: the pool and a transaction hand it to one caller at a time, and a `Mutex`
/// could not be held over a wait without blocking others in silence.
final class PostgresConnection: @unchecked Sendable {
    private let connection: OpaquePointer
    private let cancellations: Cancellations
    private var statements = PreparedStatements()
    /// Settings of this session that differ from its start.
    private var settings: [String: String] = [:]
    /// Whether the connection must not be used again.
    private(set) var isBroken = false

    private init(_ connection: OpaquePointer, _ cancellations: Cancellations) {
        self.connection = connection
        self.cancellations = cancellations
    }

    deinit { PQfinish(connection) }

    // MARK: Opening

    /// Opens a connection to a server, or to the first of several that takes it.
    static func open(
        _ address: ConnectionString, cancellations: Cancellations, limit: CallLimit
    ) throws(VectorStoreError) -> PostgresConnection {
        let servers = address.isShuffled ? address.servers.shuffled() : address.servers
        for (index, server) in servers.enumerated() {
            // One that does not answer leaves time for the others.
            let time = address.connectTimeout ?? limit.left / (servers.count - index)
            do { return try open(server, cancellations, limit: limit.within(time)) } catch {
                let isElsewhere = error.code == .unavailable || error.code == .timeout
                guard isElsewhere, index + 1 < servers.count, limit.left > .zero else { throw error }
            }
        }
        throw .pgvector(.invalidArgument, "the address names no server")
    }

    private static func open(
        _ keywords: ConnectionString.Keywords, _ cancellations: Cancellations, limit: CallLimit
    ) throws(VectorStoreError) -> PostgresConnection {
        // The last argument: a database's name is a name, and not read as further keywords.
        let started = ConnectionString.withKeywords(keywords) { PQconnectStartParams($0, $1, 0) }
        guard let pointer = started else { throw .pgvector(.backend, "libpq is out of memory") }
        let opened = PostgresConnection(pointer, cancellations)
        // libpq would print notices (`schema "..." already exists`) on standard error.
        PQsetNoticeReceiver(pointer, { _, _ in }, nil)
        // With this verbosity a refusal is told by its SQLSTATE, in every language.
        PQsetErrorVerbosity(pointer, PQERRORS_SQLSTATE)
        var state = PGRES_POLLING_WRITING
        while state != PGRES_POLLING_OK {
            guard PQstatus(pointer) != CONNECTION_BAD, state != PGRES_POLLING_FAILED else {
                throw opened.refusal().asConnectionError
            }
            do { try opened.wait(for: state == PGRES_POLLING_READING ? Int16(POLLIN) : Int16(POLLOUT), limit) } catch {
                guard error.code == .timeout else { throw error }
                throw .pgvector(.timeout, "PostgreSQL did not answer in time; are host and port right?")
            }
            state = PQconnectPoll(pointer)
        }
        PQsetErrorVerbosity(pointer, PQERRORS_DEFAULT)
        PQsetnonblocking(pointer, 1)
        return opened
    }

    /// Why the server refused the connection: its last message ends with the SQLSTATE.
    private func refusal() -> PostgresError {
        let message = String(cString: PQerrorMessage(connection))
        let last = message.utf8.split(separator: UInt8(ascii: "\n")).last?.suffix(7) ?? []
        let state = last.suffix(5)
        let isState =
            state.count == 5 && last.prefix(2).elementsEqual("  ".utf8)
            && state.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) }
        return PostgresError(
            sqlState: isState ? String(decoding: state, as: UTF8.self) : nil, message: message,
            isConnectionLost: !isState)
    }

    // MARK: State

    /// Whether a transaction is open.
    var isInTransaction: Bool {
        let status = PQtransactionStatus(connection)
        return status == PQTRANS_INTRANS || status == PQTRANS_INERROR || status == PQTRANS_ACTIVE
    }

    /// Looks, without a round trip, whether the server has gone.
    func checkHealth() {
        var descriptor = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
        // A server has nothing to say on an idle connection but goodbye, and the end of the stream can be a moment behind.
        if poll(&descriptor, 1, 0) > 0 { isBroken = true }
        if PQstatus(connection) != CONNECTION_OK || PQtransactionStatus(connection) != PQTRANS_IDLE { isBroken = true }
    }

    /// Has the connection closed when it is given back.
    func giveUp() { isBroken = true }

    /// Sees, without a round trip, whether the server has gone while nothing was asked of it.
    func noticeLoss() {
        var descriptor = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
        guard !isBroken, poll(&descriptor, 1, 0) > 0 else { return }
        if PQconsumeInput(connection) != 1 || PQstatus(connection) != CONNECTION_OK { isBroken = true }
    }

    /// Sets a parameter: for the session, unless it has that value already, or for the transaction that is open.
    func set(_ name: String, to value: String, limit: CallLimit) throws(VectorStoreError) {
        let isLocal = isInTransaction
        guard isLocal || settings[name] != value else { return }
        var parameters = PostgresParameters()
        parameters.text(name)
        parameters.text(value)
        _ = try run("select set_config($1, $2, \(isLocal))", parameters, limit: limit)
        if !isLocal { settings[name] = value }
    }

    // MARK: Statements

    /// Runs a statement, prepared at its first use unless told not to.
    ///
    /// A prepared one that no longer fits what it was prepared for is prepared again; not in a transaction, which its
    /// failure ends.
    @discardableResult
    func run(
        _ sql: String, _ parameters: PostgresParameters = PostgresParameters(), prepare: Bool = true,
        textResults: Bool = false, limit: CallLimit
    ) throws(VectorStoreError) -> PostgresResult {
        try again { () throws(VectorStoreError) in
            let name = prepare ? try statement(sql, limit: limit) : nil
            try send(sql, name, parameters, textResults: textResults)
            return try finish(limit, of: sql)
        }
    }

    /// Runs one statement for each set of parameters, without awaiting an answer before the next is sent: a set is made
    /// while the server works on those before it.
    ///
    /// Without a transaction around it, they are one transaction.
    func runPipelined(
        _ sql: String, limit: CallLimit, sets: () -> AnyIterator<PostgresParameters>
    ) throws(VectorStoreError) -> [PostgresResult] {
        try again { () throws(VectorStoreError) in try runPipelined(sql, limit, sets()) }
    }

    private func runPipelined(
        _ sql: String, _ limit: CallLimit, _ sets: AnyIterator<PostgresParameters>
    ) throws(VectorStoreError) -> [PostgresResult] {
        let name = try statement(sql, limit: limit)
        guard PQenterPipelineMode(connection) == 1 else { throw lost() }
        var unsent = 0
        while let parameters = sets.next() {
            try send(sql, name, parameters, textResults: false)
            unsent += parameters.bytes.count
            // Small ones travel together.
            if unsent > 1 << 16 {
                try flush(limit)
                unsent = 0
            }
        }
        guard PQpipelineSync(connection) == 1 else { throw lost() }
        var results: [PostgresResult] = []
        var failure: PostgresError?
        while let pointer = try nextResult(limit, afterEnd: true) {
            let result = PostgresResult(pointer)
            if result.isPipelineEnd { break }
            if result.isAborted { continue }
            if let error = result.error { failure = failure ?? error } else { results.append(result) }
        }
        guard PQexitPipelineMode(connection) == 1 else { throw lost() }
        if let failure { throw statements.error(failure, of: sql) }
        return results
    }

    /// Runs statements a second time, where the first failed because a prepared one no longer fits.
    private func again<Value>(_ body: () throws(VectorStoreError) -> Value) throws(VectorStoreError) -> Value {
        do { return try body() } catch {
            guard let stale = error.cause as? StaleStatement else { throw error }
            guard !isBroken, !isInTransaction else {
                guard stale.isCertain else { throw stale.reported.asStoreError }
                throw .pgvector(
                    .unavailable, "the collection's table was changed meanwhile; run the transaction again",
                    cause: stale.reported)
            }
        }
        do { return try body() } catch {
            guard let stale = error.cause as? StaleStatement else { throw error }
            throw stale.reported.asStoreError
        }
    }

    /// Runs statements without parameters, one after the other, in one round trip; the last one's result.
    @discardableResult
    func script(_ sql: String, limit: CallLimit) throws(VectorStoreError) -> PostgresResult {
        guard PQsendQuery(connection, sql) == 1 else { throw lost() }
        return try finish(limit)
    }

    /// Runs a `copy ... from stdin`. `rows` fills a buffer, and says whether there are more.
    @discardableResult
    func copy(
        _ sql: String, limit: CallLimit, rows: (inout [UInt8]) -> Bool
    ) throws(VectorStoreError) -> PostgresResult {
        guard PQsendQuery(connection, sql) == 1 else { throw lost() }
        while let pointer = try nextResult(limit, afterEnd: false) {
            let result = PostgresResult(pointer)
            if result.isCopyIn { break }
            if let error = result.error {
                while let rest = try nextResult(limit, afterEnd: false) { PQclear(rest) }
                throw error.asStoreError
            }
        }
        var buffer: [UInt8] = []
        var goesOn = true
        while goesOn {
            buffer.removeAll(keepingCapacity: true)
            goesOn = rows(&buffer)
            try put(buffer, limit)
        }
        while true {
            let ended = PQputCopyEnd(connection, nil)
            if ended == 1 { break }
            guard ended == 0 else { throw lost() }
            try flush(limit)
        }
        return try finish(limit)
    }

    private func put(_ buffer: [UInt8], _ limit: CallLimit) throws(VectorStoreError) {
        while true {
            let taken = buffer.withUnsafeBytes { bytes in
                PQputCopyData(connection, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count))
            }
            if taken == 1 { return try flush(limit) }
            guard taken == 0 else { throw lost() }
            try flush(limit)
        }
    }

    /// The name of the prepared statement.
    private func statement(_ sql: String, limit: CallLimit) throws(VectorStoreError) -> String {
        if let name = statements.name(of: sql) { return name }
        // Not in a transaction, which would fail with it where the server has forgotten a statement by itself.
        for name in isInTransaction ? [] : statements.takeUnused() {
            do { try script("deallocate \(name)", limit: limit) } catch {
                guard error.postgres?.sqlState == PreparedStatements.unknown else { throw error }
            }
        }
        let name = statements.newName()
        guard PQsendPrepare(connection, name, sql, 0, nil) == 1 else { throw lost() }
        try finish(limit)
        statements.add(name, of: sql)
        return name
    }

    private func send(
        _ sql: String, _ name: String?, _ parameters: PostgresParameters, textResults: Bool
    ) throws(VectorStoreError) {
        let count = Int32(parameters.count)
        let lengths = parameters.ranges.map { Int32(clamping: $0?.count ?? 0) }
        let formats = parameters.isBinary.map { Int32($0 ? 1 : 0) }
        let format: Int32 = textResults ? 0 : 1
        let sent = parameters.bytes.withUnsafeBytes { bytes in
            // libpq copies the values before it returns.
            let values = parameters.ranges.map { range in
                range.flatMap { bytes.baseAddress?.advanced(by: $0.lowerBound).assumingMemoryBound(to: CChar.self) }
            }
            return if let name {
                PQsendQueryPrepared(connection, name, count, values, lengths, formats, format)
            } else {
                PQsendQueryParams(connection, sql, count, nil, values, lengths, formats, format)
            }
        }
        guard sent == 1 else { throw lost() }
    }

    /// Reads every result of what was sent; the last one, or the first error.
    ///
    /// - Parameter prepared: The statement, where it was a prepared one.
    @discardableResult
    private func finish(
        _ limit: CallLimit, of prepared: String? = nil
    ) throws(VectorStoreError) -> PostgresResult {
        var last: PostgresResult?
        var failure: PostgresError?
        while let pointer = try nextResult(limit, afterEnd: false) {
            let result = PostgresResult(pointer)
            guard !result.isCopy else {
                // libpq would say the same again for as long as nobody copies.
                stopStatement()
                throw .pgvector(.invalidArgument, "a statement of your own cannot copy from or to this process")
            }
            if let error = result.error { failure = failure ?? error } else { last = result }
        }
        if PQstatus(connection) == CONNECTION_BAD { isBroken = true }
        if let failure {
            if isBroken, failure.sqlState == nil { throw lost() }
            throw prepared.map { statements.error(failure, of: $0) } ?? failure.asStoreError
        }
        guard let last else { throw lost() }
        return last
    }

    /// The next result; `nil` after a statement's last one (in a pipeline the one after that is meant: `afterEnd`).
    private func nextResult(_ limit: CallLimit, afterEnd: Bool) throws(VectorStoreError) -> OpaquePointer? {
        for _ in 0..<(afterEnd ? 2 : 1) {
            try receive(limit)
            if let result = PQgetResult(connection) { return result }
        }
        return nil
    }

    // MARK: Waiting

    /// Sends what is buffered and returns when a result can be read without waiting.
    ///
    /// When the limit passes, the server is asked to stop.
    private func receive(_ limit: CallLimit) throws(VectorStoreError) {
        do {
            try flush(limit)
            while PQisBusy(connection) == 1 {
                try wait(for: Int16(POLLIN), limit)
                try consume()
            }
        } catch {
            guard error.code == .timeout || error.code == .cancelled else { throw error }
            stopStatement()
            throw error
        }
    }

    /// Sends what is buffered; reads meanwhile, as the server may wait for that.
    private func flush(_ limit: CallLimit) throws(VectorStoreError) {
        while true {
            let rest = PQflush(connection)
            if rest == 0 { return }
            guard rest > 0 else { throw lost() }
            do { try wait(for: Int16(POLLIN | POLLOUT), limit) } catch {
                stopStatement()
                throw error
            }
            try consume()
        }
    }

    private func consume() throws(VectorStoreError) {
        guard PQconsumeInput(connection) == 1 else { throw lost() }
    }

    private func wait(for events: Int16, _ limit: CallLimit) throws(VectorStoreError) {
        while true {
            let milliseconds = try limit.nextWait().milliseconds
            var descriptor = pollfd(fd: PQsocket(connection), events: events, revents: 0)
            let ready = poll(&descriptor, 1, Int32(clamping: milliseconds))
            if ready > 0 { return }
            guard ready == 0 || errno == EINTR else { throw lost() }
        }
    }

    /// What a lost connection throws; the connection is not used again.
    private func lost() -> VectorStoreError {
        let message = String(cString: PQerrorMessage(connection))
        isBroken = true
        return PostgresError(sqlState: nil, message: message, isConnectionLost: true).asStoreError
    }

    /// Asks the server to stop what it does, and gives the connection up: a late request could otherwise stop what is
    /// sent next.
    private func stopStatement() {
        guard !isBroken else { return }
        isBroken = true
        guard let request = PQgetCancel(connection) else { return }
        let address = UInt(bitPattern: request)
        let isAccepted = cancellations.submit {
            guard let request = OpaquePointer(bitPattern: address) else { return }
            var message = [CChar](repeating: 0, count: 256)
            PQcancel(request, &message, Int32(message.count))
            PQfreeCancel(request)
        }
        if !isAccepted { PQfreeCancel(request) }
    }
}

extension PostgresError {
    /// As the error of a connection that was refused.
    fileprivate var asConnectionError: VectorStoreError {
        guard sqlState == nil else { return asStoreError }
        return .pgvector(
            .unavailable, "PostgreSQL cannot be reached; is it running, and are host, port and sslmode right?",
            cause: self)
    }
}
#endif
