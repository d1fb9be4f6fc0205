#if Qdrant
internal import Synchronization

/// A call that somebody waits for: until it has ended, or has been given up.
final class PendingCall<Reply: Sendable>: Sendable {
    typealias Outcome = Result<Reply, any Error>

    /// What becomes of the stream of a call that is given up.
    enum Stream {
        /// It is left to the server, and reset when that is one of a few.
        case leftToServer
        /// It is reset at once, so that nothing more is sent.
        case cutShort
    }

    private struct State {
        var exchange: Task<Void, Never>?
        var waiting: CheckedContinuation<Outcome, Never>?
        var outcome: Outcome?
        var stream: Stream?
        /// Why the call was given up, if it was before it had ended.
        var givenUp: (any Error)?
        var hasEnded = false
    }

    private let state = Mutex(State())
    private let resets: StreamResets<Reply>

    /// - Parameter resets: Those of the connection.
    init(_ resets: StreamResets<Reply>) { self.resets = resets }

    /// Begins the exchange that leads to the reply. Called once, before anything else.
    func begin(_ body: @escaping @Sendable () async throws -> Reply, on executor: some TaskExecutor) {
        let exchange = Task(executorPreference: executor) {
            do { self.end(.success(try await body())) } catch { self.end(.failure(error)) }
        }
        state.withLock { if !$0.hasEnded { $0.exchange = exchange } }
    }

    /// The exchange is about to send on a stream of its own. Throws if the call was given up before.
    func open(_ stream: Stream) throws {
        let isGivenUp = state.withLock { state in
            if state.givenUp == nil { state.stream = stream }
            return state.givenUp != nil
        }
        if isGivenUp { throw CancellationError() }
    }

    /// Whether the call was given up and its stream reset at once.
    var isCutShort: Bool { state.withLock { $0.givenUp != nil && $0.stream == .cutShort } }

    /// Has a call that was given up fail, if it waits still.
    func failIfGivenUp() {
        let (waiting, error) = state.withLock { state in
            (state.givenUp.flatMap { Self.settle(&state, .failure($0)) }, state.givenUp)
        }
        if let waiting, let error { waiting.resume(returning: .failure(error)) }
    }

    /// The exchange is over, its stream included.
    func end(_ outcome: Outcome) {
        let (waiting, outcome) = state.withLock { state in
            state.hasEnded = true
            state.exchange = nil
            var outcome = outcome
            if case .failure = outcome, let error = state.givenUp { outcome = .failure(error) }
            return (Self.settle(&state, outcome), outcome)
        }
        waiting?.resume(returning: outcome)
    }

    /// Has the call fail, unless it is over: now, or when nothing more is sent where its stream is cut short; then `resets`
    /// sees to it that the wait has an end. The exchange is cancelled too, by `resets` if it has a stream.
    func giveUp(_ error: any Error) {
        let (isOver, waiting, stream) = state.withLock { state in
            let isOver = state.outcome != nil || state.givenUp != nil
            if !isOver { state.givenUp = error }
            let isLater = isOver || state.stream == .cutShort
            return (isOver, isLater ? nil : Self.settle(&state, .failure(error)), state.stream)
        }
        if isOver { return }
        waiting?.resume(returning: .failure(error))
        switch stream {
        case nil: cancelExchange()
        case .leftToServer: resets.reset(self)
        case .cutShort: resets.resetAtOnce(self)
        }
    }

    private static func settle(_ state: inout State, _ outcome: Outcome) -> CheckedContinuation<Outcome, Never>? {
        guard state.outcome == nil else { return nil }
        state.outcome = outcome
        defer { state.waiting = nil }
        return state.waiting
    }

    /// Whether the exchange is over, its stream included.
    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    /// Ends the exchange, and with it the stream.
    func cancelExchange() { state.withLock { $0.exchange }?.cancel() }

    /// How the call ended. Awaited once.
    var outcome: Outcome {
        get async {
            await withCheckedContinuation { continuation in
                let outcome = state.withLock { state in
                    if state.outcome == nil { state.waiting = continuation }
                    return state.outcome
                }
                if let outcome { continuation.resume(returning: outcome) }
            }
        }
    }
}
#endif
