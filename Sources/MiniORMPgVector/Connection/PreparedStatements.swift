#if PgVector
import MiniORM

/// The statements that a connection's server keeps prepared for us: as many as are worth their memory.
struct PreparedStatements {
    /// How many are kept.
    static let maximum = 256
    /// The SQLSTATE of a statement that the server does not know, as somebody deallocated it.
    static let unknown = "26000"
    /// The SQLSTATEs, among other meanings, of one whose columns are no longer those that it was prepared for, and of one
    /// whose parameters are of a type that is gone, with its extension; and where the server says so.
    private static let changed = ["0A000": "RevalidateCachedQuery", "XX000": "getTypeBinaryInputInfo"]

    private struct Statement {
        let name: String
        var lastUse: Int
    }

    /// By their SQL, byte for byte: it holds tables' names.
    private var statements: [UTF8Key: Statement] = [:]
    private var uses = 0
    private var names = 0
    /// Names that the server still knows, and we no longer use.
    private var unused: [String] = []

    /// The name of a statement that is prepared.
    mutating func name(of sql: String) -> String? {
        let key = UTF8Key(sql)
        guard let statement = statements[key] else { return nil }
        uses += 1
        statements[key]?.lastUse = uses
        return statement.name
    }

    mutating func newName() -> String {
        names += 1
        return "mini_orm_\(names)"
    }

    /// Remembers a statement; the one that was not used for longest makes room.
    mutating func add(_ name: String, of sql: String) {
        uses += 1
        statements[UTF8Key(sql)] = Statement(name: name, lastUse: uses)
    }

    /// The names that are to be deallocated before another statement is prepared.
    mutating func takeUnused() -> [String] {
        if statements.count >= Self.maximum,
            let oldest = statements.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            statements[oldest.key] = nil
            unused.append(oldest.value.name)
        }
        defer { unused = [] }
        return unused
    }

    /// The error of a statement. One that says that the prepared statement no longer fits makes us forget it, and is
    /// marked by its cause.
    mutating func error(_ error: PostgresError, of sql: String) -> VectorStoreError {
        guard let statement = statements[UTF8Key(sql)] else { return error.asStoreError }
        var isCertain = true
        switch error.sqlState {
        case Self.unknown:
            // One that was deallocated is mostly not alone.
            unused += statements.values.map(\.name)
            statements = [:]
        case let state? where Self.changed[state] != nil:
            isCertain = error.routine.map { $0 == Self.changed[state] } ?? true
            unused.append(statement.name)
            statements[UTF8Key(sql)] = nil
        default: return error.asStoreError
        }
        return .pgvector(
            .unavailable, "a prepared statement no longer fits",
            cause: StaleStatement(reported: error, isCertain: isCertain))
    }
}

/// A prepared statement that no longer fits, or may not, and is to be prepared again.
struct StaleStatement: Error {
    let reported: PostgresError
    /// Whether the error has no other meaning.
    let isCertain: Bool
}
#endif
