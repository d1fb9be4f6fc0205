internal import Dispatch
internal import Synchronization

/// A few threads for calls that block, and a bounded line in front of them.
///
/// The threads are serial queues, not one concurrent queue: on Linux a concurrent queue draws on the very threads
/// that Swift's own executor uses.
package final class BlockingThreads: Sendable {
    private struct State {
        var idle: [DispatchQueue]
        /// Calls in the order they came; those before `head` have been taken, and of the others those that were
        /// cancelled.
        var line: [Call] = []
        var head = 0
        var waiting = 0
    }

    /// A call that waits, runs or is over.
    private final class Call: Sendable {
        /// Tells a call that runs that it was cancelled.
        let flag = BlockingCall.Flag()
        /// Taken by whoever comes first: a thread that runs the call, or its cancellation.
        private let start: Mutex<(@Sendable (Bool) -> Void)?>
        init(_ start: @escaping @Sendable (Bool) -> Void) { self.start = Mutex(start) }
        var isTaken: Bool { start.withLock { $0 == nil } }
        func take() -> (@Sendable (Bool) -> Void)? {
            guard let start = start.withLock({ $0.take() }) else { return nil }
            let flag = flag
            return { runs in BlockingCall.$flag.withValue(flag) { start(runs) } }
        }
    }

    private let state: Mutex<State>
    private let maximumWaiting: Int

    package init(count: Int, maximumWaiting: Int) {
        self.maximumWaiting = maximumWaiting
        state = Mutex(State(idle: (0..<count).map { DispatchQueue(label: "mini-orm.offload.\($0)") }))
    }

    /// Runs a call on one of the threads.
    package func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(VectorStoreError) -> Value
    ) async throws(VectorStoreError) -> Value {
        let cancelled = VectorStoreError(.cancelled, "the task was cancelled before the call began")
        if Task.isCancelled { throw cancelled }
        let handle = Mutex<Call?>(nil)
        let result: Result<Value, VectorStoreError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let call = Call { runs in
                    guard runs else { return continuation.resume(returning: .failure(cancelled)) }
                    do throws(VectorStoreError) { continuation.resume(returning: .success(try body())) } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
                guard submit(call) else {
                    let full = VectorStoreError(.unavailable, "\(maximumWaiting) calls wait already; try again later")
                    return continuation.resume(returning: .failure(full))
                }
                // Known to the handler only now, so that it meets a call that waits, runs or is over.
                handle.withLock { $0 = call }
                if Task.isCancelled { cancel(call) }
            }
        } onCancel: {
            if let call = handle.withLock({ $0 }) { cancel(call) }
        }
        return try result.get()
    }

    /// Ends a call that waits, and tells one that runs.
    private func cancel(_ call: Call) {
        call.flag.set()
        guard let start = call.take() else { return }
        state.withLock { state in
            state.waiting -= 1
            // While the threads hang, nobody else clears the line.
            if state.line.count - state.head > 2 * state.waiting + 64 {
                state.line = state.line[state.head...].filter { !$0.isTaken }
                state.head = 0
            }
        }
        start(false)
    }

    /// How many calls the line holds, over or not.
    var lengthOfLine: Int { state.withLock { $0.line.count - $0.head } }

    /// Gives the call to an idle thread, or puts it in the line; false where that is full.
    private func submit(_ call: Call) -> Bool {
        let thread: DispatchQueue?? = state.withLock { state in
            if let thread = state.idle.popLast() { return .some(thread) }
            guard state.waiting < maximumWaiting else { return .none }
            state.line.append(call)
            state.waiting += 1
            return .some(nil)
        }
        guard let thread else { return false }
        if let thread, let start = call.take() {
            thread.async { self.work(on: thread, startingWith: start) }
        }
        return true
    }

    private func work(on thread: DispatchQueue, startingWith first: @Sendable (Bool) -> Void) {
        first(true)
        while let start = next(for: thread) { start(true) }
    }

    /// The next call of the line; `nil`, and the thread is idle again, where there is none.
    private func next(for thread: DispatchQueue) -> (@Sendable (Bool) -> Void)? {
        state.withLock { state in
            while state.head < state.line.count {
                let call = state.line[state.head]
                state.head += 1
                if state.head > 64, state.head * 2 > state.line.count {
                    state.line.removeFirst(state.head)
                    state.head = 0
                }
                if let start = call.take() {
                    state.waiting -= 1
                    return start
                }
            }
            state.line.removeAll(keepingCapacity: true)
            state.head = 0
            state.idle.append(thread)
            return nil
        }
    }
}
