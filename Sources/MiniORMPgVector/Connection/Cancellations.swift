#if PgVector
internal import Dispatch
internal import Synchronization

/// Threads that ask servers to stop statements.
///
/// libpq's request goes over a connection of its own, whose wait has no limit: where a server is out of reach, a thread
/// can hang for minutes. So every store has a few, with one line in front of them, and a request that the line has no
/// room for is let go: the server ends the statement anyway when it finds the connection closed.
final class Cancellations: Sendable {
    typealias Request = @Sendable () -> Void

    private struct State {
        var idle: [DispatchQueue]
        var line: [Request] = []
    }

    private static let longest = 256
    private let state: Mutex<State>

    init(threads: Int = 4) {
        state = Mutex(State(idle: (0..<threads).map { DispatchQueue(label: "mini-orm.pgvector.cancel.\($0)") }))
    }

    /// Runs a request on one of the threads; false where too many wait.
    func submit(_ request: @escaping Request) -> Bool {
        let (thread, isAccepted): (DispatchQueue?, Bool) = state.withLock { state in
            if let thread = state.idle.popLast() { return (thread, true) }
            guard state.line.count < Self.longest else { return (nil, false) }
            state.line.append(request)
            return (nil, true)
        }
        if let thread { thread.async { self.work(on: thread, request) } }
        return isAccepted
    }

    private func work(on thread: DispatchQueue, _ first: Request) {
        first()
        while let next = next(for: thread) { next() }
    }

    /// The next request of the line; `nil`, and the thread is idle again, where there is none.
    private func next(for thread: DispatchQueue) -> Request? {
        state.withLock { state in
            if !state.line.isEmpty { return state.line.removeFirst() }
            state.idle.append(thread)
            return nil
        }
    }
}
#endif
