#if Chroma
internal import AsyncHTTPClient
internal import MiniORM
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

/// A request to the server. Every one of them is safe to repeat.
struct ChromaCall: Sendable {
    var method: HTTPMethod
    /// What follows the address: `/api/v2/...`.
    var path: String
    var body: ByteBuffer?

    static func get(_ path: String) -> Self { Self(method: .GET, path: path) }
    static func delete(_ path: String) -> Self { Self(method: .DELETE, path: path) }
    static func post(_ path: String, _ body: [UInt8]) -> Self {
        Self(method: .POST, path: path, body: ByteBuffer(bytes: body))
    }
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
    private let address: String
    private let headers: HTTPHeaders
    private let deadline: Duration
    private let retries: RetryPolicy
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
        var options = HTTPClient.Configuration()
        if configuration.usesTLS {
            var tls = TLSConfiguration.makeClientConfiguration()
            if configuration.acceptsAnyCertificate { tls.certificateVerification = .none }
            if let file = configuration.trustedCertificates { tls.trustRoots = .file(file) }
            options.tlsConfiguration = tls
        }
        options.redirectConfiguration = .disallow
        options.timeout.connect = .nanoseconds(Self.nanoseconds(min(deadline, .seconds(10))))
        // A write in several batches must not wait for a connection behind a query of another task.
        options.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 16
        // A span for each request is made even where nobody traces, and this library promises none.
        options.tracing.tracer = nil
        // All on one event loop: a request that is prepared on another one than its connection's goes back and forth.
        client = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton.next(), configuration: options)
    }

    deinit {
        // A client that was never shut down traps; after `close` this does nothing.
        let client = client
        Task { try? await client.shutdown() }
    }

    /// Closes the connections. Requests after it throw.
    func close() async { try? await client.shutdown() }

    /// Sends a request until it is answered, the deadline passes, or repeating it would not help.
    func send(_ call: ChromaCall) async throws(VectorStoreError) -> ChromaReply {
        var request = try prepare(call)
        request.body = call.body.map { .byteBuffer($0) }
        let end = NIODeadline.now() + .nanoseconds(Self.nanoseconds(deadline))
        var attempt = 1
        while true {
            let failure: VectorStoreError
            var hint: Duration?
            let result: Result<HTTPClient.Response, any Error>
            do { result = .success(try await execute(request, end)) } catch { result = .failure(error) }
            switch result {
            case .success(let response):
                let status = Int(response.status.code)
                if (200..<300).contains(status) || status == 404 || status == 409 {
                    return ChromaReply(status: status, body: response.body, isRepeated: attempt > 1)
                }
                failure = ChromaError.error(status: status, body: response.body)
                guard status == 429 || status >= 500 else { throw failure }
                hint = Self.retryAfter(response.headers)
            case .failure(let error):
                failure = ChromaError.error(connection: error)
                guard failure.code == .unavailable, !ChromaError.isClosed(error) else { throw failure }
            }
            guard let pause = retries.delay(after: attempt, hint: hint),
                NIODeadline.now() + .nanoseconds(Self.nanoseconds(pause)) < end
            else { throw failure }
            do { try await Task.sleep(for: pause) } catch { throw ChromaError.cancelled(error) }
            attempt += 1
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

    private func execute(_ request: HTTPClient.Request, _ end: NIODeadline) async throws -> HTTPClient.Response {
        try Task.checkCancellation()
        let task = client.execute(
            request: request, delegate: ResponseAccumulator(request: request), deadline: end)
        return try await withTaskCancellationHandler {
            try await task.futureResult.get()
        } onCancel: {
            task.cancel()
        }
    }

    /// What the server asks to wait, in whole seconds. (Its other form, a date, is not used.)
    private static func retryAfter(_ headers: HTTPHeaders) -> Duration? {
        headers.first(name: "Retry-After").flatMap { Int($0) }.flatMap { $0 >= 0 ? .seconds(min($0, 86_400)) : nil }
    }

    private static func nanoseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        // A hundred years are as good as forever, and do not overflow.
        return max(0, min(seconds, 3_155_760_000) * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
#endif
