#if Qdrant
internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import MiniORM
internal import SwiftProtobuf
internal import Synchronization

/// One HTTP/2 connection to a server, opened at the first call and again when it was lost: calls with a deadline, repeated
/// where the server could not take them.
final class QdrantConnection: Sendable {
    let address: QdrantAddress
    private let options: QdrantConnectionOptions
    private let apiKey: Secret?
    private let client: GRPCClient<HTTP2ClientTransport.Posix>
    private let isClosed = Atomic<Bool>(false)

    init(
        _ address: QdrantAddress, apiKey: Secret?, options: QdrantConnectionOptions
    ) throws(VectorStoreError) {
        self.address = address
        self.apiKey = apiKey
        self.options = options
        let security: HTTP2ClientTransport.Posix.TransportSecurity
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
        do {
            let client = GRPCClient(
                transport: try HTTP2ClientTransport.Posix(
                    target: .dns(host: address.host, port: address.port), transportSecurity: security,
                    config: Self.configuration(options)))
            self.client = client
            // Ends when the client is shut down; holds the client alone, so that the connection can go.
            Task.detached { try? await client.runConnections() }
        } catch {
            throw VectorStoreError(
                .invalidArgument, "the connection cannot be set up; check the host and the certificates",
                store: QdrantVectorStore.name, cause: error)
        }
    }

    deinit { client.beginGracefulShutdown() }

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
        client.beginGracefulShutdown()
    }

    /// Sends a request, again if need be, and returns the reply.
    func call<Request: Message, Reply: Message>(
        _ method: QdrantMethod<Request, Reply>, _ message: Request
    ) async throws(VectorStoreError) -> Reply {
        let clock = ContinuousClock()
        let deadline = clock.now + options.deadline
        var attempt = 0
        while true {
            attempt += 1
            guard !isClosed.load(ordering: .relaxed) else {
                throw VectorStoreError(.unavailable, "the store was closed", store: QdrantVectorStore.name)
            }
            let failure: RPCError
            do {
                return try await send(method, message, within: clock.now.duration(to: deadline))
            } catch let error as RPCError {
                failure = error
            } catch {
                if Task.isCancelled { throw QdrantFailure.cancelled(error) }
                throw VectorStoreError(
                    .backend, "the reply cannot be read", store: QdrantVectorStore.name, cause: error)
            }
            if Task.isCancelled { throw QdrantFailure.cancelled(failure) }
            guard failure.code == .unavailable || failure.code == .resourceExhausted,
                let pause = options.retry.delay(after: attempt, hint: QdrantFailure.hint(failure)),
                clock.now + pause < deadline
            else { throw QdrantFailure.error(failure) }
            do { try await Task.sleep(for: pause) } catch { throw QdrantFailure.cancelled(error) }
        }
    }

    private func send<Request: Message, Reply: Message>(
        _ method: QdrantMethod<Request, Reply>, _ message: Request, within time: Duration
    ) async throws -> Reply {
        var call = CallOptions.defaults
        call.timeout = max(time, .milliseconds(1))
        call.waitForReady = false
        call.maxResponseMessageBytes = options.maximumReplyBytes
        call.maxRequestMessageBytes = options.maximumReplyBytes
        var metadata = Metadata()
        if let apiKey { metadata.addString(apiKey.text, forKey: "api-key") }
        return try await client.unary(
            request: ClientRequest(message: message, metadata: metadata), descriptor: method.descriptor,
            serializer: ProtobufMessageSerializer(), deserializer: ProtobufMessageDeserializer<Reply>(), options: call
        ) { try $0.message }
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
