import Dispatch
import MiniORM
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// An executor that notes how long the jobs of a task hold their thread without using it.
///
/// A job that sleeps or waits leaves its thread of its own will; one that is merely slow, or was interrupted because
/// the machine is busy, does not. The kernel counts both apart, so the answer does not depend on how fast or how
/// loaded the machine is.
final class BlockingWatch: TaskExecutor {
    private let queue = DispatchQueue(label: "mini-orm.conformance.watch")
    private let idle = Mutex<UInt64>(0)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async {
            let before = ThreadUse.now()
            job.runSynchronously(on: self.asUnownedTaskExecutor())
            let use = ThreadUse.now().since(before)
            self.idle.withLock { $0 += use }
        }
    }

    /// For how many nanoseconds a call held a thread and waited.
    func nanosecondsBlocked(by call: @escaping @Sendable () async throws -> Void) async throws -> UInt64 {
        idle.withLock { $0 = 0 }
        try await Task(executorPreference: self) { try await call() }.value
        // Jobs note their time after they ran: behind this one, all have.
        await withCheckedContinuation { done in queue.async { done.resume() } }
        return idle.withLock { $0 }
    }
}

/// What a thread used and how often it waited, up to now.
private struct ThreadUse {
    var wall: UInt64
    var processor: UInt64
    var waits: Int

    static func now() -> ThreadUse {
        ThreadUse(wall: clock(CLOCK_MONOTONIC), processor: clock(CLOCK_THREAD_CPUTIME_ID), waits: voluntarySwitches())
    }

    /// Nanoseconds off the processor; 0 where the thread did not wait by itself.
    func since(_ start: ThreadUse) -> UInt64 {
        guard waits > start.waits || waits < 0 else { return 0 }
        let (wall, processor) = (wall - start.wall, processor - start.processor)
        return wall > processor ? wall - processor : 0
    }

    private static func clock(_ id: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(id, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// How often the thread gave its processor away; -1 where the system does not tell.
    private static func voluntarySwitches() -> Int {
        #if canImport(Glibc) || canImport(Musl)
        var usage = rusage()
        // RUSAGE_THREAD, which is an extension of Linux that Swift does not import.
        return getrusage(1, &usage) == 0 ? Int(usage.ru_nvcsw) : -1
        #else
        return -1
        #endif
    }
}
