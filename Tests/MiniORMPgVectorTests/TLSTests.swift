#if PgVector
import Foundation
import MiniORM
import MiniORMPgVector
import TestSupport
import Testing

/// The contract's section 6: certificates are checked unless the caller turns that off.
@Suite(.serialized, .dropsSchemas) struct TLSTests {
    /// A server whose certificate is its own, for the name `localhost`; it refuses connections without TLS.
    private func store(_ settings: String, host: String = "localhost") throws -> PgVectorStore {
        var address = try Server.tls.address().replacingOccurrences(of: "@localhost:", with: "@\(host):")
        address += "?\(settings)"
        var configuration = try PgVectorConfiguration(address)
        configuration.schema = Server.schema
        configuration.catalogSchema = Server.schema + "_catalog"
        configuration.retry = .none
        return PgVectorStore(configuration)
    }

    private func certificate() throws -> String {
        try #require(ProcessInfo.processInfo.environment["MINIORM_PG_TLS_CERTIFICATE"])
    }

    @Test func aCertificateThatIsTrustedAndBearsTheNameIsTaken() throws {
        let store = try store("sslmode=verify-full&sslrootcert=\(certificate())")
        defer { store.close() }
        let repository = try VectorRepository(store, "encrypted", dimension: 2, overwrite: true)
        let records = (0..<2000).map { VectorRecord(id: "r\($0)", vector: [Float($0), 1]) }
        try repository.upsert(records)
        #expect(try repository.fetch().count == 2000)
        #expect(try repository.query([0, 1], topK: 1).map(\.id) == ["r0"])
        try repository.dropCollection()
    }

    @Test func aCertificateThatNobodyVouchesForIsRefused() throws {
        let other = FileManager.default.temporaryDirectory.appending(path: "none-\(UUID()).pem")
        try Data().write(to: other)
        defer { try? FileManager.default.removeItem(at: other) }
        for mode in ["verify-full", "verify-ca"] {
            expect(.unavailable) { _ = try store("sslmode=\(mode)&sslrootcert=\(other.path)").listCollections() }
        }
    }

    @Test func aCertificateForAnotherNameIsRefusedByVerifyFullAlone() throws {
        let trusted = "sslrootcert=\(try certificate())"
        expect(.unavailable) {
            _ = try store("sslmode=verify-full&\(trusted)", host: "127.0.0.1").listCollections()
        }
        let lax = try store("sslmode=verify-ca&\(trusted)", host: "127.0.0.1")
        defer { lax.close() }
        _ = try lax.listCollections()
    }

    @Test func requireEncryptsWithoutAskingWhoItIs() throws {
        let store = try store("sslmode=require", host: "127.0.0.1")
        defer { store.close() }
        _ = try store.listCollections()
    }

    /// What an address says of another machine, without a mode, is checked.
    @Test func anotherMachineIsCheckedWithoutBeingTold() throws {
        // The name is another machine's, and the address this one's.
        expect(.unavailable) { _ = try store("hostaddr=127.0.0.1", host: "db.example.com").listCollections() }
        let told = try store("hostaddr=127.0.0.1&sslmode=require", host: "db.example.com")
        defer { told.close() }
        _ = try told.listCollections()
    }

    @Test(arguments: Server.both)
    func aServerWithoutTLSIsUnavailableWhereTLSIsWanted(_ server: Server) throws {
        for mode in ["require", "verify-ca", "verify-full"] {
            var configuration = try PgVectorConfiguration(
                server.address() + "?sslmode=\(mode)&sslrootcert=\(certificate())")
            configuration.retry = .none
            let error = expect(.unavailable) { _ = try PgVectorStore(configuration).listCollections() }
            #expect(error?.message.contains("sslmode") == true)
        }
    }
}
#endif
