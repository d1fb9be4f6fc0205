internal import Dispatch
internal import Synchronization

/// Writers of a collection that come in while one writes are written together by the next, with one wait for the disk.
final class WriteQueue<Job: Sendable>: Sendable {
    /// A writer's place in the queue.
    final class Ticket: Sendable {
        enum Answer: Sendable {
            case lead
            case done(Result<Int, VectorStoreError>)
        }

        let job: Job
        private let answer = Mutex<Answer?>(nil)
        private let wakeUp = DispatchSemaphore(value: 0)

        fileprivate init(_ job: Job) { self.job = job }

        /// Gives the writer its result, or has it write for others.
        func give(_ answer: Answer) {
            self.answer.withLock { $0 = answer }
            wakeUp.signal()
        }

        fileprivate func wait() -> Answer {
            wakeUp.wait()
            return answer.withLock { $0 } ?? .lead
        }
    }

    private struct State {
        var waiting: [Ticket] = []
        var hasLeader = false
    }

    private let state = Mutex(State())

    /// Has a job done, by this thread or by one that does others with it.
    ///
    /// - Parameters:
    ///   - canJoin: Whether a job can be done together with those before it.
    ///   - body: Does jobs, in order, and returns a result for each.
    func run(
        _ job: Job, canJoin: (Job) -> Bool, _ body: ([Job]) -> [Result<Int, VectorStoreError>]
    ) throws(VectorStoreError) -> Int {
        let ticket = Ticket(job)
        let leads = state.withLock { state in
            state.waiting.append(ticket)
            defer { state.hasLeader = true }
            return !state.hasLeader
        }
        if !leads, case .done(let result) = ticket.wait() { return try result.get() }
        // This ticket is the first of those that wait.
        let tickets = state.withLock { state in
            var count = min(1, state.waiting.count)
            if canJoin(job) { while count < state.waiting.count, canJoin(state.waiting[count].job) { count += 1 } }
            defer { state.waiting.removeFirst(count) }
            return Array(state.waiting.prefix(count))
        }
        let results = body(tickets.map(\.job))
        let next = state.withLock { state in
            state.hasLeader = !state.waiting.isEmpty
            return state.waiting.first
        }
        next?.give(.lead)
        for (ticket, result) in zip(tickets, results).dropFirst() { ticket.give(.done(result)) }
        return try results.first?.get() ?? 0
    }
}
