#if PgVector
internal import CLibPQ
import MiniORM

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Musl)
internal import Musl
#else
internal import Glibc
#endif

/// A URL or libpq's keywords, read.
struct ConnectionString: Sendable {
    /// Keywords and values for libpq.
    let keywords: [(String, String)]

    /// Reads a URL (`postgres://user:password@host:port/database?sslmode=require`) or keywords (`host=... dbname=...`).
    ///
    /// Throws `VectorStoreError.Code.invalidArgument`, without the text, which can hold a password.
    init(_ text: String) throws(VectorStoreError) {
        let unreadable = VectorStoreError.pgvector(
            .invalidArgument, "the address is neither a postgres:// URL nor libpq's keywords; libpq cannot read it")
        guard !text.utf8.contains(0), let options = PQconninfoParse(text, nil) else { throw unreadable }
        defer { PQconninfoFree(options) }
        var keywords: [(String, String)] = []
        var option = options
        while let name = option.pointee.keyword {
            if let value = option.pointee.val { keywords.append((String(cString: name), String(cString: value))) }
            option += 1
        }
        keywords += Self.certificateChecks(keywords)
        keywords.append(("client_encoding", "UTF8"))
        keywords.append(("fallback_application_name", "mini-orm"))
        self.keywords = keywords
    }

    /// libpq's own default takes what it gets; ours checks the certificate of every server that is not on this machine.
    private static func certificateChecks(_ keywords: [(String, String)]) -> [(String, String)] {
        func isSet(_ name: String, _ variable: String) -> Bool {
            keywords.contains { $0.0 == name } || getenv(variable) != nil
        }
        func value(_ name: String, _ variable: String) -> String? {
            keywords.last { $0.0 == name }?.1 ?? getenv(variable).map { String(cString: $0) }
        }
        let hosts = value("host", "PGHOST") ?? value("hostaddr", "PGHOSTADDR") ?? ""
        let isLocal = hosts.split(separator: ",").allSatisfy { host in
            host.hasPrefix("/") || host.hasPrefix("@") || ["localhost", "127.0.0.1", "::1"].contains(host)
        }
        if isLocal || isSet("sslmode", "PGSSLMODE") { return [] }
        var checks = [("sslmode", "verify-full")]
        if !isSet("sslrootcert", "PGSSLROOTCERT") {
            if PQlibVersion() >= 160000 {
                checks.append(("sslrootcert", "system"))
            } else if let bundle = certificateBundles.first(where: { access($0, R_OK) == 0 }) {
                checks.append(("sslrootcert", bundle))
            }
        }
        return checks
    }

    /// Where systems keep the certificates they trust.
    private static let certificateBundles = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
    ]
}
#endif
