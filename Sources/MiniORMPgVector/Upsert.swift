#if PgVector
import MiniORM

/// Inserting or replacing records in a table.
struct Upsert {
    let table: CollectionTable
    let pgvector: Session.Extension

    /// A statement holds so many rows, or so many bytes of vectors or of ids and payloads, at the most: enough for its
    /// cost not to count, and little enough for the next one to be made while the server works on it, and for the server
    /// to take it.
    private static let rows = 1000
    private static let vectorBytes = 1 << 20
    private static let payloadBytes = 4 << 20
    /// A copy brings so many bytes: PostgreSQL gives each one 16 MB of buffers, and writes them out itself when they are
    /// full, for which the rows wait.
    private static let copyBytes = 8 << 20
    /// How long an id may be: an index of PostgreSQL's takes a third of a page less its own data, 2,704 bytes.
    private static let idBytes = 2600

    /// Checked, one record an id, ordered by id: two calls then lock rows in the same order and cannot deadlock.
    func prepared(_ records: [VectorRecord]) throws(VectorStoreError) -> [VectorRecord] {
        for record in records {
            guard !record.id.isEmpty, !record.id.utf8.contains(0) else {
                throw .pgvector(
                    .invalidIdentifier, "an id is not empty and holds no NUL",
                    collection: table.description.name, recordID: record.id)
            }
            guard record.id.utf8.count <= Self.idBytes else {
                throw .pgvector(
                    .invalidIdentifier, "an id has at most \(Self.idBytes) bytes in PostgreSQL",
                    collection: table.description.name, recordID: record.id)
            }
            guard record.vector.count == table.description.dimension, record.vector.allSatisfy(\.isFinite) else {
                throw .pgvector(
                    .invalidVector, "the vector is not \(table.description.dimension) finite numbers",
                    collection: table.description.name, recordID: record.id)
            }
            if table.isHalf, !HalfPrecision.holds(record.vector) { throw beyondHalfPrecision(record) }
        }
        var order = records.indices.map { Place(prefix: Self.prefix(records[$0].id), index: $0) }
        func isBefore(_ lhs: Place, _ rhs: Place) -> Bool {
            if lhs.prefix != rhs.prefix { return lhs.prefix < rhs.prefix }
            let (left, right) = (UTF8Key(records[lhs.index].id), UTF8Key(records[rhs.index].id))
            return left == right ? lhs.index < rhs.index : left < right
        }
        let isOrdered = zip(order, order.dropFirst()).allSatisfy(isBefore)
        if !isOrdered { order.sort(by: isBefore) }
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
        if Self.chunk(records[...]).count == records.count {
            do { try connection.run(sql, parameters(records[...]), limit: limit) } catch {
                let error = naming(error, records)
                guard connection.isBroken else { throw error }
                throw error.saying("all of it is written or nothing, and which is not known; sending it again is safe")
            }
            return
        }
        let isInTransaction = connection.isInTransaction
        do {
            try session.atomically(connection, limit) { () throws(VectorStoreError) in
                if try areNew(records, connection, limit), try copy(records, connection, limit) {
                    // In a transaction of its own the commit does that.
                    if isInTransaction { try connection.script("release savepoint mini_orm_copy", limit: limit) }
                    return
                }
                _ = try connection.runPipelined(sql, limit: limit) {
                    var rest = records[...]
                    return AnyIterator {
                        guard !rest.isEmpty else { return nil }
                        let chunk = Self.chunk(rest)
                        rest = rest.dropFirst(chunk.count)
                        return parameters(chunk)
                    }
                }
            }
        } catch { throw naming(error, records) }
    }

    /// As many of the first records as a statement holds, at least one.
    static func chunk(_ records: ArraySlice<VectorRecord>) -> ArraySlice<VectorRecord> {
        var (vectors, payloads) = (0, 0)
        let most = records.prefix(rows)
        for (number, record) in most.enumerated() {
            vectors += record.vector.count * 4
            payloads += record.id.utf8.count + JSONBText.size(of: record.payload)
            if number > 0, vectors > vectorBytes || payloads > payloadBytes { return records.prefix(number) }
        }
        return most
    }

    private func beyondHalfPrecision(_ record: VectorRecord, cause: (any Error)? = nil) -> VectorStoreError {
        .pgvector(
            .invalidVector, "the collection's index of half precision takes numbers up to \(HalfPrecision.largest)",
            collection: table.description.name, recordID: record.id, cause: cause)
    }

    /// The error, with the record that it is about, where an index that we did not know of refuses one.
    private func naming(_ error: VectorStoreError, _ records: [VectorRecord]) -> VectorStoreError {
        guard error.postgres?.sqlState == HalfPrecision.outOfRange,
            let record = records.first(where: { !HalfPrecision.holds($0.vector) })
        else { return error }
        return beyondHalfPrecision(record, cause: error.cause)
    }

    /// Whether none of the records' ids is in the table.
    private func areNew(
        _ records: [VectorRecord], _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> Bool {
        /// Whether one of them is there; and whether none can be, as the table has no pages.
        func look(for ids: [String]) throws(VectorStoreError) -> (isOneThere: Bool, isTableEmpty: Bool) {
            var bound = PostgresParameters()
            bound.texts(ids)
            let isEmpty = table.isOurs ? "pg_catalog.pg_relation_size(\(table.oid)::oid) = 0" : "false"
            let rows = try connection.run(
                "select exists (select from \(table.name.quoted) where \(table.id) = any($1::text[])), \(isEmpty)", bound,
                limit: limit)
            return (rows.bool(0, 0), rows.bool(0, 1))
        }
        // To look for every id costs a fifth of copying them; mostly less is enough to know.
        let some = stride(from: 0, to: records.count, by: max(1, records.count / 64)).map { records[$0].id }
        let first = try look(for: some)
        if first.isOneThere || first.isTableEmpty { return !first.isOneThere }
        return try !look(for: records.map(\.id)).isOneThere
    }

    /// Copies new records in, twice as fast as inserting them, and leaves a savepoint. Nothing is done, and false
    /// returned, where an insert is needed.
    private func copy(
        _ records: [VectorRecord], _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> Bool {
        let copy =
            "copy \(table.name.quoted) (\(table.id), \(table.vector), \(table.payload)) from stdin (format binary)"
        var next = 0
        do {
            while next < records.count {
                var size = 0
                try connection.copy(next == 0 ? "savepoint mini_orm_copy; \(copy)" : copy, limit: limit) { bytes in
                    if size == 0 { bytes.append(contentsOf: Self.copyHeader) }
                    while bytes.count < 1 << 16, next < records.count {
                        Self.append(records[next], to: &bytes)
                        next += 1
                    }
                    size += bytes.count
                    let goesOn = next < records.count && size < Self.copyBytes
                    if !goesOn { bytes.appendBigEndian(Int16(-1)) }
                    return goesOn
                }
            }
        } catch {
            // Another writer was quicker with one of the ids; or the table has policies on its rows, which a copy
            // cannot keep.
            let isRefused = ["23505", "0A000"].contains(error.postgres?.sqlState)
            guard isRefused, !connection.isBroken else { throw error }
            try connection.script("rollback to savepoint mini_orm_copy", limit: limit)
            return false
        }
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
