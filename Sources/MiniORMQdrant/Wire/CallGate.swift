#if Qdrant
internal import Synchronization

/// Lets so many calls onto the connection at once; the others wait here, in the order in which they came.
///
/// A server allows a connection some hundred calls at once. The transport would keep the others too, but a call that is
/// given up while it waits there is closed before it was opened, which the transport does not expect.
final class CallGate: Sendable {
    private struct State {
        var free: Int
        /// Those that wait, by their numbers, from `first` on.
        var waiting: [UInt64: CheckedContinuation<Bool, Never>] = [:]
        var first: UInt64 = 0
        var next: UInt64 = 0
    }

    /// The number that a call waits under, once it waits.
    private final class Ticket: Sendable {
        let number = Mutex<UInt64?>(nil)
    }

    private let state: Mutex<State>

    init(_ calls: Int) { state = Mutex(State(free: calls)) }

    /// How many calls wait for their turn.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Calls a body when it is a call's turn. Throws if the task is cancelled before that.
    func pass<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
        try await enter()
        defer { leave() }
        return try await body()
    }

    private func enter() async throws {
        // As nearly always: where one is free, nobody waits.
        let isFree = state.withLock { state in
            if state.free == 0 { return false }
            state.free -= 1
            return true
        }
        if isFree { return }
        let ticket = Ticket()
        let isIn = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isIn: Bool? = state.withLock { state in
                    // A cancellation from here on finds the ticket.
                    if Task.isCancelled { return false }
                    if state.free > 0 {
                        state.free -= 1
                        return true
                    }
                    state.waiting[state.next] = continuation
                    ticket.number.withLock { $0 = state.next }
                    state.next += 1
                    return nil
                }
                if let isIn { continuation.resume(returning: isIn) }
            }
        } onCancel: {
            let waiting = state.withLock { state in
                ticket.number.withLock { $0 }.flatMap { state.waiting.removeValue(forKey: $0) }
            }
            waiting?.resume(returning: false)
        }
        guard isIn else { throw CancellationError() }
    }

    private func leave() {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            while state.first < state.next {
                defer { state.first += 1 }
                if let next = state.waiting.removeValue(forKey: state.first) { return next }
            }
            state.free += 1
            return nil
        }
        next?.resume(returning: true)
    }
}
#endif
