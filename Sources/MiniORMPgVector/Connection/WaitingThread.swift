#if PgVector
internal import Dispatch

/// The thread of a call that blocks, waiting for time to pass.
enum WaitingThread {
    static func sleep(_ duration: Duration) {
        guard duration > .zero else { return }
        _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .milliseconds(duration.milliseconds))
    }
}
#endif
