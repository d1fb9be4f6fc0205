#if PgVector
public import MiniORM

/// How a ``PgVectorStore`` reaches its database, and how it behaves there. Its description holds no secret.
public struct PgVectorConfiguration: Sendable {
    let address: ConnectionString

    /// The schema of collections whose names have none. It is created when it is missing.
    public var schema = "public"
    /// The schema of the table in which the library remembers its collections.
    public var catalogSchema = "mini_orm"
    /// How many connections are open at once, at the most.
    public var maximumConnections = 8
    /// How long a call may take, from waiting for a connection to the last row, with all its retries.
    public var timeout = Duration.seconds(30)
    /// How often a call that may be repeated is repeated after the connection broke or the server refused for now. An
    /// upsert whose outcome was lost with the connection is not.
    public var retry = RetryPolicy()
    /// Whether a missing extension is created with the first collection. The role needs the right to.
    public var createsExtension = true

    /// A configuration.
    ///
    /// A server on another machine has its certificate checked (`sslmode=verify-full`), unless the address or
    /// `PGSSLMODE` names another mode.
    ///
    /// - Parameter address: A URL, `postgres://user:password@host:5432/database?sslmode=verify-full`, or libpq's
    ///   keywords, `host=localhost dbname=app`. What it leaves out comes from libpq's environment variables and files.
    public init(_ address: String) throws(VectorStoreError) {
        self.address = try ConnectionString(address)
    }
}

extension PgVectorConfiguration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Host, port and database, unless one looks as though an address with a password was meant.
    public var description: String {
        let shown = address.keywords.filter { name, value in
            ["host", "port", "dbname"].contains(name) && !value.contains { $0 == "=" || $0 == "@" }
        }
        return "PgVectorConfiguration(\(shown.map { "\($0.0)=\($0.1)" }.joined(separator: " ")))"
    }
    /// The same as ``description``.
    public var debugDescription: String { description }
    /// Without the address.
    public var customMirror: Mirror {
        Mirror(self, children: ["schema": schema, "maximumConnections": maximumConnections, "timeout": timeout])
    }
}
#endif
