#if PgVector
import MiniORM

/// Inserting or replacing records in a table.
struct Upsert {
    let table: CollectionTable
    let pgvector: Session.Extension

    /// A statement holds so many rows, or so many bytes of vectors, at the most: enough for its cost not to count, and
    /// little enough for the next one to be made while the server works on it.
    private static let rows = 1000
    private static let bytes = 1 << 20

    /// Checked, one record an id, ordered by id: two calls then lock rows in the same order and cannot deadlock.
    func prepared(_ records: [VectorRecord]) throws(VectorStoreError) -> [VectorRecord] {
        for record in records {
            guard !record.id.isEmpty, !record.id.utf8.contains(0) else {
                throw .pgvector(
                    .invalidIdentifier, "an id is not empty and holds no NUL",
                    collection: table.description.name, recordID: record.id)
            }
            guard record.vector.count == table.description.dimension, record.vector.allSatisfy(\.isFinite) else {
                throw .pgvector(
                    .invalidVector, "the vector is not \(table.description.dimension) finite numbers",
                    collection: table.description.name, recordID: record.id)
            }
        }
        var order = records.indices.map { Place(prefix: Self.prefix(records[$0].id), index: $0) }
        func isBefore(_ lhs: Place, _ rhs: Place) -> Bool {
            if lhs.prefix != rhs.prefix { return lhs.prefix < rhs.prefix }
            let (left, right) = (UTF8Key(records[lhs.index].id), UTF8Key(records[rhs.index].id))
            return left == right ? lhs.index < rhs.index : left < right
        }
        if !zip(order, order.dropFirst()).allSatisfy(isBefore) { order.sort(by: isBefore) }
        // Of several records with one id the last one counts.
        var unique: [VectorRecord] = []
        unique.reserveCapacity(order.count)
        for place in order {
            let record = records[place.index]
            if let last = unique.last, UTF8Key(last.id) == UTF8Key(record.id) { unique.removeLast() }
            unique.append(record)
        }
        return unique
    }

    /// A record, and the beginning of its id, which mostly tells the order.
    private struct Place {
        let prefix: UInt64
        let index: Int
    }

    /// The first eight bytes in an order of their own, which is that of the bytes.
    private static func prefix(_ id: String) -> UInt64 {
        var (prefix, count): (UInt64, UInt64) = (0, 0)
        for byte in id.utf8.prefix(8) {
            prefix = prefix << 8 | UInt64(byte)
            count += 1
        }
        return prefix << (8 * (8 - count))
    }

    func run(
        _ records: [VectorRecord], _ session: Session, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        let size = max(1, min(Self.rows, Self.bytes / (table.description.dimension * 4)))
        if records.count <= size {
            do { try connection.run(sql, parameters(records[...]), limit: limit) } catch {
                guard connection.isBroken else { throw error }
                throw error.saying("all of it is written or nothing, and which is not known; sending it again is safe")
            }
            return
        }
        try session.atomically(connection, limit) { () throws(VectorStoreError) in
            if try areNew(records, connection, limit), try copy(records, connection, limit) { return }
            var rest = records[...]
            _ = try connection.runPipelined(sql, limit: limit) {
                guard !rest.isEmpty else { return nil }
                defer { rest = rest.dropFirst(size) }
                return parameters(rest.prefix(size))
            }
        }
    }

    /// Whether none of the records' ids is in the table.
    private func areNew(
        _ records: [VectorRecord], _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> Bool {
        func isOneThere(_ ids: [String]) throws(VectorStoreError) -> Bool {
            var bound = PostgresParameters()
            bound.texts(ids)
            return try connection.run(
                "select exists (select from \(table.name.quoted) where \(table.id) = any($1::text[]))", bound,
                limit: limit
            ).bool(0, 0)
        }
        // To look for every id costs a fifth of copying them; mostly less is enough to know.
        let hasRows = try connection.run("select exists (select from \(table.name.quoted))", limit: limit).bool(0, 0)
        guard hasRows else { return true }
        let ids = records.map(\.id)
        let some = stride(from: 0, to: ids.count, by: max(1, ids.count / 64)).map { ids[$0] }
        if try isOneThere(some) { return false }
        return try !isOneThere(ids)
    }

    /// Copies new records in, twice as fast as inserting them. Nothing is done, and false returned, where an insert is
    /// needed.
    private func copy(
        _ records: [VectorRecord], _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> Bool {
        try connection.script("savepoint mini_orm_copy", limit: limit)
        var next = 0
        do {
            try connection.copy(
                "copy \(table.name.quoted) (\(table.id), \(table.vector), \(table.payload)) from stdin (format binary)",
                limit: limit
            ) { bytes in
                if next == 0 { bytes.append(contentsOf: Self.copyHeader) }
                while bytes.count < 1 << 16, next < records.count {
                    Self.append(records[next], to: &bytes)
                    next += 1
                }
                if next == records.count { bytes.appendBigEndian(Int16(-1)) }
                return next < records.count
            }
        } catch {
            // Another writer was quicker with one of the ids; or the table has policies on its rows, which a copy
            // cannot keep.
            let isRefused = ["23505", "0A000"].contains(error.postgres?.sqlState)
            guard isRefused, !connection.isBroken else { throw error }
            try connection.script("rollback to savepoint mini_orm_copy", limit: limit)
            return false
        }
        try connection.script("release savepoint mini_orm_copy", limit: limit)
        return true
    }

    /// The signature of PostgreSQL's binary format, no flags, no extension.
    private static let copyHeader: [UInt8] =
        Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0] + [UInt8](repeating: 0, count: 8)

    private static func append(_ record: VectorRecord, to bytes: inout [UInt8]) {
        bytes.appendBigEndian(Int16(3))
        bytes.appendBigEndian(Int32(clamping: record.id.utf8.count))
        bytes.append(contentsOf: record.id.utf8)
        bytes.appendBigEndian(Int32(clamping: 4 + 4 * record.vector.count))
        bytes.append(vector: record.vector)
        let length = bytes.count
        bytes.appendBigEndian(Int32(-1))
        guard let payload = record.payload else { return }
        bytes.append(1)
        JSONBText.write(payload, to: &bytes)
        bytes.replaceBigEndian(Int32(clamping: bytes.count - length - 4), at: length)
    }

    private var sql: String {
        """
        insert into \(table.name.quoted) as present (\(table.id), \(table.vector), \(table.payload))
        select * from unnest($1::text[], $2::\(pgvector.schema).vector[], $3::jsonb[])
        on conflict (\(table.id)) do update
        set \(table.vector) = excluded.\(table.vector), \(table.payload) = excluded.\(table.payload)
        \(table.isOurs ? difference : "")
        """
    }

    /// Leaves rows alone that are the same already, byte for byte. Not in a table of the caller's own, where an update
    /// may do more than it says.
    private var difference: String {
        func image(_ row: String) -> String { "(row(\(row).\(table.vector), \(row).\(table.payload))::record)" }
        return "where \(image("present")) operator(pg_catalog.*<>) \(image("excluded"))"
    }

    private func parameters(_ records: ArraySlice<VectorRecord>) -> PostgresParameters {
        var parameters = PostgresParameters()
        parameters.texts(records.map(\.id))
        parameters.array(of: pgvector.vectorType, records) { record, bytes in
            bytes.append(vector: record.vector)
            return true
        }
        parameters.array(of: PostgresType.jsonb, records) { record, bytes in
            guard let payload = record.payload else { return false }
            bytes.append(1)
            JSONBText.write(payload, to: &bytes)
            return true
        }
        return parameters
    }
}
#endif
