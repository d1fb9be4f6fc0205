#if Qdrant
internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import MiniORM
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// One HTTP/2 connection to a server, opened at once and again when it was lost: calls with a deadline, repeated where the
/// server could not take them.
///
/// Calls go to gRPC's transport itself and not through `GRPCClient`, whose interceptors, streams and retries, of which
/// this library uses none, take several tasks a call. A call is one task, on the event loop of the connection.
final class QdrantConnection: Sendable {
    private typealias Transport = HTTP2ClientTransport.Posix

    let address: QdrantAddress
    private let options: QdrantConnectionOptions
    private let repeatsLostWrites: Bool
    private let metadata: Metadata
    private let transport: Transport
    private let executor: EventLoopExecutor
    private let callOptions: CallOptions
    private let deadlines: CallDeadlines<Transport.Bytes>
    private let resets: StreamResets<Transport.Bytes>
    /// Servers allow a connection a hundred calls at once or more.
    let gate = CallGate(64)
    /// For requests that are not sent at once: as many as one upsert sends at a time.
    private let uploads = CallGate(8)
    private let uses = Mutex(Uses())

    private struct Uses {
        var count = 0
        var isClosed = false
    }

    init(
        _ address: QdrantAddress, apiKey: Secret?, options: QdrantConnectionOptions, repeatsLostWrites: Bool
    ) throws(VectorStoreError) {
        self.address = address
        self.options = options
        self.repeatsLostWrites = repeatsLostWrites
        var metadata = Metadata()
        if let apiKey { metadata.addString(apiKey.text, forKey: "api-key") }
        self.metadata = metadata
        let security: Transport.TransportSecurity
        if address.isSecure {
            security = .tls { tls in
                if let path = options.trustedCertificates {
                    tls.trustRoots = .certificates([.file(path: path, format: .pem)])
                }
                if !options.verifiesCertificates { tls.serverCertificateVerification = .noVerification }
            }
        } else {
            security = .plaintext
        }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let executor = EventLoopExecutor(loop)
        self.executor = executor
        deadlines = CallDeadlines(loop)
        let socket = Socket()
        resets = StreamResets(loop) { socket.takesBytes }
        var call = CallOptions.defaults
        call.waitForReady = false
        call.maxResponseMessageBytes = options.maximumReplyBytes
        call.maxRequestMessageBytes = options.maximumReplyBytes
        callOptions = call
        do {
            let transport = try Transport(
                target: .dns(host: address.host, port: address.port), transportSecurity: security,
                config: Self.configuration(options, socket), eventLoopGroup: loop)
            self.transport = transport
            // Ends when the transport is shut down; holds the transport alone, so that the connection can go.
            Task.detached(executorPreference: executor) { try? await transport.connect() }
        } catch {
            throw VectorStoreError(
                .invalidArgument, "the connection cannot be set up; check the host and the certificates",
                store: QdrantVectorStore.name, cause: error)
        }
    }

    deinit { transport.beginGracefulShutdown() }

    private static func configuration(
        _ options: QdrantConnectionOptions, _ socket: Socket
    ) -> HTTP2ClientTransport.Posix.Config {
        .defaults { config in
            // A lost connection is tried again while a call's own retries last.
            config.backoff = .init(initial: .milliseconds(50), max: .seconds(5), multiplier: 1.6, jitter: 0.2)
            // The transport stops its pings when the last call ends and does not begin again with the next one, unless
            // idle connections are pinged too. A ping begins the wait for an answer anew, so the wait has to be the
            // shorter.
            let keepAlive = min(options.keepAlive, .forever)
            // Made anew, because the defaults hold back what is written, to send more at once: a call is written in one
            // piece, so a timer for each would cost more than the writing does, and delay the call.
            config.connection = .init(
                maxIdleTime: .seconds(30 * 60),
                keepalive: .init(
                    time: keepAlive, timeout: min(.seconds(10), keepAlive / 2), allowWithoutCalls: true))
            config.http2.maxFrameSize = 1 << 20
            config.channelDebuggingCallbacks.onCreateTCPConnection = { channel in
                socket.channel.withLock { $0 = channel }
                return channel.eventLoop.makeSucceededVoidFuture()
            }
        }
    }

