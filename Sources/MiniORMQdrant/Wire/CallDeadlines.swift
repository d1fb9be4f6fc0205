#if Qdrant
internal import GRPCCore
internal import NIOCore
internal import Synchronization

/// Gives up the calls of a connection whose time has passed.
///
/// One timer serves all of them: it goes off when the first call could be late, and then looks again. A timer for each
/// call would be set and taken back for nothing, as nearly all of them end in time, at the cost of system calls.
final class CallDeadlines<Reply: Sendable>: Sendable {
    private struct State {
        var calls: [UInt64: (deadline: NIODeadline, call: PendingCall<Reply>)] = [:]
        var following: UInt64 = 0
        /// When the timer goes off that was set last.
        var timer: NIODeadline?
    }

    private let loop: any EventLoop
    private let state = Mutex(State())

    init(_ loop: any EventLoop) { self.loop = loop }

    /// Watches a call until ``end(_:)``.
    func watch(_ call: PendingCall<Reply>, until deadline: NIODeadline) -> UInt64 {
        let (number, isFirst) = state.withLock { state in
            state.following += 1
            state.calls[state.following] = (deadline, call)
            let isFirst = state.timer.map { deadline < $0 } ?? true
            if isFirst { state.timer = deadline }
            return (state.following, isFirst)
        }
        if isFirst { setTimer(deadline) }
        return number
    }

    /// Nobody waits any more for the call with a number.
    func end(_ number: UInt64) { state.withLock { $0.calls[number] = nil } }

    private func setTimer(_ deadline: NIODeadline) {
        loop.scheduleTask(deadline: deadline) { [weak self] in self?.look(deadline) }
    }

    private func look(_ timer: NIODeadline) {
        let now = NIODeadline.now()
        let (late, next) = state.withLock { state -> ([PendingCall<Reply>], NIODeadline?) in
            let late = state.calls.filter { $0.value.deadline <= now }
            for number in late.keys { state.calls[number] = nil }
            // Another timer, for an earlier call, may have been set since.
            guard state.timer == timer else { return (late.values.map(\.call), nil) }
            state.timer = state.calls.values.map(\.deadline).min()
            return (late.values.map(\.call), state.timer)
        }
        for call in late { call.giveUp(RPCError(code: .deadlineExceeded, message: "the deadline passed")) }
        if let next { setTimer(next) }
    }
}
#endif
