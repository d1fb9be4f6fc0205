#if Chroma
internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// One request and its answer.
///
/// All of it runs on the event loop of the connections, so that what it costs is one way there and one back.
final class Exchange: HTTPClientResponseDelegate, Sendable {
    /// What the server answered.
    struct Answer: Sendable {
        var status: Int
        var headers: HTTPHeaders
        var body: ByteBuffer?
    }

    /// The answer has more bytes than one buffer can hold.
    struct TooLong: Error {}

    private enum Phase {
        case waiting
        case running(HTTPClient.Task<Answer>)
        case cancelled
    }

    private let phase = Mutex(Phase.waiting)
    private let answer = Mutex(Answer(status: 0, headers: [:]))
    private let sent = Atomic<Bool>(false)

    /// Whether some of the request was sent, so that the server may have it.
    var isSent: Bool { sent.load(ordering: .relaxed) }

    /// Sends the request, and resumes the continuation with the answer. On the client's event loop.
    func start(
        _ client: HTTPClient, _ request: HTTPClient.Request, _ end: NIODeadline,
        _ continuation: CheckedContinuation<Answer, any Error>
    ) {
        let isCancelled = phase.withLock { phase in
            if case .cancelled = phase { true } else { false }
        }
        guard !isCancelled else { return continuation.resume(throwing: CancellationError()) }
        let task = client.execute(request: request, delegate: self, deadline: end)
        task.futureResult.whenComplete { continuation.resume(with: $0) }
        let isTooLate = phase.withLock { phase in
            if case .cancelled = phase { return true }
            phase = .running(task)
            return false
        }
        if isTooLate { task.cancel() }
    }

    /// Gives the request up, wherever it is. From any thread.
    func cancel() {
        let task: HTTPClient.Task<Answer>? = phase.withLock { phase in
            defer { phase = .cancelled }
            if case .running(let task) = phase { return task }
            return nil
        }
        task?.cancel()
    }

    /// The head of the request is written.
    func didSendRequestHead(task: HTTPClient.Task<Answer>, _ head: HTTPRequestHead) {
        sent.store(true, ordering: .relaxed)
    }

    /// The head of the answer.
    func didReceiveHead(task: HTTPClient.Task<Answer>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        answer.withLock { $0 = Answer(status: Int(head.status.code), headers: head.headers) }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    /// A part of the body. Most answers have one, which stays where it is.
    func didReceiveBodyPart(task: HTTPClient.Task<Answer>, _ part: ByteBuffer) -> EventLoopFuture<Void> {
        let fits = answer.withLock { answer in
            guard var body = answer.body.take() else {
                answer.body = part
                return true
            }
            guard body.readableBytes + part.readableBytes <= Self.longest else { return false }
            body.writeImmutableBuffer(part)
            answer.body = body
            return true
        }
        return fits ? task.eventLoop.makeSucceededVoidFuture() : task.eventLoop.makeFailedFuture(TooLong())
    }

    /// As much as a buffer counts.
    private static let longest = Int(UInt32.max)

    /// The whole answer.
    func didFinishRequest(task: HTTPClient.Task<Answer>) -> Answer { answer.withLock { $0 } }
}
#endif