    /// The socket of the connection, which is another one after a loss.
    private final class Socket: Sendable {
        let channel = Mutex<(any Channel)?>(nil)
        var takesBytes: Bool { channel.withLock { $0 }?.isWritable ?? true }
    }

    /// Lets no further use begin, and closes when those under way have ended.
    func close() {
        let isIdle = uses.withLock { uses in
            uses.isClosed = true
            return uses.count == 0
        }
        if isIdle { transport.beginGracefulShutdown() }
    }

    /// Keeps the connection open for whatever a body sends. Throws when it was closed before that.
    func use<Value>(
        _ body: () async throws(VectorStoreError) -> Value
    ) async throws(VectorStoreError) -> Value {
        let isClosed = uses.withLock { uses in
            if !uses.isClosed { uses.count += 1 }
            return uses.isClosed
        }
        if isClosed { throw VectorStoreError(.unavailable, "the store was closed", store: QdrantVectorStore.name) }
        defer {
            let isLast = uses.withLock { uses in
                uses.count -= 1
                return uses.isClosed && uses.count == 0
            }
            if isLast { transport.beginGracefulShutdown() }
        }
        return try await body()
    }

    /// Sends a request, again if need be, and returns the reply. Within ``use(_:)``.
    ///
    /// - Parameter beforeRepeating: Told of the failure before the request is sent again, which it can keep from that by
    ///   throwing. Called after a write was lost too, which is not sent again in any case.
    func call<Request, Reply>(
        _ method: QdrantMethod<Request, Reply>, _ message: Request,
        beforeRepeating: ((RPCError) async throws(VectorStoreError) -> Void)? = nil
    ) async throws(VectorStoreError) -> Reply {
        let clock = ContinuousClock()
        let deadline = clock.now + min(options.deadline, .forever)
        let request: Transport.Bytes
        do { request = Transport.Bytes(try method.encode(message)) } catch {
            throw VectorStoreError(
                .invalidArgument, "the request cannot be written", store: QdrantVectorStore.name, cause: error)
        }
        var attempt = 0
        while true {
            attempt += 1
            let failure: RPCError
            var isLost = false
            do {
                let reply = try await send(method.descriptor, request, within: clock.now.duration(to: deadline))
                do { return try reply.withUnsafeBytes(method.decode) } catch {
                    throw VectorStoreError(
                        .backend, "the reply cannot be read", store: QdrantVectorStore.name, cause: error)
                }
            } catch let error as VectorStoreError {
                throw error
            } catch let error as RPCError {
                failure = error
            } catch let error as Unanswered {
                (failure, isLost) = (error.cause, true)
            } catch let error as ReplyTooLarge {
                throw VectorStoreError(
                    .backend, "a reply is larger than maximumReplyBytes, \(options.maximumReplyBytes); allow more",
                    store: QdrantVectorStore.name, cause: error)
            } catch {
                if Task.isCancelled { throw QdrantFailure.cancelled(error) }
                failure = RPCError(code: .unavailable, message: "the connection was lost", cause: error)
                isLost = true
            }
            if Task.isCancelled { throw QdrantFailure.cancelled(failure) }
            guard QdrantFailure.isWorthRetrying(failure) else { throw QdrantFailure.error(failure) }
            let timeLeft = clock.now.duration(to: deadline)
            guard timeLeft > .zero else {
                // A server that gives a call up in time with us may just end it.
                throw QdrantFailure.error(
                    RPCError(code: .deadlineExceeded, message: "the deadline passed", cause: failure))
            }
            let isOver = isLost && method.isWrite && !repeatsLostWrites
            if isOver, beforeRepeating == nil { throw QdrantFailure.lostWrite(failure) }
            guard let pause = options.retry.delay(after: attempt, hint: QdrantFailure.hint(failure)), pause < timeLeft
            else { throw QdrantFailure.error(failure) }
            do { try await Task.sleep(for: pause) } catch { throw QdrantFailure.cancelled(error) }
            if let beforeRepeating { try await beforeRepeating(failure) }
            if isOver { throw QdrantFailure.lostWrite(failure) }
        }
    }

