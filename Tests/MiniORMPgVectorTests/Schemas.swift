#if PgVector
import MiniORMPgVector
import Synchronization
import Testing

/// Drops what this process made on the servers, when no suite is left that uses it.
struct DropsSchemas: SuiteTrait, TestScoping {
    private static let suites = Mutex(0)

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        Self.suites.withLock { $0 += 1 }
        let result: Result<Void, any Error>
        do { result = .success(try await function()) } catch { result = .failure(error) }
        try Self.suites.withLock { suites in
            suites -= 1
            guard suites == 0 else { return }
            for server in Server.both + [.faults] {
                let store = try server.store()
                defer { store.close() }
                let (schema, catalog) = (Server.schema, Server.schema + "_catalog")
                try store.execute("drop schema if exists \(schema) cascade")
                try store.execute("drop schema if exists \(catalog) cascade")
            }
        }
        try result.get()
    }
}

extension Trait where Self == DropsSchemas {
    /// Leaves no schema behind on the servers.
    static var dropsSchemas: Self { Self() }
}
#endif
