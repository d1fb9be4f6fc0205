#if PgVector
import Foundation
import MiniORM
import MiniORMPgVector
import Testing

/// The servers that `scripts/services` started; their addresses are in the environment.
enum Server: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case pg16 = "MINIORM_PG16_URL"
    case pg18 = "MINIORM_PG18_URL"
    case standby = "MINIORM_PG_STANDBY_URL"
    /// One that tests may crash.
    case faults = "MINIORM_PG_FAULTS_URL"
    /// PostgreSQL 18 behind a proxy with TLS.
    case tls = "MINIORM_PG_TLS_URL"

    static let both: [Server] = [.pg16, .pg18]

    var testDescription: String {
        switch self {
        case .pg16: "PostgreSQL 16"
        case .pg18: "PostgreSQL 18"
        case .standby: "a standby"
        case .faults: "a server to crash"
        case .tls: "a server with TLS"
        }
    }

    func address() throws -> String {
        try #require(
            ProcessInfo.processInfo.environment[rawValue],
            "scripts/services start postgres, then eval \"$(scripts/services env postgres)\"")
    }

    func configuration() throws -> PgVectorConfiguration {
        var configuration = try PgVectorConfiguration(address())
        configuration.schema = Self.schema
        configuration.catalogSchema = Self.schema + "_catalog"
        return configuration
    }

    func store(_ change: (inout PgVectorConfiguration) -> Void = { _ in }) throws -> PgVectorStore {
        var configuration = try configuration()
        change(&configuration)
        return PgVectorStore(configuration)
    }

    /// A database of its own, without pgvector and without schemas, for as long as the body runs.
    func withDatabase(_ options: String = "", _ body: (String) throws -> Void) throws {
        let (name, address) = try makeDatabase(options)
        let result = Result { try body(address) }
        try dropDatabase(name)
        try result.get()
    }

    /// The same for asynchronous code.
    func withDatabase(_ body: (String) async throws -> Void) async throws {
        let (name, address) = try makeDatabase("")
        do { try await body(address) } catch {
            try dropDatabase(name)
            throw error
        }
        try dropDatabase(name)
    }

    private func makeDatabase(_ options: String) throws -> (name: String, address: String) {
        let admin = try store()
        defer { admin.close() }
        let name = "\(Self.schema)_\(UInt32.random(in: 0...UInt32.max))"
        try admin.execute("create database \(name) template template0 \(options)")
        let address = try address().replacingOccurrences(
            of: "/postgres", with: "/\(name)", options: [.backwards, .anchored])
        return (name, address)
    }

    private func dropDatabase(_ name: String) throws {
        let admin = try store()
        defer { admin.close() }
        try admin.execute("drop database \(name) with (force)")
    }

    /// This process' own, so that two runs do not meet.
    static let schema = "test_\(ProcessInfo.processInfo.processIdentifier)"
}

#endif
