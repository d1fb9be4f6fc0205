internal import Synchronization

/// The call that runs on this thread, for stores that block.
///
/// A blocking call that was started from a task has no task of its own to ask. A store that waits for long asks here
/// between two waits, and gives the call up with ``VectorStoreError/Code/cancelled``:
///
/// ```swift
/// func wait(until isReady: (_ milliseconds: Int) -> Bool) throws(VectorStoreError) {
///     while !isReady(20) {
///         if BlockingCall.isCancelled { throw VectorStoreError(.cancelled, "the task was cancelled") }
///     }
/// }
/// ```
public enum BlockingCall {
    /// Set once, from any thread.
    final class Flag: Sendable {
        private let value = Atomic(false)
        private let handler = Mutex<(@Sendable () -> Void)?>(nil)

        var isSet: Bool { value.load(ordering: .acquiring) }

        func set() {
            value.store(true, ordering: .releasing)
            handler.withLock { $0.take() }?()
        }

        /// Runs a body whose wait `handle` ends; it is called at once where the flag is set already.
        func whenSet<Value>(
            _ handle: @escaping @Sendable () -> Void, during body: () throws(VectorStoreError) -> Value
        ) throws(VectorStoreError) -> Value {
            handler.withLock { $0 = handle }
            defer { handler.withLock { $0 = nil } }
            // Set before the handler was there, perhaps: whoever takes it calls it.
            if isSet { handler.withLock { $0.take() }?() }
            return try body()
        }
    }

    @TaskLocal static var flag: Flag?

    /// Whether the task that the call was made for has been cancelled.
    ///
    /// Seen through ``OffloadedVectorStore`` that is the task that awaits it; otherwise the task that this code runs
    /// in, if any.
    public static var isCancelled: Bool { flag?.isSet ?? Task.isCancelled }
}
