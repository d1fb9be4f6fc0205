#if Chroma
public import MiniORM

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Where Chroma's server is and how to talk to it.
public struct ChromaConfiguration: Sendable {
    /// The server's name or address.
    public var host: String
    /// The server's port.
    public var port: Int
    /// Whether to talk TLS. The server's certificate is checked.
    public var usesTLS: Bool
    /// Turns off the check of the server's certificate. Anybody can then pose as the server.
    public var acceptsAnyCertificate = false
    /// A file of certificates (PEM) to trust instead of the system's.
    public var trustedCertificates: String?
    /// The tenant.
    public var tenant = "default_tenant"
    /// The database.
    public var database = "default_database"
    /// Who asks.
    public var credentials = ChromaCredentials.none
    /// How long a request may take, its repetitions included.
    public var deadline = Duration.seconds(30)
    /// How often a request is repeated on 429, 5xx and loss of the connection. For those that write see
    /// ``repeatsLostWrites``.
    public var retries = RetryPolicy()
    /// Whether an upsert, a deletion or a drop is sent again after the connection was lost before the server answered, or a
    /// gateway had no answer (502 and 504).
    ///
    /// The server may have the first copy still and apply it late, after the second one was acknowledged and even after
    /// what was written since, which it would undo. So by default such a call fails, with
    /// `VectorStoreError.Code.partialWrite` or `VectorStoreError.Code.unavailable`, and whether to send it again is up to
    /// you. Turn this on where records are not written again soon, as in a bulk load.
    public var repeatsLostWrites = false
    /// How much one request may ask for: ``ChromaLimits/cloud`` for the host of Chroma Cloud.
    public var limits = ChromaLimits()
    /// Whether queries score every matching record on our side, in double arithmetic, rather than ask the index.
    ///
    /// Exact, and its cost grows with the number of matching records: each vector travels.
    public var isExact = false
    /// What of a payload the server can filter by, in collections that this store creates.
    public var indexedFields = ChromaIndexedFields.scalars
    /// How thoroughly the server's index is searched, in collections that this store creates (HNSW's `ef_search`;
    /// `nil` is Chroma's default, 100). Of the ten nearest of 20,000 sentences 100 found 99.4 %, 128 found 99.5 % and
    /// 200 found 99.9 %, the last at a tenth more time a query.
    public var efSearch: Int? = 128
    /// How thoroughly the index is built, in collections that this store creates (HNSW's `ef_construction`, Chroma's
    /// default is 100).
    public var efConstruction: Int?
    /// How many neighbours a node of the index has, in collections that this store creates (HNSW's `M`, Chroma's
    /// default is 16).
    public var maxNeighbors: Int?

    /// A server, without TLS unless told.
    public init(host: String = "localhost", port: Int = 8000, usesTLS: Bool = false) {
        self.host = host
        self.port = port
        self.usesTLS = usesTLS
        let labels = host.lowercased().split(separator: ".")
        if labels.suffix(2) == ["trychroma", "com"] { limits = .cloud }
    }

    /// Chroma Cloud, with its header, TLS and quotas.
    public static func cloud(apiKey: String, tenant: String, database: String) -> Self {
        var configuration = Self(host: "api.trychroma.com", port: 443, usesTLS: true)
        configuration.tenant = tenant
        configuration.database = database
        configuration.credentials = .chromaToken(apiKey)
        return configuration
    }

    /// `chroma://host:8000`, or `chromas://` for TLS.
    ///
    /// `chroma://user:password@host:8000/tenant/database?exact=true`: all but the host may be absent. The port is then
    /// 8000, or 443 with TLS. User and password are for basic authentication; tokens are set in ``credentials``.
    public init(url: String) throws(VectorStoreError) {
        func wrong(_ why: String) -> VectorStoreError {
            VectorStoreError(.invalidArgument, "the URL of a Chroma server \(why)", store: "chroma")
        }
        guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(),
            scheme == "chroma" || scheme == "chromas"
        else { throw wrong("begins with chroma:// or chromas://") }
        guard let host = parts.host, !host.isEmpty else { throw wrong("names a host") }
        let usesTLS = scheme == "chromas"
        self.init(host: host, port: parts.port ?? (usesTLS ? 443 : 8000), usesTLS: usesTLS)
        guard (1...65_535).contains(port) else { throw wrong("has a port from 1 to 65535") }
        if let user = parts.user { credentials = .basic(user: user, password: parts.password ?? "") }
        // Taken apart before it is decoded: a name may hold a slash.
        let path = parts.percentEncodedPath.split(separator: "/").map { part in
            var decoded = URLComponents()
            decoded.percentEncodedPath = String(part)
            return decoded.path
        }
        switch path.count {
        case 0: break
        case 2 where !path.contains(""): (tenant, database) = (path[0], path[1])
        default: throw wrong("has the path /tenant/database, or none")
        }
        for item in parts.queryItems ?? [] {
            switch (item.name, item.value) {
            case ("exact", "true"): isExact = true
            case ("exact", "false"): isExact = false
            default: throw wrong("has no option \(item.name.quoted), or not with this value")
            }
        }
    }
}

extension ChromaConfiguration: CustomStringConvertible, CustomDebugStringConvertible {
    /// The address, tenant and database, without credentials.
    public var description: String {
        "\(usesTLS ? "chromas" : "chroma")://\(host):\(port)/\(tenant)/\(database)"
    }
    /// The same as ``description``.
    public var debugDescription: String { description }
}

/// What of a payload becomes metadata that the server can filter by. Fixed when a collection is created.
///
/// Whatever is chosen, every filter answers the same; what the server cannot evaluate is evaluated on our side, on all
/// records that are left. Each indexed value costs the server a row, and so about a twelfth of the time of an insert.
public enum ChromaIndexedFields: String, Sendable, Hashable {
    /// Nothing.
    case none
    /// Numbers, booleans and texts of up to 48 bytes, in objects too.
    case scalars
    /// Those, and the elements of arrays (for `contains`).
    case scalarsAndElements
}
#endif
