#if PgVector
import MiniORM
import MiniORMConformance
import MiniORMPgVector
import Testing

/// Every clause of the contract, on both servers, through both repositories.
@Suite(.serialized, .dropsSchemas) struct ConformanceTests {
    struct Harness: ConformanceHarness {
        let server: Server

        func makeStore() async throws -> ConformanceStore { .blocking(try server.store()) }
        func reopen(_ store: ConformanceStore) async throws -> ConformanceStore? { .blocking(try server.store()) }
        func cleanUp(_ store: ConformanceStore) async throws {
            if case .blocking(let store) = store { try store.close() }
        }
        var secrets: [String] {
            guard let address = try? server.address(), let user = address.split(separator: "@").first,
                let password = user.split(separator: ":").last
            else { return [] }
            return [String(password)]
        }
    }

    @Test(arguments: ConformanceCheck.all)
    func onPostgreSQL16(_ check: ConformanceCheck) async throws {
        try await check(Harness(server: .pg16), undeclared: ["idPolicy .uuid"])
    }

    @Test(arguments: ConformanceCheck.all)
    func onPostgreSQL18(_ check: ConformanceCheck) async throws {
        try await check(Harness(server: .pg18), undeclared: ["idPolicy .uuid"])
    }
}
#endif
