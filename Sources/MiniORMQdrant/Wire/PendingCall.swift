#if Qdrant
internal import Synchronization

/// A call that somebody waits for: until it has ended, or has been given up, whichever comes first.
final class PendingCall<Reply: Sendable>: Sendable {
    typealias Outcome = Result<Reply, any Error>

    private struct State {
        var exchange: Task<Void, Never>?
        var waiting: CheckedContinuation<Outcome, Never>?
        var outcome: Outcome?
        var isSent = false
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

    /// The request is on its way as a whole, so that an answer can come at any time.
    func hasSent() { state.withLock { $0.isSent = true } }

    private func end(_ outcome: Outcome) {
        let waiting = state.withLock { state in
            state.hasEnded = true
            state.exchange = nil
            return Self.settle(&state, outcome)
        }
        waiting?.resume(returning: outcome)
    }

    /// Has the call fail now, unless it is over. The exchange is cancelled too, by `resets` if an answer may come.
    func giveUp(_ error: any Error) {
        let (isOver, waiting, isSent) = state.withLock { state in
            (state.outcome != nil, Self.settle(&state, .failure(error)), state.isSent)
        }
        if isOver { return }
        waiting?.resume(returning: .failure(error))
        if isSent { resets.reset(self) } else { cancelExchange() }
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
