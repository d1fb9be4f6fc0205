#if Chroma
internal import AsyncHTTPClient
internal import MiniORM
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// A request to the server. Every one of them is safe to repeat, but for those that write, where an earlier one may be
/// under way still.
struct ChromaCall: Sendable {
    var method: HTTPMethod
    /// What follows the address: `/api/v2/...`.
    var path: String
    var body: ByteBuffer?
    /// Whether an earlier one that comes late would undo what was written since.
    var isWrite = false

    static func get(_ path: String) -> Self { Self(method: .GET, path: path) }
    static func delete(_ path: String) -> Self { Self(method: .DELETE, path: path, isWrite: true) }
    static func post(_ path: String, _ body: ByteBuffer) -> Self { Self(method: .POST, path: path, body: body) }
}

/// What the server answered: 2xx, or 404 or 409, which mean something to whoever asked.
struct ChromaReply: Sendable {
    var status: Int
    var body: ByteBuffer?
    /// The request was sent more than once, so that an earlier one may have done its work.
    var isRepeated: Bool
}

/// Sends requests over connections that are kept and shared, each with a deadline and repeated where that may help.
final class ChromaTransport: Sendable {
    private let client: HTTPClient
    private let eventLoop: any EventLoop
    private let address: String
    private let headers: HTTPHeaders
    private let deadline: Duration
    private let retries: RetryPolicy
    private let repeatsLostWrites: Bool
    /// Requests without a body, by method and path, as taking an address apart costs more than the rest of a request.
    private let prepared = Mutex<[String: HTTPClient.Request]>([:])
    private static let preparedCount = 64

