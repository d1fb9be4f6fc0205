#if Qdrant
internal import NIOCore

/// Runs tasks on the thread of an event loop, so that a call does not change threads at every step of its way through
/// the transport: waking another thread costs more than most of the steps do.
final class EventLoopExecutor: TaskExecutor {
    let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
#endif
