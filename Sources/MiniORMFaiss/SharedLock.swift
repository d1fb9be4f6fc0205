#if Faiss
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Musl)
internal import Musl
#else
internal import Glibc
#endif

/// A value that many read at once or one changes.
///
/// A writer that waits holds back the readers that come after it, so that it is not starved.
///
/// `@unchecked Sendable`: the value is reached through `read` and `write` only; POSIX's lock keeps writers apart from all
/// others, and readers get the value without a way to change it. The lock is allocated once and never moved.
final class SharedLock<Value>: @unchecked Sendable {
    private var value: Value
    private let lock: UnsafeMutablePointer<pthread_rwlock_t>
    private let turnstile = Mutex<Void>(())

    init(_ value: sending Value) {
        self.value = value
        lock = .allocate(capacity: 1)
        lock.initialize(to: pthread_rwlock_t())
        pthread_rwlock_init(lock, nil)
    }

    deinit {
        pthread_rwlock_destroy(lock)
        lock.deinitialize(count: 1)
        lock.deallocate()
    }

    func read<Result, Failure>(_ body: (Value) throws(Failure) -> Result) throws(Failure) -> Result {
        turnstile.withLock { _ in _ = pthread_rwlock_rdlock(lock) }
        defer { pthread_rwlock_unlock(lock) }
        return try body(value)
    }

    func write<Result, Failure>(_ body: (inout Value) throws(Failure) -> Result) throws(Failure) -> Result {
        turnstile.withLock { _ in _ = pthread_rwlock_wrlock(lock) }
        defer { pthread_rwlock_unlock(lock) }
        return try body(&value)
    }
}
#endif
