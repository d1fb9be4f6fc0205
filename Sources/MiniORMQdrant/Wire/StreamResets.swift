#if Qdrant
internal import NIOCore
internal import Synchronization

/// Resets the streams of calls that were given up, a few at a time.
///
/// A stream that is reset may be answered all the same, by a server that did not know yet. The transport keeps the last
/// thirty or so in mind for that, and closes the connection, with every call on it, at an answer to one before them; a
/// server may close it at as many resets at once. So a burst of calls that are given up is left to the server, which knows
/// their deadlines, and reset later where that does not end them.
///
/// Nor is a stream reset while the connection takes no bytes: it may not be open yet, or be closed by the server before
/// the reset goes out, and the transport expects neither.
///
/// Lives as long as calls wait here, which keep it, even where the connection is gone.
final class StreamResets<Reply: Sendable>: Sendable {
    private struct State {
        /// Resets of this period.
        var count = 0
        /// Those that wait for the next period.
        var waiting: [PendingCall<Reply>] = []
        /// Those that wait for the connection.
        var blocked: [PendingCall<Reply>] = []
    }

    private static var most: Int { 8 }
    private static var period: TimeAmount { .milliseconds(250) }

    private let loop: any EventLoop
    private let takesBytes: @Sendable () -> Bool
    private let state = Mutex(State())

    /// - Parameter takesBytes: Whether the connection does now.
    init(_ loop: any EventLoop, takesBytes: @escaping @Sendable () -> Bool = { true }) {
        self.loop = loop
        self.takesBytes = takesBytes
    }

    /// Resets the stream of a call: now if that is one of a few, else later.
    func reset(_ call: PendingCall<Reply>) { reset(call, isUrgent: false) }

    /// Resets the stream of a call now; others wait for it. To be followed by a ``pause()`` before there is another such
    /// call. Where the connection takes nothing, not even the reset, the call fails after a period.
    func resetAtOnce(_ call: PendingCall<Reply>) {
        loop.scheduleTask(in: Self.period) { call.failIfGivenUp() }
        reset(call, isUrgent: true)
    }

    private func reset(_ call: PendingCall<Reply>, isUrgent: Bool) {
        guard takesBytes() else { return awaitConnection(call) }
        let (isNow, isFirst) = state.withLock { state in
            guard isUrgent || state.count < Self.most else {
                state.waiting.append(call)
                return (false, false)
            }
            state.count += 1
            return (true, state.count == 1)
        }
        if isNow { call.cancelExchange() }
        if isFirst { loop.scheduleTask(in: Self.period) { [weak self] in self?.beginPeriod() } }
    }

    private func beginPeriod() {
        let waiting = state.withLock { state in
            defer { (state.count, state.waiting) = (0, []) }
            return state.waiting
        }
        for call in waiting where !call.hasEnded { reset(call) }
    }

    private func awaitConnection(_ call: PendingCall<Reply>) {
        let isFirst = state.withLock { state in
            state.blocked.append(call)
            return state.blocked.count == 1
        }
        if isFirst { loop.scheduleTask(in: .milliseconds(10)) { [weak self] in self?.lookAtConnection() } }
    }

    private func lookAtConnection() {
        let blocked = state.withLock { state in
            defer { state.blocked = [] }
            return state.blocked
        }
        for call in blocked where !call.hasEnded { reset(call, isUrgent: call.isCutShort) }
    }

    /// Waits until what was reset is forgotten here, also in a task that was cancelled.
    func pause() async { try? await loop.scheduleTask(in: Self.period) {}.futureResult.get() }
}
#endif
