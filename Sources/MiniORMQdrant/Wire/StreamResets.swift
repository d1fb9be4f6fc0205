#if Qdrant
internal import NIOCore
internal import Synchronization

/// Resets the streams of calls that were given up, a few at a time.
///
/// A stream that is reset may be answered all the same, by a server that did not know yet. The transport keeps the last
/// thirty or so in mind for that, and closes the connection, with every call on it, at an answer to one before them; a
/// server may close it at as many resets at once. So a burst of calls that are given up is left to the server, which knows
/// their deadlines, and reset later where that does not end them. (A connection that stands still for longer than that,
/// while calls are given up, may be closed all the same when it goes on.)
///
/// Lives as long as calls wait here, which keep it, even where the connection is gone.
final class StreamResets<Reply: Sendable>: Sendable {
    private struct State {
        /// Resets of this period.
        var count = 0
        var waiting: [PendingCall<Reply>] = []
    }

    private static var most: Int { 8 }
    private static var period: TimeAmount { .milliseconds(250) }

    private let loop: any EventLoop
    private let state = Mutex(State())

    init(_ loop: any EventLoop) { self.loop = loop }

    /// Resets the stream of a call: now if that is one of a few, else later.
    func reset(_ call: PendingCall<Reply>) {
        let (isNow, isFirst) = state.withLock { state in
            guard state.count < Self.most else {
                state.waiting.append(call)
                return (false, false)
            }
            state.count += 1
            return (true, state.count == 1)
        }
        if isNow { call.cancelExchange() }
        if isFirst { setTimer() }
    }

    /// Resets the stream of a call now; others wait for it. To be followed by a ``pause()`` before there is another such
    /// call. Where the connection does not even take the reset, the call fails after a period.
    func resetAtOnce(_ call: PendingCall<Reply>) {
        let isFirst = state.withLock { state in
            state.count += 1
            return state.count == 1
        }
        call.cancelExchange()
        loop.scheduleTask(in: Self.period) { call.failIfGivenUp() }
        if isFirst { setTimer() }
    }

    /// Waits until what was reset is forgotten here, also in a task that was cancelled.
    func pause() async { try? await loop.scheduleTask(in: Self.period) {}.futureResult.get() }

    private func setTimer() { loop.scheduleTask(in: Self.period) { [weak self] in self?.beginPeriod() } }

    private func beginPeriod() {
        let waiting = state.withLock { state in
            defer { state = State() }
            return state.waiting
        }
        for call in waiting where !call.hasEnded { reset(call) }
    }
}
#endif