    init(_ configuration: ChromaConfiguration) throws(VectorStoreError) {
        let host =
            configuration.host.contains(":") && !configuration.host.hasPrefix("[")
            ? "[\(configuration.host)]" : configuration.host
        address = "\(configuration.usesTLS ? "https" : "http")://\(host):\(configuration.port)"
        var headers: HTTPHeaders = ["Content-Type": "application/json", "Accept": "application/json"]
        if let (name, value) = configuration.credentials.header { headers.add(name: name, value: value) }
        self.headers = headers
        deadline = configuration.deadline
        retries = configuration.retries
        repeatsLostWrites = configuration.repeatsLostWrites
        var options = HTTPClient.Configuration()
        if configuration.usesTLS {
            var tls = TLSConfiguration.makeClientConfiguration()
            if configuration.acceptsAnyCertificate { tls.certificateVerification = .none }
            if let file = configuration.trustedCertificates { tls.trustRoots = .file(file) }
            options.tlsConfiguration = tls
        }
        options.redirectConfiguration = .disallow
        // Repeating is our own affair: the client would try to connect until the deadline, and then tell of that alone.
        options.connectionPool.retryConnectionEstablishment = false
        // A connection carries one request at a time, so that their number is the limit of requests.
        options.httpVersion = .http1Only
        options.timeout.connect = .nanoseconds(Self.nanoseconds(min(deadline, .seconds(10))))
        // Before servers and proxies close it: a write on a connection that is being closed is lost.
        options.connectionPool.idleTimeout = .seconds(20)
        options.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = configuration.limits.requestsInFlight
        // A span for each request is made even where nobody traces, and this library promises none.
        options.tracing.tracer = nil
        options.http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop.submit {
                try channel.pipeline.syncOperations.addHandler(JoinedFlushes(), position: .first)
            }
        }
        // All on one event loop: a request that is prepared on another one than its connection's goes back and forth.
        eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        client = HTTPClient(eventLoopGroup: eventLoop, configuration: options)
    }

    deinit {
        // A client that was never shut down traps; after `close` this does nothing.
        let client = client
        Task { try? await client.shutdown() }
    }

    /// Closes the connections. Requests after it throw.
    func close() async { try? await client.shutdown() }

    /// Sends a request until it is answered, the deadline passes, or repeating it would not help.
    ///
    /// - Parameters:
    ///   - end: When the deadline passes, if another request that this one is part of has set it.
    ///   - mayRepeat: Asked before the request is sent again, and told when the deadline passes. If not, an earlier one
    ///     did its work, and the answer is 404. Asked after a write was lost too, which is not sent again in any case.
    func send(
        _ call: ChromaCall, until end: NIODeadline? = nil,
        mayRepeat: ((_ end: NIODeadline) async throws(VectorStoreError) -> Bool)? = nil
    ) async throws(VectorStoreError) -> ChromaReply {
        var request = try prepare(call)
        request.body = call.body.map { .byteBuffer($0) }
        let end = end ?? .now() + .nanoseconds(Self.nanoseconds(deadline))
        var attempt = 1
        var lastFailure: VectorStoreError?
        while true {
            let failure: VectorStoreError
            var hint: Duration?
            var isLost = false
            let exchange = Exchange()
            let result: Result<Exchange.Answer, any Error>
            do { result = .success(try await execute(exchange, request, end)) } catch { result = .failure(error) }
            switch result {
            case .success(let response):
                let isBeingDropped =
                    response.status == 412 && ChromaError.isOfCollectionBeingDropped(response.body)
                let status = isBeingDropped ? 404 : response.status
                if (200..<300).contains(status) || status == 404 || status == 409 {
                    return ChromaReply(status: status, body: response.body, isRepeated: attempt > 1)
                }
                failure = ChromaError.error(status: status, body: response.body)
                guard status == 429 || status >= 500 else { throw failure }
                hint = Self.retryAfter(response.headers)
                // A gateway has no answer; the server may have the request.
                isLost = status == 502 || status == 504
            case .failure(let error):
                failure = ChromaError.error(connection: error, after: lastFailure)
                guard failure.code == .unavailable, !ChromaError.isClosed(error) else { throw failure }
                isLost = exchange.isSent
            }
            let isOver = isLost && call.isWrite && !repeatsLostWrites
            if isOver, mayRepeat == nil { throw ChromaError.lostWrite(failure) }
            guard let pause = retries.delay(after: attempt, hint: hint),
                NIODeadline.now() + .nanoseconds(Self.nanoseconds(pause)) < end
            else { throw failure }
            do { try await Task.sleep(for: pause) } catch { throw ChromaError.cancelled(error) }
            lastFailure = failure
            attempt += 1
            if let mayRepeat, try await !mayRepeat(end) { return ChromaReply(status: 404, body: nil, isRepeated: true) }
            if isOver { throw ChromaError.lostWrite(failure) }
        }
    }

    private func prepare(_ call: ChromaCall) throws(VectorStoreError) -> HTTPClient.Request {
        let key = "\(call.method.rawValue) \(call.path)"
        if let request = prepared.withLock({ $0[key] }) { return request }
        let request: HTTPClient.Request
        do {
            request = try HTTPClient.Request(url: address + call.path, method: call.method, headers: headers)
        } catch {
            throw VectorStoreError(.invalidArgument, "the server's address is not valid", store: "chroma", cause: error)
        }
        prepared.withLock { prepared in
            if prepared.count >= Self.preparedCount { prepared.removeAll() }
            prepared[key] = request
        }
        return request
    }

    private func execute(
        _ exchange: Exchange, _ request: HTTPClient.Request, _ end: NIODeadline
    ) async throws -> Exchange.Answer {
        try Task.checkCancellation()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                eventLoop.execute { exchange.start(self.client, request, end, continuation) }
            }
        } onCancel: {
            exchange.cancel()
        }
    }

    private static func retryAfter(_ headers: HTTPHeaders) -> Duration? {
        headers.first(name: "Retry-After").flatMap { RetryAfter.pause($0, now: Date().timeIntervalSince1970) }
    }

    private static func nanoseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        // A hundred years are as good as forever, and do not overflow.
        return max(0, min(seconds, 3_155_760_000) * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
#endif
