#if PgVector
import MiniORM

/// Until when a call may take, and whether it is still wanted.
struct CallLimit: Sendable {
    private(set) var deadline: ContinuousClock.Instant
    /// Whether the cancelling of the task ends the call: not where it puts something in order.
    let isCancellable: Bool
    /// Called before each wait; long work reports its progress here.
    let onWait: (@Sendable () -> Void)?

    init(_ duration: Duration, isCancellable: Bool = true, onWait: (@Sendable () -> Void)? = nil) {
        deadline = .now + duration
        self.isCancellable = isCancellable
        self.onWait = onWait
    }

    /// The same limit, or a time from now if that is nearer.
    func within(_ duration: Duration) -> CallLimit {
        var limit = self
        limit.deadline = min(deadline, .now + duration)
        return limit
    }

    /// How much time is left, at least none.
    var left: Duration { max(.zero, deadline - .now) }

    /// How long to wait before the limit is to be looked at again, at the most.
    ///
    /// Throws `VectorStoreError.Code.cancelled` or `VectorStoreError.Code.timeout`.
    func nextWait() throws(VectorStoreError) -> Duration {
        if isCancellable, BlockingCall.isCancelled { throw .pgvector(.cancelled, "the task was cancelled") }
        onWait?()
        let left = left
        guard left > .zero else { throw .pgvector(.timeout, "the deadline passed") }
        return min(left, .milliseconds(20))
    }
}

extension Duration {
    /// In milliseconds, rounded up.
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(clamping: seconds) * 1000
            + Int(clamping: (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
#endif
