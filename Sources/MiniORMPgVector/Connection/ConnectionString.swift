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

/// A URL or libpq's keywords, read, with what libpq adds from its environment variables and its service file.
struct ConnectionString: Sendable {
    typealias Keywords = [(String, String)]

    /// Keywords and values for libpq, later ones before earlier ones.
    let keywords: Keywords
    /// The same for each server in turn, where there are several.
    let servers: [Keywords]
    /// Whether the servers are tried in any order.
    let isShuffled: Bool
    /// How long one server may take to answer, if that is limited.
    let connectTimeout: Duration?

    /// Reads a URL (`postgres://user:password@host:port/database?sslmode=require`) or keywords (`host=... dbname=...`).
    ///
    /// Throws `VectorStoreError.Code.invalidArgument`, without the text, which can hold a password.
    init(_ text: String) throws(VectorStoreError) {
        let unreadable = VectorStoreError.pgvector(
            .invalidArgument, "the address is neither a postgres:// URL nor libpq's keywords; libpq cannot read it")
        guard !text.utf8.contains(0), let options = PQconninfoParse(text, nil) else { throw unreadable }
        defer { PQconninfoFree(options) }
        var keywords = Self.values(options)
        let effective = Self.effective(keywords)
        // A URL whose password holds an @ that is not escaped: the rest of the password would be the host.
        for host in effective["host"]?.split(separator: ",") ?? []
        where !host.hasPrefix("/") && host.dropFirst().contains("@") {
            throw .pgvector(.invalidArgument, "the host holds an @; in a URL's password it is written %40")
        }
        keywords += Self.certificateChecks(keywords, effective, defaultMode: Self.defaultMode(options))
        keywords.append(("client_encoding", "UTF8"))
        keywords.append(("fallback_application_name", "mini-orm"))
        self.keywords = keywords
        servers = Self.servers(keywords, effective)
        isShuffled = effective["load_balance_hosts"] == "random"
        connectTimeout = effective["connect_timeout"].flatMap { Int($0) }.flatMap { $0 > 0 ? .seconds($0) : nil }
    }

    private static func values(_ options: UnsafeMutablePointer<PQconninfoOption>) -> Keywords {
        var values: Keywords = []
        var option = options
        while let name = option.pointee.keyword {
            if let value = option.pointee.val { values.append((String(cString: name), String(cString: value))) }
            option += 1
        }
        return values
    }

    /// What libpq makes of the keywords with its environment variables, a service and its defaults.
    ///
    /// It tells that of a connection alone. This one is not begun, as libpq refuses a value that it does not know once it
    /// has read all.
    private static func effective(_ keywords: Keywords) -> [String: String] {
        let connection = withKeywords(keywords + [("channel_binding", "mini-orm")]) { PQconnectStartParams($0, $1, 0) }
        guard let connection else { return [:] }
        defer { PQfinish(connection) }
        guard let options = PQconninfo(connection) else { return [:] }
        defer { PQconninfoFree(options) }
        return Dictionary(values(options).filter { !$0.1.isEmpty }) { $1 }
    }

    /// The mode of TLS that libpq takes where none is named: `prefer`, unless it was built without TLS.
    private static func defaultMode(_ options: UnsafeMutablePointer<PQconninfoOption>) -> String? {
        var option = options
        while let name = option.pointee.keyword {
            if strcmp(name, "sslmode") == 0 { return option.pointee.compiled.map { String(cString: $0) } }
            option += 1
        }
        return nil
    }

    /// The keywords and values as libpq takes them: two arrays of C strings that end with null.
    static func withKeywords<Value>(
        _ keywords: Keywords,
        _ body: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<UnsafePointer<CChar>?>?) -> Value
    ) -> Value {
        let strings = keywords.map { (strdup($0.0), strdup($0.1)) }
        defer {
            for (name, value) in strings {
                free(name)
                free(value)
            }
        }
        let names = strings.map { UnsafePointer<CChar>($0.0) } + [nil]
        let values = strings.map { UnsafePointer<CChar>($0.1) } + [nil]
        return body(names, values)
    }

    /// libpq's own default takes what it gets; ours checks the certificate of every server that is not on this machine.
    private static func certificateChecks(
        _ keywords: Keywords, _ effective: [String: String], defaultMode: String?
    ) -> Keywords {
        func isNamed(_ name: String, _ variable: String) -> Bool {
            keywords.contains { $0.0 == name } || getenv(variable) != nil
        }
        // The name says who it has to be, the address where it is: both have to be this machine's.
        let hosts = [effective["host"], effective["hostaddr"]].compactMap { $0 }.joined(separator: ",")
        // Where libpq could not read them (a service that is not there yet), the server may be anywhere.
        let isKnown = !effective.isEmpty
        let isLocal =
            isKnown
            && hosts.split(separator: ",").allSatisfy { host in
                host.hasPrefix("/") || host.hasPrefix("@") || ["localhost", "127.0.0.1", "::1"].contains(host)
            }
        // A service may name a mode as well; libpq does not tell its default from the same mode named there.
        let isModeNamed = isNamed("sslmode", "PGSSLMODE") || (isKnown && effective["sslmode"] != defaultMode)
        if isLocal || isModeNamed { return [] }
        var checks = [("sslmode", "verify-full")]
        if effective["sslrootcert"] == nil {
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

    /// Several servers one by one. libpq would go through them by itself, but its non-blocking calls leave time to the
    /// caller, who cannot tell it to go on to the next one.
    private static func servers(_ keywords: Keywords, _ effective: [String: String]) -> [Keywords] {
        func list(_ name: String) -> [String] {
            effective[name].map { $0.split(separator: ",", omittingEmptySubsequences: false).map { String($0) } } ?? []
        }
        let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"))
        let count = max(hosts.count, addresses.count)
        // Lists that do not match are libpq's to refuse.
        guard count > 1, [hosts, addresses].allSatisfy({ $0.isEmpty || $0.count == count }),
            ports.count <= 1 || ports.count == count
        else { return [keywords] }
        let servers = (0..<count).map { index in
            var server = keywords
            if !hosts.isEmpty { server.append(("host", hosts[index])) }
            if !addresses.isEmpty { server.append(("hostaddr", addresses[index])) }
            if !ports.isEmpty { server.append(("port", ports.count == 1 ? ports[0] : ports[index])) }
            return server
        }
        guard effective["target_session_attrs"] == "prefer-standby" else { return servers }
        return ["standby", "any"].flatMap { kind in servers.map { $0 + [("target_session_attrs", kind)] } }
    }
}
#endif
