#if PgVector
internal import Dispatch
import MiniORM

/// Whose turn it is on a connection that several calls share; who waits for it does so within its limit.
final class Turn: Sendable {
    private let signal = DispatchSemaphore(value: 0)

    init() { signal.signal() }

    func take(_ limit: CallLimit) throws(VectorStoreError) {
        while signal.wait(timeout: .now()) != .success {
            let wait = try limit.nextWait()
            if signal.wait(timeout: .now() + .milliseconds(wait.milliseconds)) == .success { return }
        }
    }

    /// Waits for as long as it takes: for a call that is under way, which has a limit of its own.
    func take() { signal.wait() }

    func giveBack() { signal.signal() }
}
#endif