    /// Sends a request once, on the connection's event loop.
    private func send(
        _ method: MethodDescriptor, _ request: Transport.Bytes, within time: Duration
    ) async throws -> Transport.Bytes {
        let (seconds, attoseconds) = min(max(time, .milliseconds(1)), .forever).components
        let deadline = NIODeadline.now() + .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
        let call = PendingCall(resets)
        let isUpload = request.count > Self.sentAtOnce
        call.begin(
            { [gate, uploads, resets, transport, metadata, callOptions] in
                let exchange = { @Sendable in
                    var metadata = metadata
                    metadata.addString(Self.timeout((deadline - .now()).nanoseconds), forKey: "grpc-timeout")
                    return try await transport.withStream(descriptor: method, options: callOptions) {
                        [metadata] stream, _ in
                        try call.open(isUpload ? .cutShort : .leftToServer)
                        return try await Self.exchange(metadata, request, over: stream)
                    }
                }
                guard isUpload else { return try await gate.pass(exchange) }
                return try await uploads.pass {
                    do { return try await gate.pass(exchange) } catch {
                        call.end(.failure(error))
                        // The next one may be given up as soon, and is reset at once like this one.
                        if call.isCutShort { await resets.pause() }
                        throw error
                    }
                }
            }, on: executor)
        let number = deadlines.watch(call, until: deadline)
        defer { deadlines.end(number) }
        return try await withTaskCancellationHandler {
            await call.outcome
        } onCancel: {
            call.giveUp(CancellationError())
        }.get()
    }

    /// What HTTP/2 lets a stream send before the server has to ask for more, but for the head of a message. Of a larger
    /// request, an upload, the rest waits until then: one that is given up meanwhile must not go on, as a later one for
    /// the same records would be overtaken. (What the transport holds for a socket that takes nothing cannot be taken
    /// back.)
    private static let sentAtOnce = 65_535 - 5

    /// A time for the server: at most eight digits and a unit, and no less than the time itself, so that our side is
    /// the first to give up and says why.
    static func timeout(_ nanoseconds: Int64) -> String {
        let milliseconds = max(1, (nanoseconds + 999_999) / 1_000_000)
        return milliseconds < 100_000_000 ? "\(milliseconds)m" : "\(min(99_999_999, (milliseconds + 999) / 1_000))S"
    }

    private static func exchange(
        _ metadata: Metadata, _ request: Transport.Bytes, over stream: RPCStream<Transport.Inbound, Transport.Outbound>
    ) async throws -> Transport.Bytes {
        do {
            try await stream.outbound.write(contentsOf: [.metadata(metadata), .message(request)])
            await stream.outbound.finish()
        } catch {
            // Comes out of the other end, unless the server's own reason is there already.
            await stream.outbound.finish(throwing: error)
        }
        var reply: Transport.Bytes?
        var hasBegun = false
        for try await part in stream.inbound {
            switch part {
            case .metadata: hasBegun = true
            case .message(let bytes): reply = bytes
            case .status(let status, let metadata):
                if hasBegun, reply == nil, metadata.isEmpty, ReplyTooLarge.codes.contains(status.code) {
                    throw ReplyTooLarge()
                }
                if let error = RPCError(status: status, metadata: metadata) {
                    // How the transport says that the stream was lost; a server's own status comes with metadata, and
                    // where it does not, it is taken for a loss. Another status of HTTP's is a gateway's.
                    let isOfGateway = metadata[stringValues: ":status"].contains { $0 != "200" }
                    throw error.code == .unavailable && (metadata.isEmpty || isOfGateway)
                        ? Unanswered(cause: error) : error
                }
                guard let reply else {
                    throw RPCError(code: .internalError, message: "the server answered without a message")
                }
                return reply
            }
        }
        try Task.checkCancellation()
        throw Unanswered(cause: RPCError(code: .unavailable, message: "the server ended the call without a status"))
    }
}

/// A request may have been sent, and nobody knows what became of it.
private struct Unanswered: Error {
    let cause: RPCError
}

