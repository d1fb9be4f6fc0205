#if Qdrant
internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import MiniORM
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// One HTTP/2 connection to a server, opened at the first call and again when it was lost: calls with a deadline, repeated
/// where the server could not take them.
///
/// Calls go to gRPC's transport itself and not through `GRPCClient`, whose interceptors, streams and retries, of which
/// this library uses none, take several tasks a call. A call is one task, on the event loop of the connection.
final class QdrantConnection: Sendable {
    private typealias Transport = HTTP2ClientTransport.Posix

    let address: QdrantAddress
    private let options: QdrantConnectionOptions
    private let metadata: Metadata
    private let transport: Transport
    private let executor: EventLoopExecutor
    private let callOptions: CallOptions
    private let deadlines: CallDeadlines<Transport.Bytes>
    private let isClosed = Atomic<Bool>(false)

    init(
        _ address: QdrantAddress, apiKey: Secret?, options: QdrantConnectionOptions
    ) throws(VectorStoreError) {
        self.address = address
        self.options = options
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
        var call = CallOptions.defaults
        call.waitForReady = false
        call.maxResponseMessageBytes = options.maximumReplyBytes
        call.maxRequestMessageBytes = options.maximumReplyBytes
        callOptions = call
        do {
            let transport = try Transport(
                target: .dns(host: address.host, port: address.port), transportSecurity: security,
                config: Self.configuration(options), eventLoopGroup: loop)
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

    private static func configuration(_ options: QdrantConnectionOptions) -> HTTP2ClientTransport.Posix.Config {
        .defaults { config in
            // A lost connection is tried again while a call's own retries last.
            config.backoff = .init(initial: .milliseconds(50), max: .seconds(5), multiplier: 1.6, jitter: 0.2)
            config.connection.keepalive = .init(
                time: options.keepAlive, timeout: .seconds(10), allowWithoutCalls: false)
            config.http2.maxFrameSize = 1 << 20
        }
    }

    func close() {
        isClosed.store(true, ordering: .relaxed)
        transport.beginGracefulShutdown()
    }

    /// Sends a request, again if need be, and returns the reply.
    func call<Request, Reply>(
        _ method: QdrantMethod<Request, Reply>, _ message: Request
    ) async throws(VectorStoreError) -> Reply {
        let clock = ContinuousClock()
        let deadline = clock.now + options.deadline
        let request: Transport.Bytes
        do { request = Transport.Bytes(try method.encode(message)) } catch {
            throw VectorStoreError(
                .invalidArgument, "the request cannot be written", store: QdrantVectorStore.name, cause: error)
        }
        var attempt = 0
        while true {
            attempt += 1
            guard !isClosed.load(ordering: .relaxed) else {
                throw VectorStoreError(.unavailable, "the store was closed", store: QdrantVectorStore.name)
            }
            let failure: RPCError
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
            } catch {
                if Task.isCancelled { throw QdrantFailure.cancelled(error) }
                failure = RPCError(code: .unavailable, message: "the connection was lost", cause: error)
            }
            if Task.isCancelled { throw QdrantFailure.cancelled(failure) }
            guard failure.code == .unavailable || failure.code == .resourceExhausted,
                let pause = options.retry.delay(after: attempt, hint: QdrantFailure.hint(failure)),
                clock.now + pause < deadline
            else { throw QdrantFailure.error(failure) }
            do { try await Task.sleep(for: pause) } catch { throw QdrantFailure.cancelled(error) }
        }
    }

    /// Sends a request once, on the connection's event loop.
    private func send(
        _ method: MethodDescriptor, _ request: Transport.Bytes, within time: Duration
    ) async throws -> Transport.Bytes {
        let (seconds, attoseconds) = max(time, .milliseconds(1)).components
        // A hundred years are as good as forever, and do not overflow.
        let nanoseconds = min(seconds, 3_155_760_000) * 1_000_000_000 + attoseconds / 1_000_000_000
        let exchange = Task(executorPreference: executor) { [transport, metadata, callOptions] in
            var metadata = metadata
            metadata.addString(Self.timeout(nanoseconds), forKey: "grpc-timeout")
            return try await transport.withStream(descriptor: method, options: callOptions) { [metadata] stream, _ in
                try await Self.exchange(metadata, request, over: stream)
            }
        }
        let number = deadlines.watch(exchange, until: .now() + .nanoseconds(nanoseconds))
        let outcome = await withTaskCancellationHandler {
            await exchange.result
        } onCancel: {
            exchange.cancel()
        }
        let isInTime = deadlines.end(number)
        if case .failure(let error) = outcome, !isInTime {
            throw RPCError(code: .deadlineExceeded, message: "the deadline passed", cause: error)
        }
        return try outcome.get()
    }

    /// A time for the server: at most eight digits and a unit.
    private static func timeout(_ nanoseconds: Int64) -> String {
        let milliseconds = max(1, nanoseconds / 1_000_000)
        return milliseconds < 100_000_000 ? "\(milliseconds)m" : "\(min(99_999_999, milliseconds / 1_000))S"
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
        for try await part in stream.inbound {
            switch part {
            case .metadata: break
            case .message(let bytes): reply = bytes
            case .status(let status, let metadata):
                if let error = RPCError(status: status, metadata: metadata) { throw error }
                guard let reply else {
                    throw RPCError(code: .internalError, message: "the server answered without a message")
                }
                return reply
            }
        }
        try Task.checkCancellation()
        throw RPCError(code: .unavailable, message: "the server ended the call without a status")
    }
}

/// gRPC's status codes as this library's errors. The server's text is kept as the cause only: it may quote the request.
enum QdrantFailure {
    static func error(_ failure: RPCError) -> VectorStoreError {
        let (code, message): (VectorStoreError.Code, String) =
            switch failure.code {
            case .notFound: (.collectionNotFound, "there is no such collection")
            case .alreadyExists: (.collectionAlreadyExists, "the collection is there already")
            case .invalidArgument, .failedPrecondition, .outOfRange:
                (
                    .invalidArgument,
                    "the server refuses the request (\(failure.code)); in strict mode a filter needs a payload index"
                )
            case .unauthenticated, .permissionDenied:
                (.unauthorized, "the server refuses the API key, or it does not allow this")
            case .unavailable: (.unavailable, "the server cannot be reached, or is not ready; try again")
            case .resourceExhausted: (.unavailable, "the server has too much to do, or a message is too large")
            case .deadlineExceeded: (.timeout, "the deadline passed; try again, or allow more time")
            case .cancelled: (.cancelled, "the call was cancelled")
            case .unimplemented: (.backend, "this server does not know the call; it may be too old")
            default: (.backend, "the server failed (\(failure.code))")
            }
        return VectorStoreError(code, message, store: QdrantVectorStore.name, cause: failure)
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
