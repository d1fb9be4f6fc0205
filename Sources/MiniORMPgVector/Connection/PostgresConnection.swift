#if PgVector
internal import CLibPQ
internal import Dispatch
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
    /// Names of prepared statements by their SQL, byte for byte: it holds tables' names.
    private var prepared: [UTF8Key: String] = [:]
    private var preparedCount = 0
    /// Settings of this session that differ from its start.
    private var settings: [String: String] = [:]
    /// Whether the connection must not be used again.
    private(set) var isBroken = false

    private init(_ connection: OpaquePointer) { self.connection = connection }

    deinit { PQfinish(connection) }

    // MARK: Opening

    /// Opens a connection by libpq's keywords; later ones overrule earlier ones.
    static func open(
        _ keywords: [(String, String)], limit: CallLimit
    ) throws(VectorStoreError) -> PostgresConnection {
        let strings = keywords.map { (strdup($0.0), strdup($0.1)) }
        defer {
            for (name, value) in strings {
                free(name)
                free(value)
            }
        }
        let names = strings.map { UnsafePointer<CChar>($0.0) } + [nil]
        let values = strings.map { UnsafePointer<CChar>($0.1) } + [nil]
        guard let pointer = PQconnectStartParams(names, values, 1) else {
            throw .pgvector(.backend, "libpq is out of memory")
        }
        let opened = PostgresConnection(pointer)
        // libpq would print notices (`schema "..." already exists`) on standard error.
        PQsetNoticeReceiver(pointer, { _, _ in }, nil)
        // With this verbosity a refusal is told by its SQLSTATE, in every language.
        PQsetErrorVerbosity(pointer, PQERRORS_SQLSTATE)
        var state = PGRES_POLLING_WRITING
        while state != PGRES_POLLING_OK {
            guard PQstatus(pointer) != CONNECTION_BAD, state != PGRES_POLLING_FAILED else {
                throw opened.refusal().asConnectionError
            }
            try opened.wait(for: state == PGRES_POLLING_READING ? Int16(POLLIN) : Int16(POLLOUT), limit)
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

    /// Sets a parameter of the session, unless it has that value already.
    func set(_ name: String, to value: String, limit: CallLimit) throws(VectorStoreError) {
        guard settings[name] != value else { return }
        var parameters = PostgresParameters()
        parameters.text(name)
        parameters.text(value)
        _ = try run("select set_config($1, $2, false)", parameters, limit: limit)
        // One set in a transaction that is rolled back is undone.
        if !isInTransaction { settings[name] = value }
    }

    // MARK: Statements

    /// Runs a statement, prepared at its first use unless told not to.
    @discardableResult
    func run(
        _ sql: String, _ parameters: PostgresParameters = PostgresParameters(), prepare: Bool = true,
        textResults: Bool = false, limit: CallLimit
    ) throws(VectorStoreError) -> PostgresResult {
        let name = prepare ? try statement(sql, limit: limit) : nil
        try send(sql, name, parameters, textResults: textResults)
        return try finish(limit)
    }

    /// Runs one statement for each set of parameters, without awaiting an answer before the next is sent: a set is made
    /// while the server works on those before it.
    ///
    /// Without a transaction around it, they are one transaction.
    func runPipelined(
        _ sql: String, limit: CallLimit, next: () -> PostgresParameters?
    ) throws(VectorStoreError) -> [PostgresResult] {
        let name = try statement(sql, limit: limit)
        guard PQenterPipelineMode(connection) == 1 else { throw lost() }
        var unsent = 0
        while let parameters = next() {
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
        if let failure { throw failure.asStoreError }
        return results
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
    private func statement(_ sql: String, limit: CallLimit) throws(VectorStoreError) -> String? {
        let key = UTF8Key(sql)
        if let name = prepared[key] { return name }
        // A bound on what the server keeps for us; further statements run unprepared.
        guard prepared.count < 256 else { return nil }
        preparedCount += 1
        let name = "mini_orm_\(preparedCount)"
        guard PQsendPrepare(connection, name, sql, 0, nil) == 1 else { throw lost() }
        try finish(limit)
        prepared[key] = name
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
    @discardableResult
    private func finish(_ limit: CallLimit) throws(VectorStoreError) -> PostgresResult {
        var last: PostgresResult?
        var failure: PostgresError?
        while let pointer = try nextResult(limit, afterEnd: false) {
            let result = PostgresResult(pointer)
            if let error = result.error { failure = failure ?? error } else { last = result }
        }
        if PQstatus(connection) == CONNECTION_BAD { isBroken = true }
        if let failure {
            if isBroken, failure.sqlState == nil { throw lost() }
            throw failure.asStoreError
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

    private static let cancellations = DispatchQueue(label: "mini-orm.pgvector.cancel")

    /// Asks the server to stop what it does, and gives the connection up: a late request could otherwise stop what is
    /// sent next. The request goes over a connection of its own, whose wait has no limit, so another thread sends it.
    private func stopStatement() {
        guard !isBroken else { return }
        isBroken = true
        guard let request = PQgetCancel(connection) else { return }
        let address = UInt(bitPattern: request)
        Self.cancellations.async {
            guard let request = OpaquePointer(bitPattern: address) else { return }
            var message = [CChar](repeating: 0, count: 256)
            PQcancel(request, &message, Int32(message.count))
            PQfreeCancel(request)
        }
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
