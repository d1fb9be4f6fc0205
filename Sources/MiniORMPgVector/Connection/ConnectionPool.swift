#if PgVector
internal import Dispatch
import MiniORM
internal import Synchronization

/// A bounded number of connections; who finds all in use waits in line, within its limit.
final class ConnectionPool: Sendable {
    private final class Waiter: Sendable {
        let signal = DispatchSemaphore(value: 0)
    }

    private struct State {
        var idle: [PostgresConnection] = []
        /// Connections in use, and ones being opened.
        var inUse = 0
        var waiting: [Waiter] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let maximum: Int
    private let open: @Sendable (CallLimit) throws(VectorStoreError) -> PostgresConnection

    init(
        maximum: Int, open: @escaping @Sendable (CallLimit) throws(VectorStoreError) -> PostgresConnection
    ) {
        self.maximum = max(1, maximum)
        self.open = open
    }

    /// A connection for one caller, who gives it back with ``giveBack(_:)``.
    func take(_ limit: CallLimit) throws(VectorStoreError) -> PostgresConnection {
        try takePlace(limit)
        while let connection = state.withLock({ $0.idle.popLast() }) {
            connection.checkHealth()
            if !connection.isBroken { return connection }
        }
        do { return try open(limit) } catch {
            freePlace()
            throw error
        }
    }

    /// Takes a connection back; one that is broken or in the middle of something is closed.
    func giveBack(_ connection: PostgresConnection) {
        if !connection.isBroken, !connection.isInTransaction {
            state.withLock { state in if !state.isClosed { state.idle.append(connection) } }
        }
        freePlace()
    }

    /// Closes what is idle now, and the others when they are given back. Calls that wait or come later fail.
    func close() {
        let (idle, waiting) = state.withLock { state in
            defer {
                state.idle = []
                state.waiting = []
            }
            state.isClosed = true
            return (state.idle, state.waiting)
        }
        for waiter in waiting { waiter.signal.signal() }
        _ = idle
    }

    private func takePlace(_ limit: CallLimit) throws(VectorStoreError) {
        let waiter = Waiter()
        let isFree = state.withLock { state in
            if state.isClosed || state.inUse < maximum {
                state.inUse += 1
                return true
            }
            state.waiting.append(waiter)
            return false
        }
        if !isFree {
            while true {
                let wait: Duration
                do { wait = try limit.nextWait() } catch {
                    // The place may have been handed over just now; it is then passed on.
                    let wasWaiting = state.withLock { state in
                        guard let index = state.waiting.firstIndex(where: { $0 === waiter }) else { return false }
                        state.waiting.remove(at: index)
                        return true
                    }
                    if !wasWaiting { freePlace() }
                    guard error.code == .timeout else { throw error }
                    throw .pgvector(.timeout, "all \(maximum) connections of the pool were in use until the deadline")
                }
                if waiter.signal.wait(timeout: .now() + .milliseconds(wait.milliseconds)) == .success { break }
            }
        }
        if state.withLock({ $0.isClosed }) {
            freePlace()
            throw .pgvector(.unavailable, "the store is closed")
        }
    }

    /// Hands the place to who waits longest.
    private func freePlace() {
        let next: Waiter? = state.withLock { state in
            if state.waiting.isEmpty {
                state.inUse = max(0, state.inUse - 1)
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.signal.signal()
    }
}
#endif
