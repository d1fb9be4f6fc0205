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

        init(_ resets: StreamResets<Int>, _ kind: PendingCall<Int>.Stream?) throws {
            let (stream, end) = AsyncStream.makeStream(of: Int.self)
            self.end = end
            pending = PendingCall(resets)
            pending.begin(
                {
                    for await reply in stream { return reply }
                    throw CancellationError()
                }, on: globalConcurrentExecutor)
            if let kind { try pending.open(kind) }
        }

        func answer(_ reply: Int) { end.yield(reply) }
        func hasEnded() async { while !pending.hasEnded { await Task.yield() } }
    }

    private final class Socket: Sendable {
        let takesBytes = Atomic<Bool>(false)
    }

    private let loop: NIOAsyncTestingEventLoop
    private let resets: StreamResets<Int>

    init() {
        loop = NIOAsyncTestingEventLoop()
        resets = StreamResets(loop)
    }

    /// So many calls that were given up one after the other.
    private func givenUp(_ count: Int, _ kind: PendingCall<Int>.Stream? = .leftToServer) throws -> [Call] {
        let calls = try (0..<count).map { _ in try Call(resets, kind) }
        for call in calls { call.pending.giveUp(GivenUp()) }
        return calls
    }

    private func haveEnded(_ calls: some Sequence<Call>) async { for call in calls { await call.hasEnded() } }

    @Test func aBurstIsResetAFewAtATime() async throws {
        let calls = try givenUp(20)
        func count() -> Int { calls.count { $0.pending.hasEnded } }
        // All fail at once; of the streams, eight are reset and the others stay.
        for call in calls { await #expect(throws: GivenUp.self) { try await call.pending.outcome.get() } }
        await haveEnded(calls[..<8])
        #expect(count() == 8)
        await loop.advanceTime(by: .milliseconds(249))
        #expect(count() == 8)
        await loop.advanceTime(by: .milliseconds(1))
        await haveEnded(calls[..<16])
        #expect(count() == 16)
        await loop.advanceTime(by: .milliseconds(250))
        await haveEnded(calls)
        // A period without resets, and the next call does not wait.
        await loop.advanceTime(by: .milliseconds(250))
        try await haveEnded(givenUp(1))
        await loop.shutdownGracefully()
    }

    @Test func aStreamThatTheServerEndedNeedsNoReset() async throws {
        let calls = try givenUp(24)
        for call in calls[8..<16] {
            call.answer(1)
            await call.hasEnded()
        }
        // The reply came too late to be the outcome.
        await #expect(throws: GivenUp.self) { try await calls[8].pending.outcome.get() }
        await loop.advanceTime(by: .milliseconds(250))
        await haveEnded(calls)
        await loop.shutdownGracefully()
    }

    @Test func whatHasNoStreamIsCancelledAtOnce() async throws {
        let calls = try givenUp(100, nil)
        await haveEnded(calls)
        // None of them may have one any more.
        #expect(throws: CancellationError.self) { try calls[0].pending.open(.leftToServer) }
        // None of them took a reset from a call that was sent.
        try await haveEnded(givenUp(8))
        await loop.shutdownGracefully()
    }

    @Test func anUploadIsCutShortAtOnceAndTheOthersWait() async throws {
        try await haveEnded(givenUp(8, .cutShort))
        let calls = try givenUp(2)
        await loop.advanceTime(by: .milliseconds(249))
        #expect(calls.allSatisfy { !$0.pending.hasEnded })
        await loop.advanceTime(by: .milliseconds(1))
        await haveEnded(calls)
        await loop.shutdownGracefully()
    }

    @Test func nothingIsResetWhileTheConnectionTakesNoBytes() async throws {
        let socket = Socket()
        let resets = StreamResets<Int>(loop) { socket.takesBytes.load(ordering: .relaxed) }
        let (call, upload) = (try Call(resets, .leftToServer), try Call(resets, .cutShort))
        for call in [call, upload] { call.pending.giveUp(GivenUp()) }
        await #expect(throws: GivenUp.self) { try await call.pending.outcome.get() }
        await loop.advanceTime(by: .seconds(1))
        // The upload fails all the same, and neither stream is touched.
        await #expect(throws: GivenUp.self) { try await upload.pending.outcome.get() }
        #expect(!call.pending.hasEnded && !upload.pending.hasEnded)
        socket.takesBytes.store(true, ordering: .relaxed)
        await loop.advanceTime(by: .milliseconds(10))
        await haveEnded([call, upload])
        await loop.shutdownGracefully()
    }

    @Test func anAnsweredCallCannotBeGivenUp() async throws {
        for _ in 0..<20 {
            let call = try Call(resets, .leftToServer)
            call.answer(7)
            await call.hasEnded()
            call.pending.giveUp(GivenUp())
            #expect(try await call.pending.outcome.get() == 7)
        }
        // Nor did it cost a reset.
        try await haveEnded(givenUp(8))
        await loop.shutdownGracefully()
    }
}
#endif
