internal import Dispatch
internal import Synchronization

/// An executor over a serial queue, apart from the cooperative pool.
///
/// Serial, not concurrent: on Linux a concurrent queue draws on the very threads that the pool uses.
final class QueueExecutor: TaskExecutor {
    private let queue: DispatchQueue

    private init(label: String) { queue = DispatchQueue(label: label) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    private static let all = (0..<4).map { QueueExecutor(label: "mini-orm.blocking.\($0)") }
    private static let turn = Atomic(0)

    /// One of a few executors, in turn.
    static func next() -> QueueExecutor {
        all[turn.wrappingAdd(1, ordering: .relaxed).newValue & 3]
    }
}
