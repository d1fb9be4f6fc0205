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

    /// Records, and the places of those that are written: one an id, ordered by id, so that two calls lock rows in the
    /// same order and cannot deadlock.
    struct Batch {
        let records: [VectorRecord]
        let order: [Int]

        subscript(_ places: some Collection<Int>) -> some Collection<VectorRecord> { places.lazy.map { records[$0] } }
    }

    /// Checked, but for numbers that are not finite, which the server refuses: see ``naming(_:_:)``.
    func prepared(_ records: [VectorRecord]) throws(VectorStoreError) -> Batch {
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
            guard record.vector.count == table.description.dimension else { throw invalidVector(record) }
            if table.isHalf, !HalfPrecision.holds(record.vector) { throw beyondHalfPrecision(record) }
        }
        var order = records.indices.map { Place(prefix: Self.prefix(records[$0].id), index: $0) }
        func isBefore(_ lhs: Place, _ rhs: Place) -> Bool {
            if lhs.prefix != rhs.prefix { return lhs.prefix < rhs.prefix }
            let (left, right) = (UTF8Key(records[lhs.index].id), UTF8Key(records[rhs.index].id))
            return left == right ? lhs.index < rhs.index : left < right
        }
        if !zip(order, order.dropFirst()).allSatisfy(isBefore) { order.sort(by: isBefore) }
        // Of several records with one id the last one counts.
        var unique: [Place] = []
        unique.reserveCapacity(order.count)
        for place in order {
            if let last = unique.last, last.prefix == place.prefix,
                UTF8Key(records[last.index].id) == UTF8Key(records[place.index].id)
            {
                unique.removeLast()
            }
            unique.append(place)
        }
        return Batch(records: records, order: unique.map(\.index))
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
        _ batch: Batch, _ session: Session, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) {
        if Self.chunk(batch, batch.order[...]).count == batch.order.count {
            do { try connection.run(sql, parameters(batch[batch.order]), limit: limit) } catch {
                let error = naming(error, batch)
                guard connection.isBroken else { throw error }
                throw error.ofWriteInDoubt
            }
            return
        }
        let isInTransaction = connection.isInTransaction
        do {
            try session.atomically(connection, limit) { () throws(VectorStoreError) in
                let way = try way(of: batch, isInTransaction: isInTransaction, connection, limit)
                if way != .insert, try copy(batch, replaces: way == .replace, connection, limit) {
                    // In a transaction of its own the commit does that.
                    if isInTransaction { try connection.script("release savepoint mini_orm_copy", limit: limit) }
                    return
                }
                _ = try connection.runPipelined(sql, limit: limit) {
                    var rest = batch.order[...]
                    return AnyIterator {
                        guard !rest.isEmpty else { return nil }
                        let chunk = Self.chunk(batch, rest)
                        rest = rest.dropFirst(chunk.count)
                        return parameters(batch[chunk])
                    }
                }
            }
        } catch { throw naming(error, batch) }
    }

    /// The places of as many of the first records as a statement holds, at least one.
    static func chunk(_ batch: Batch, _ places: ArraySlice<Int>) -> ArraySlice<Int> {
        var (vectors, payloads) = (0, 0)
        let most = places.prefix(rows)
        for (number, place) in most.enumerated() {
            let record = batch.records[place]
            vectors += record.vector.count * 4
            payloads += record.id.utf8.count + JSONBText.size(of: record.payload)
            if number > 0, vectors > vectorBytes || payloads > payloadBytes { return places.prefix(number) }
        }
        return most
    }

    private func invalidVector(_ record: VectorRecord, cause: (any Error)? = nil) -> VectorStoreError {
        .pgvector(
            .invalidVector, "the vector is not \(table.description.dimension) finite numbers",
            collection: table.description.name, recordID: record.id, cause: cause)
    }

    private func beyondHalfPrecision(_ record: VectorRecord, cause: (any Error)? = nil) -> VectorStoreError {
        .pgvector(
            .invalidVector, "the collection's index of half precision takes numbers up to \(HalfPrecision.largest)",
            collection: table.description.name, recordID: record.id, cause: cause)
    }

    /// The error, with the record that it is about, where the server or an index that we did not know of refuses one.
    private func naming(_ error: VectorStoreError, _ batch: Batch) -> VectorStoreError {
        switch error.postgres?.sqlState {
        case HalfPrecision.outOfRange:
            let record = batch.records.first { !HalfPrecision.holds($0.vector) }
            return record.map { beyondHalfPrecision($0, cause: error.cause) } ?? error
        case Self.refusedVector:
            let record = batch.records.first { !$0.vector.isFinite }
            return record.map { invalidVector($0, cause: error.cause) } ?? error
        default: return error
        }
    }

    /// The SQLSTATE of a vector that is not what its column takes.
    private static let refusedVector = "22000"

    // MARK: Many records

    /// How many records are written.
    private enum Way {
        /// By inserting them, row by row, or updating what is there.
        case insert
        /// By copying them in: none is there.
        case copy
        /// By deleting what is there and copying them in.
        case replace
    }

    /// Finds out by some of the records which way is best. To look for every id costs a fifth of copying them.
    private func way(
        of batch: Batch, isInTransaction: Bool, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> Way {
        let order = batch.order
        let some = stride(from: 0, to: order.count, by: max(1, order.count / 64)).map { order[$0] }
        let mayReplace =
            table.isOurs && table.approximation == nil && !isInTransaction
            && order.count * table.description.dimension <= Self.replaced
        // Of the table that has the name now, which another one may have been given since it was looked up.
        var parameters = self.parameters(batch[some])
        parameters.text(table.name.quoted)
        let rows = try connection.run(
            """
            select count(*), count(*) filter (where found.is_same),
                \(table.isOurs ? "pg_catalog.pg_relation_size(to_regclass($4)) = 0" : "false"),
                (select relhasrules from pg_catalog.pg_class where oid = to_regclass($4)),
                \(mayReplace ? isPlain : "false")
            from unnest($1::text[], $2::\(pgvector.schema).vector[], $3::jsonb[]) as given(id, vector, payload)
            join lateral (
                select not \(Self.isOther(columns(of: "present"), "given.vector, given.payload")) as is_same
                from \(table.name.quoted) as present where present.\(table.id) = given.id
            ) as found on true
            """, parameters, limit: limit)
        let (present, same) = (rows.integer(0, 0) ?? 0, rows.integer(0, 1) ?? 0)
        // A copy passes rules by.
        if rows.bool(0, 3) { return .insert }
        if present > 0 { return same == 0 && rows.bool(0, 4) ? .replace : .insert }
        // Without a page it has no row.
        if rows.bool(0, 2) { return .copy }
        var ids = PostgresParameters()
        ids.texts(batch[order].map(\.id))
        let isOneThere = try connection.run(
            "select exists (select from \(table.name.quoted) where \(table.id) = any($1::text[]))", ids, limit: limit
        ).bool(0, 0)
        return isOneThere ? .insert : .copy
    }

    /// So many numbers, 32 MB, are replaced at once, at the most: others who write to the table wait as long as it takes
    /// to send them.
    private static let replaced = 8 << 20

    /// Whether to delete a row and to copy another one in is nothing else than to update it: nothing follows from a
    /// deletion, no column beside ours is lost, and nobody is sent one kind of change and not the other.
    private var isPlain: String {
        """
        (select not (relhastriggers or relhasrules or relrowsecurity or relhassubclass) and relnatts = 3
            from pg_catalog.pg_class where oid = to_regclass($4))
        and not exists (select from pg_catalog.pg_publication)
        """
    }

    /// Copies records in, twice as fast as inserting or updating them, and leaves a savepoint. Nothing is done, and false
    /// returned, where an insert is needed.
    ///
    /// - Parameter replaces: Whether rows of their ids are deleted first. Nobody else writes meanwhile: to an update of
    ///   such a row it would seem to be gone, although it was there before and after. Where somebody does already,
    ///   nothing is waited for.
    private func copy(
        _ batch: Batch, replaces: Bool, _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> Bool {
        let copy =
            "copy \(table.name.quoted) (\(table.id), \(table.vector), \(table.payload)) from stdin (format binary)"
        var begin = "savepoint mini_orm_copy; "
        var rest = batch.order[...]
        do {
            if replaces {
                try connection.script("\(begin)lock table \(table.name.quoted) in exclusive mode nowait", limit: limit)
                begin = ""
                var ids = PostgresParameters()
                ids.texts(batch[batch.order].map(\.id))
                try connection.run(
                    "delete from \(table.name.quoted) where \(table.id) = any($1::text[])", ids, limit: limit)
            }
            while !rest.isEmpty {
                var size = 0
                try connection.copy(begin + copy, limit: limit) { bytes in
                    if size == 0 { bytes.append(contentsOf: Self.copyHeader) }
                    while bytes.count < 1 << 16, let place = rest.popFirst() {
                        Self.append(batch.records[place], to: &bytes)
                    }
                    size += bytes.count
                    let goesOn = !rest.isEmpty && size < Self.copyBytes
                    if !goesOn { bytes.appendBigEndian(Int16(-1)) }
                    return goesOn
                }
                begin = ""
            }
        } catch {
            guard Self.refusals.contains(error.postgres?.sqlState), !connection.isBroken else { throw error }
            try connection.script(
                "rollback to savepoint mini_orm_copy; release savepoint mini_orm_copy", limit: limit)
            return false
        }
        return true
    }

    /// The SQLSTATEs after which inserting is tried: another writer was quicker with one of the ids; the table has
    /// policies on its rows, which a copy cannot keep; somebody holds a lock; the role may not delete.
    private static let refusals: Set<String?> = ["23505", "0A000", "55P03", "42501"]

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
        "where \(Self.isOther(columns(of: "present"), columns(of: "excluded")))"
    }

    private func columns(of row: String) -> String { "\(row).\(table.vector), \(row).\(table.payload)" }

    /// Whether columns differ in their bytes.
    private static func isOther(_ lhs: String, _ rhs: String) -> String {
        "((row(\(lhs))::record) operator(pg_catalog.*<>) (row(\(rhs))::record))"
    }

    private func parameters(_ records: some Collection<VectorRecord>) -> PostgresParameters {
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
