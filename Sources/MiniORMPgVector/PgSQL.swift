#if PgVector
public import MiniORM

/// A value bound to `$1`, `$2`, ... of a statement of yours.
public enum PgValue: Sendable, Hashable {
    /// SQL's null.
    case null
    /// A truth value.
    case bool(Bool)
    /// A whole number.
    case int(Int)
    /// A number.
    case double(Double)
    /// Text, or any type in PostgreSQL's text form; without NUL.
    case text(String)
    /// For `bytea`.
    case bytes([UInt8])
    /// For `vector`.
    case vector([Float])

    /// PostgreSQL's text form; the statement gives the type.
    var literal: String? {
        switch self {
        case .null: nil
        case .bool(let value): value ? "true" : "false"
        case .int(let value): value.description
        case .double(let value): value.description
        case .text(let value): value
        case .bytes(let value):
            value.reduce(into: "\\x") { text, byte in
                text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        case .vector(let value): "[\(value.map(\.description).joined(separator: ","))]"
        }
    }
}

extension PgValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral
{
    /// ``null``.
    public init(nilLiteral: ()) { self = .null }
    /// ``bool(_:)``.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// ``int(_:)``.
    public init(integerLiteral value: Int) { self = .int(value) }
    /// ``double(_:)``.
    public init(floatLiteral value: Double) { self = .double(value) }
    /// ``text(_:)``.
    public init(stringLiteral value: String) { self = .text(value) }
}

/// What a statement of yours answered.
public struct PgRows: Sendable {
    /// The names of the columns.
    public let columns: [String]
    /// The rows, each value in PostgreSQL's text form; `nil` for null.
    public let rows: [[String?]]
    /// How many rows the statement read or wrote.
    public let affected: Int

    init(_ result: PostgresResult) {
        columns = (0..<result.columns).map(result.name)
        rows = (0..<result.count).map { row in (0..<result.columns).map { result.text(row, $0) } }
        affected = result.affected
    }
}

extension Session {
    func execute(
        _ sql: String, _ values: [PgValue], _ limit: CallLimit
    ) throws(VectorStoreError) -> PgRows {
        var parameters = PostgresParameters()
        for value in values {
            let literal = value.literal
            guard !sql.utf8.contains(0), literal?.utf8.contains(0) != true else {
                throw .pgvector(.invalidArgument, "text for PostgreSQL holds no NUL")
            }
            parameters.literal(literal)
        }
        return try run(repeats: false, limit: limit) { connection, limit throws(VectorStoreError) in
            PgRows(try connection.run(sql, parameters, prepare: false, textResults: true, limit: limit))
        }
    }
}

extension PgVectorStore {
    /// Runs one statement of your own, its values bound. It is sent once, and not repeated after a failure.
    ///
    /// A `copy` from or to the client throws `VectorStoreError.Code.invalidArgument`.
    @discardableResult
    public func execute(_ sql: String, _ values: [PgValue] = []) throws(VectorStoreError) -> PgRows {
        try operations.session.execute(sql, values, operations.session.limit)
    }

    /// The same for asynchronous code: the statement runs on a thread of the store's own.
    ///
    /// ```swift
    /// let rows = try await store.execute("select name from users where age > $1", [18])
    /// ```
    @discardableResult
    public func execute(_ sql: String, _ values: [PgValue] = []) async throws(VectorStoreError) -> PgRows {
        let (session, limit) = (operations.session, operations.session.limit)
        return try await threads.run { () throws(VectorStoreError) in try session.execute(sql, values, limit) }
    }
}
#endif
