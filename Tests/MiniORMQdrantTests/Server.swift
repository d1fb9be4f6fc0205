#if Qdrant
import Foundation
import MiniORM
import MiniORMQdrant
import Testing

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

extension Trait where Self == ConditionTrait {
    /// Left out, by name, where a true server is tested without the test service.
    static var onTheService: Self {
        .enabled(if: Server.runsServiceTests, "needs the test service: MINIORM_QDRANT_SERVICE is not set")
    }
}

/// The servers that the tests talk to.
enum Server {
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    private static func environment(_ name: String) throws -> String {
        guard let value = ProcessInfo.processInfo.environment[name] else {
            throw Missing(
                description:
                    "\(name) is not set: scripts/services start qdrant; eval \"$(scripts/services env qdrant)\"")
        }
        return value
    }

    /// A true server or cluster where MINIORM_QDRANT_URL is set, else the test service.
    static func store(_ options: QdrantOptions = QdrantOptions()) throws -> QdrantVectorStore {
        let environment = ProcessInfo.processInfo.environment
        if !isTheService, let url = environment["MINIORM_QDRANT_URL"] {
            return try QdrantVectorStore(url: url, apiKey: environment["MINIORM_QDRANT_API_KEY"], options: options)
        }
        return try QdrantVectorStore(url: serviceURL, apiKey: secret, options: options)
    }

    /// The key that the kit looks for in every description.
    static let secret = ProcessInfo.processInfo.environment["MINIORM_QDRANT_API_KEY"] ?? "key-that-must-not-show"

    /// Whether the test service answers where tests take any server: where no true one is named.
    static var isTheService: Bool {
        let environment = ProcessInfo.processInfo.environment
        guard let url = environment["MINIORM_QDRANT_URL"] else { return true }
        return url == environment["MINIORM_QDRANT_SERVICE"]
    }

    /// Whether tests run that only the test service can serve: always, unless a true server alone is named. Where
    /// neither is, they fail and say what to start.
    static var runsServiceTests: Bool {
        isTheService || ProcessInfo.processInfo.environment["MINIORM_QDRANT_SERVICE"] != nil
    }

    /// The test service, which can be told to fail.
    static var serviceURL: String { get throws { try environment("MINIORM_QDRANT_SERVICE") } }
    static var tlsURL: String { get throws { try environment("MINIORM_QDRANT_SERVICE_TLS") } }
    static var certificate: String { get throws { try environment("MINIORM_QDRANT_SERVICE_CERTIFICATE") } }
    static var python: String { get throws { try environment("MINIORM_QDRANT_SERVICE_PYTHON") } }

    static func service(_ options: QdrantOptions = QdrantOptions()) throws -> QdrantVectorStore {
        try QdrantVectorStore(url: serviceURL, options: options)
    }

    /// Tells the test service something, or asks it.
    @discardableResult
    static func control(_ path: String, _ body: [String: PayloadValue]? = nil) async throws -> PayloadValue {
        guard let url = URL(string: try environment("MINIORM_QDRANT_SERVICE_CONTROL") + path) else {
            throw Missing(description: "the address of the control port is none")
        }
        var request = URLRequest(url: url)
        if let body {
            request.httpMethod = "POST"
            request.httpBody = Data(PayloadValue.object(body).json().utf8)
        }
        let (data, _) = try await URLSession.shared.data(for: request)
        return try PayloadValue(json: String(decoding: data, as: UTF8.self))
    }

    /// A collection of one test's own, dropped at its end.
    static func withCollection<Value>(
        _ store: QdrantVectorStore, dimension: Int = 4, metric: VectorMetric = .cosine,
        name: String = "test-\(UInt32.random(in: 0 ... .max))", _ body: (AsyncVectorRepository) async throws -> Value
    ) async throws -> Value {
        let repository = try await AsyncVectorRepository(store, name, dimension: dimension, metric: metric)
        do {
            let value = try await body(repository)
            try await repository.dropCollection()
            try await store.close()
            return value
        } catch {
            try? await repository.dropCollection()
            try? await store.close()
            throw error
        }
    }
}

#endif
