#if Qdrant
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import MiniORMQdrant

/// Which streams are reset, and when, as calls are given up; on an event loop whose time the test sets.
@Suite struct GivingUpTests {
    private struct GivenUp: Error {}

    /// A call whose exchange ends when it is cancelled or told to.
    private struct Call {
        let pending: PendingCall<Int>
        private let end: AsyncStream<Int>.Continuation

        init(_ resets: StreamResets<Int>, isSent: Bool) {
            let (stream, end) = AsyncStream.makeStream(of: Int.self)
            self.end = end
            pending = PendingCall(resets)
            pending.begin(
                {
                    for await reply in stream { return reply }
                    throw CancellationError()
                }, on: globalConcurrentExecutor)
            if isSent { pending.hasSent() }
        }

        func answer(_ reply: Int) { end.yield(reply) }
        func hasEnded() async { while !pending.hasEnded { await Task.yield() } }
    }

    private let loop = NIOAsyncTestingEventLoop()
    private var resets: StreamResets<Int> { StreamResets(loop) }

    private func count(_ calls: [Call]) -> Int { calls.count { $0.pending.hasEnded } }

    @Test func aBurstIsResetAFewAtATime() async throws {
        let resets = resets
        let calls = (0..<20).map { _ in Call(resets, isSent: true) }
        for call in calls { call.pending.giveUp(GivenUp()) }
        // All fail at once; of the streams, eight are reset and the others stay.
        for call in calls { await #expect(throws: GivenUp.self) { try await call.pending.outcome.get() } }
        for call in calls[..<8] { await call.hasEnded() }
        #expect(count(calls) == 8)
        await loop.advanceTime(by: .milliseconds(249))
        #expect(count(calls) == 8)
        await loop.advanceTime(by: .milliseconds(1))
        for call in calls[..<16] { await call.hasEnded() }
        #expect(count(calls) == 16)
        await loop.advanceTime(by: .milliseconds(250))
        for call in calls { await call.hasEnded() }
        // A period without resets, and the next call does not wait.
        await loop.advanceTime(by: .milliseconds(250))
        let later = Call(resets, isSent: true)
        later.pending.giveUp(GivenUp())
        await later.hasEnded()
        await loop.shutdownGracefully()
    }

    @Test func aStreamThatTheServerEndedNeedsNoReset() async throws {
        let resets = resets
        let calls = (0..<24).map { _ in Call(resets, isSent: true) }
        for call in calls { call.pending.giveUp(GivenUp()) }
        for call in calls[8..<16] {
            call.answer(1)
            await call.hasEnded()
        }
        // The reply came too late to be the outcome.
        await #expect(throws: GivenUp.self) { try await calls[8].pending.outcome.get() }
        await loop.advanceTime(by: .milliseconds(250))
        for call in calls { await call.hasEnded() }
        await loop.shutdownGracefully()
    }

    @Test func whatWasNotSentIsCancelledAtOnce() async throws {
        let resets = resets
        let calls = (0..<100).map { _ in Call(resets, isSent: false) }
        for call in calls { call.pending.giveUp(GivenUp()) }
        for call in calls { await call.hasEnded() }
        // None of them took a reset from a call that was sent.
        let sent = (0..<8).map { _ in Call(resets, isSent: true) }
        for call in sent { call.pending.giveUp(GivenUp()) }
        for call in sent { await call.hasEnded() }
        await loop.shutdownGracefully()
    }

    @Test func anAnsweredCallCannotBeGivenUp() async throws {
        let resets = resets
        for _ in 0..<20 {
            let call = Call(resets, isSent: true)
            call.answer(7)
            await call.hasEnded()
            call.pending.giveUp(GivenUp())
            #expect(try await call.pending.outcome.get() == 7)
        }
        // Nor did it cost a reset.
        let sent = (0..<8).map { _ in Call(resets, isSent: true) }
        for call in sent { call.pending.giveUp(GivenUp()) }
        for call in sent { await call.hasEnded() }
        await loop.shutdownGracefully()
    }

    private final class Visitors: Sendable {
        private let all = Mutex<[Int]>([])
        var numbers: [Int] { all.withLock { $0 } }
        func come(_ number: Int) { all.withLock { $0.append(number) } }
    }

    @Test func turnsAreTakenInTheOrderOfTheCalls() async throws {
        let gate = CallGate(2)
        let inside = Visitors()
        let holds = (0..<6).map { _ in AsyncStream.makeStream(of: Bool.self) }
        var tasks: [Task<Void, any Error>] = []
        for number in holds.indices {
            let stream = holds[number].stream
            let task = Task { @Sendable in
                try await gate.pass {
                    inside.come(number)
                    for await _ in stream { break }
                }
            }
            tasks.append(task)
            while number < 2 ? inside.numbers.count <= number : gate.waitingCount < number - 1 {
                await Task.yield()
            }
        }
        #expect(inside.numbers == [0, 1])
        // One that waits is given up: it never comes in, and the others move up.
        tasks[2].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[2].value }
        for (number, next) in [(0, 3), (1, 4), (3, 5)] {
            holds[number].continuation.yield(true)
            try await tasks[number].value
            while inside.numbers.last != next { await Task.yield() }
        }
        for number in [4, 5] {
            holds[number].continuation.yield(true)
            try await tasks[number].value
        }
        #expect(inside.numbers == [0, 1, 3, 4, 5])
        // Every turn was given back.
        for _ in 0..<3 { try await gate.pass {} }
    }
}
#endif
