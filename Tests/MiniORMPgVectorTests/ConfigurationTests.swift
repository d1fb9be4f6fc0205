#if PgVector
import Foundation
import MiniORM
@testable import MiniORMPgVector
import TestSupport
import Testing

/// What an address means and what is shown of it.
@Suite(.serialized, .dropsSchemas) struct ConfigurationTests {
    private func isChecked(_ address: String) throws -> Bool {
        try ConnectionString(address).keywords.contains { $0 == ("sslmode", "verify-full") }
    }

    @Test func aServerOnAnotherMachineIsChecked() throws {
        for remote in [
            "host=db.example.com", "host=localhost,db.example.com", "host=localhost hostaddr=203.0.113.5",
            "hostaddr=203.0.113.5", "host=db.example.com hostaddr=127.0.0.1",
            "host=/tmp hostaddr=127.0.0.1,203.0.113.5",
        ] {
            #expect(try isChecked(remote), "\(remote)")
            #expect(try !isChecked(remote + " sslmode=disable"), "\(remote)")
        }
        for local in ["", "host=localhost", "host=/run/postgresql", "host=::1 hostaddr=127.0.0.1", "hostaddr=::1"] {
            #expect(try !isChecked(local), "\(local)")
        }
    }

    @Test func noDescriptionShowsWhatMayBeAPassword() throws {
        for address in [
            "dbname='host=x password=s3cret'", "postgres://u:p%40x@host/password=s3cret",
            "postgres://u:p@host/postgres%3A%2F%2Fu%3As3cret@h",
        ] {
            let configuration = try PgVectorConfiguration(address)
            #expect(!"\(configuration)".contains("s3cret"))
            #expect(!String(reflecting: configuration).contains("s3cret"))
        }
        let shown = try PgVectorConfiguration("postgres://u:s3cret@db.example.com:5433/app").description
        #expect(shown == "PgVectorConfiguration(dbname=app host=db.example.com port=5433)")
        // An @ in a password has to be escaped; what libpq takes for the host would be a part of it.
        let error = expect(.invalidArgument) { _ = try PgVectorConfiguration("postgres://u:p@s3cret@host/db") }
        #expect(error.map { "\($0)" }?.contains("s3cret") == false)
    }

    /// A database's name is a name, whatever it looks like.
    @Test func aDatabasesNameIsNotReadAsKeywords() throws {
        let address = try Server.pg18.address().replacingOccurrences(
            of: "/postgres", with: "/port=1%20dbname=postgres", options: [.backwards, .anchored])
        var configuration = try PgVectorConfiguration(address)
        configuration.retry = .none
        let store = PgVectorStore(configuration)
        defer { store.close() }
        let error = expect(.invalidArgument) { _ = try store.listCollections() }
        #expect(error?.message.contains("no such database") == true)
    }
}
#endif
