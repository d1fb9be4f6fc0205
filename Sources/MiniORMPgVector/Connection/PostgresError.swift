#if PgVector
import MiniORM

/// What PostgreSQL or the connection to it reported: the `VectorStoreError.cause` of a store's error.
///
/// Its description is safe to log. ``message`` is the server's own text, which can quote stored data.
public struct PostgresError: Error, Sendable, CustomStringConvertible {
    /// The five characters that name the condition, `57014` for example; `nil` where the connection itself failed.
    public let sqlState: String?
    /// The server's or libpq's own text, for debugging.
    public let message: String
    /// Whether the connection was lost while the statement's outcome was open.
    let isConnectionLost: Bool
    /// Whether a write was lost with it, so that the server may have it still and do it yet.
    fileprivate(set) var isInDoubt = false
    /// The function of the server's that reported it, in every language the same; `nil` where it is not told.
    let routine: String?

    /// The condition, without the server's text.
    public var description: String { sqlState.map { "SQLSTATE \($0)" } ?? "connection failure" }

    init(sqlState: String?, message: String, isConnectionLost: Bool = false, routine: String? = nil) {
        self.sqlState = sqlState
        self.message = message
        self.isConnectionLost = isConnectionLost
        self.routine = routine
    }

    /// Whether a statement that failed so did nothing and may succeed when it is sent again.
    var isWorthRepeating: Bool {
        guard let sqlState else { return isConnectionLost && !isInDoubt }
        return Self.refusesForNow(sqlState)
    }

    /// Whether the server has undone all of it, so that nothing is done twice: a deadlock, or others' writes under a
    /// stricter isolation.
    var isUndone: Bool { sqlState == "40P01" || sqlState == "40001" }

    /// Whether somebody else created the same at this moment, so that it is there when it is looked for again.
    var isOfMeeting: Bool { sqlState == "23505" || sqlState == "42710" || sqlState == "42P06" }

    /// Whether what is remembered of a table may be out of date.
    var suggestsChangedTable: Bool {
        guard let sqlState else { return false }
        // Undefined table, column, type, schema; another type; another dimension; a plan whose result changed; a prepared
        // statement that the server has forgotten.
        return ["42P01", "42703", "42704", "42883", "3F000", "42804", "22000", "0A000", "23502", "26000"]
            .contains(sqlState)
    }

    private static func refusesForNow(_ state: String) -> Bool {
        // Connection failures, shutdown and start, lack of connections, deadlock, serialisation failure.
        state.hasPrefix("08") || state.hasPrefix("57P") || ["53300", "40P01", "40001"].contains(state)
    }

    /// The portable error.
    var asStoreError: VectorStoreError {
        guard let sqlState else {
            return .pgvector(.unavailable, "the connection to PostgreSQL was lost", cause: self)
        }
        let (code, text): (VectorStoreError.Code, String) =
            switch sqlState {
            case "28P01", "28000": (.unauthorized, "PostgreSQL refused the user or the password")
            case "42501": (.unauthorized, "the role may not do this")
            case "3D000": (.invalidArgument, "there is no such database")
            case "25006": (.unavailable, "the server is read-only: a standby, or a read-only role")
            case "57014": (.timeout, "the server cancelled the statement; its statement_timeout may have passed")
            case "55P03": (.timeout, "another transaction holds a lock")
            case "25P02": (.backend, "an earlier statement of this transaction failed")
            case "42P01": (.collectionNotFound, "the collection's table is not there")
            case "2BP01":
                (.invalidArgument, "others depend on what is to be dropped, a view or a foreign key; drop them first")
            case "22023": (.invalidArgument, "PostgreSQL refuses a value; its text is in the cause")
            case "42703", "42704", "42804", "0A000", "23502", "22P03":
                (.collectionMismatch, "the collection's table is not as this library made it")
            case "22000": (.invalidVector, "PostgreSQL refused a vector; its length differs from the column's")
            case "54000", "54001": (.unsupportedPayload, "this is larger than PostgreSQL takes")
            case _ where Self.refusesForNow(sqlState): (.unavailable, "PostgreSQL refuses for now")
            case _ where sqlState.hasPrefix("53"): (.unavailable, "PostgreSQL is out of a resource")
            default: (.backend, "PostgreSQL reported an error; its text is in the cause")
            }
        return .pgvector(code, "\(text) (SQLSTATE \(sqlState))", cause: self)
    }
}

extension VectorStoreError {
    static func pgvector(
        _ code: Code, _ message: String, collection: String? = nil, recordID: String? = nil, cause: (any Error)? = nil
    ) -> Self {
        Self(code, message, store: "pgvector", collection: collection, recordID: recordID, cause: cause)
    }

    /// The same error with more to say.
    func saying(_ more: String) -> Self {
        Self(code, "\(message); \(more)", store: store, collection: collection, recordID: recordID, cause: cause)
    }

    /// The same error, of a write that may be in.
    var ofWriteInDoubt: Self {
        var cause = postgres
        cause?.isInDoubt = true
        let message = "\(message); all of it is written or nothing, and which is not known; sending it again is safe"
        return Self(code, message, store: store, collection: collection, recordID: recordID, cause: cause)
    }

    /// What PostgreSQL reported, where it did.
    var postgres: PostgresError? { cause as? PostgresError }
}
#endif
