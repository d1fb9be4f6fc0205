#if PgVector
import MiniORM

/// Until when a call may take, and whether it is still wanted.
struct CallLimit: Sendable {
    let deadline: ContinuousClock.Instant
    /// Called before each wait; long work reports its progress here.
    let onWait: (@Sendable () -> Void)?

    init(_ duration: Duration, onWait: (@Sendable () -> Void)? = nil) {
        deadline = .now + duration
        self.onWait = onWait
    }

    /// How long to wait before the limit is to be looked at again, at the most.
    ///
    /// Throws `VectorStoreError.Code.cancelled` or `VectorStoreError.Code.timeout`.
    func nextWait() throws(VectorStoreError) -> Duration {
        if BlockingCall.isCancelled { throw .pgvector(.cancelled, "the task was cancelled") }
        onWait?()
        let left = deadline - .now
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