/// The transport gave up a reply at its length. It says so as a status of its own making, without metadata and with a
/// code that depends on its version, after the reply has begun: a server that fails does so instead of a reply, not
/// within one.
struct ReplyTooLarge: Error {
    fileprivate static let codes: [Status.Code] = [.internalError, .resourceExhausted]
}

extension Duration {
    /// A hundred years: as good as forever, and sums and nanoseconds of it do not overflow.
    fileprivate static let forever = Duration.seconds(3_155_760_000 as Int64)
}

/// gRPC's status codes as this library's errors. The server's text is kept as the cause only: it may quote the request.
enum QdrantFailure {
    static func error(_ failure: RPCError) -> VectorStoreError {
        let (code, message): (VectorStoreError.Code, String) =
            switch failure.code {
            case .notFound: (.collectionNotFound, "there is no such collection")
            case .alreadyExists: (.collectionAlreadyExists, "the collection is there already")
            case .invalidArgument:
                (.invalidArgument, "the server refuses the request; its own limits or strict mode may not allow it")
            case .outOfRange: (.invalidArgument, "the server refuses the request: a value or a size is out of range")
            case .failedPrecondition:
                (.unavailable, "the server refuses the request as things are; it may be locked for writing")
            case .unauthenticated, .permissionDenied:
                (.unauthorized, "the server refuses the API key, or it does not allow this")
            case .unavailable: (.unavailable, "the server cannot be reached, or is not ready; try again")
            case .resourceExhausted where isFull(failure):
                (.unavailable, "the server has no room left on its disk or in its memory; make room, then try again")
            case .resourceExhausted: (.unavailable, "the server has too much to do; try again later")
            case .deadlineExceeded: (.timeout, "the deadline passed; try again, or allow more time")
            // Servers say so where the time that they were given passed; a task's own cancellation is told before.
            case .cancelled: (.timeout, "the server gave the call up; try again, or allow more time")
            case .unimplemented: (.backend, "this server does not know the call; it may be too old")
            default: (.backend, "the server failed (\(failure.code))")
            }
        return VectorStoreError(code, message, store: QdrantVectorStore.name, cause: failure)
    }

    /// Whether a call that failed in such a way may succeed when it is repeated at once.
    static func isWorthRetrying(_ failure: RPCError) -> Bool {
        failure.code == .unavailable || failure.code == .resourceExhausted && !isFull(failure)
    }

    /// Whether a disk or memory is full: the same code as for too many calls, and a mark of Qdrant's.
    private static func isFull(_ failure: RPCError) -> Bool {
        failure.metadata[stringValues: "qdrant-insufficient-storage"].contains { _ in true }
    }

    /// Whether the server refused a request, or one of those of an upsert, as one that it does not allow.
    static func isRefusal(_ error: VectorStoreError) -> Bool {
        if error.code == .partialWrite, let cause = error.cause as? VectorStoreError { return isRefusal(cause) }
        return error.code == .invalidArgument && error.cause is RPCError
    }

    /// Whether a smaller reply may get through.
    static func isTooLarge(_ error: VectorStoreError) -> Bool { error.cause is ReplyTooLarge }

    static func lostWrite(_ cause: RPCError) -> VectorStoreError {
        VectorStoreError(
            .unavailable, "the server cannot be reached; what was sent may be in, or come in yet",
            store: QdrantVectorStore.name, cause: cause)
    }

    static func cancelled(_ cause: any Error) -> VectorStoreError {
        VectorStoreError(.cancelled, "the task was cancelled", store: QdrantVectorStore.name, cause: cause)
    }

    /// The pause that the server asked for, as seconds (Qdrant) or milliseconds (gRPC).
    static func hint(_ failure: RPCError) -> Duration? {
        if let text = failure.metadata[stringValues: "retry-after"].first(where: { _ in true }),
            let seconds = Double(text),
            seconds.isFinite, seconds > 0
        {
            return .seconds(min(seconds, 86_400))
        }
        if let text = failure.metadata[stringValues: "grpc-retry-pushback-ms"].first(where: { _ in true }),
            let milliseconds = Int64(text), milliseconds > 0
        {
            return .milliseconds(min(milliseconds, 86_400_000))
        }
        return nil
    }
}
#endif
