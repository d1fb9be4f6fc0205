#if PgVector
internal import CLibPQ
import MiniORM

/// The answer to a statement. Every access is checked against what the answer holds.
final class PostgresResult {
    private let result: OpaquePointer

    /// Takes over libpq's result, and frees it in the end.
    init(_ result: OpaquePointer) { self.result = result }

    deinit { PQclear(result) }

    /// The number of rows.
    var count: Int { Int(PQntuples(result)) }
    /// The number of columns.
    var columns: Int { Int(PQnfields(result)) }
    /// How many rows a statement wrote.
    var affected: Int { Int(String(cString: PQcmdTuples(result))) ?? 0 }
    /// What was done: `ROLLBACK` for a failed transaction's `commit`.
    var command: String { String(cString: PQcmdStatus(result)) }

    var isCopyIn: Bool { PQresultStatus(result) == PGRES_COPY_IN }
    /// Whether the statement waits for someone to copy.
    var isCopy: Bool { [PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH].contains(PQresultStatus(result)) }
    var isPipelineEnd: Bool { PQresultStatus(result) == PGRES_PIPELINE_SYNC }
    /// Whether the statement was passed over, as one before it in its pipeline failed.
    var isAborted: Bool { PQresultStatus(result) == PGRES_PIPELINE_ABORTED }

    /// What the server reported, where the statement failed.
    var error: PostgresError? {
        switch PQresultStatus(result) {
        case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE, PGRES_NONFATAL_ERROR:
            func field(_ code: UInt8) -> String? {
                PQresultErrorField(result, Int32(code)).map { String(cString: $0) }
            }
            let state = field(UInt8(ascii: "C"))
            return PostgresError(
                sqlState: state, message: String(cString: PQresultErrorMessage(result)), isConnectionLost: state == nil,
                routine: field(UInt8(ascii: "R")))
        default: return nil
        }
    }

    /// The name of a column.
    func name(_ column: Int) -> String { PQfname(result, Int32(column)).map { String(cString: $0) } ?? "" }

    private func with<Value>(_ row: Int, _ column: Int, _ body: (UnsafeRawBufferPointer) -> Value?) -> Value? {
        guard row >= 0, row < count, column >= 0, column < columns,
            PQgetisnull(result, Int32(row), Int32(column)) == 0
        else { return nil }
        let length = Int(PQgetlength(result, Int32(row), Int32(column)))
        return body(UnsafeRawBufferPointer(start: PQgetvalue(result, Int32(row), Int32(column)), count: length))
    }

    /// The bytes of a value; `nil` for null.
    func bytes(_ row: Int, _ column: Int) -> [UInt8]? { with(row, column) { [UInt8]($0) } }
    /// A text, or anything in text form; `nil` for null.
    func text(_ row: Int, _ column: Int) -> String? { with(row, column) { String(decoding: $0, as: UTF8.self) } }
    /// A binary vector.
    func vector(_ row: Int, _ column: Int) -> [Float]? { with(row, column) { [Float](pgvector: $0) } }
    /// A binary truth value.
    func bool(_ row: Int, _ column: Int) -> Bool { with(row, column) { $0.first } == 1 }

    /// A binary integer of 2, 4 or 8 bytes, or an oid.
    func integer(_ row: Int, _ column: Int) -> Int64? {
        with(row, column) { bytes in
            switch bytes.count {
            case 8: Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
            case 4: Int64(UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
            default: nil
            }
        }
    }

    /// A binary float4.
    func float(_ row: Int, _ column: Int) -> Float? {
        with(row, column) { bytes in
            bytes.count == 4 ? Float(bitPattern: UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))) : nil
        }
    }
}
#endif
