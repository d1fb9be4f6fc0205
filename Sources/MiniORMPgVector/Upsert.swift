#if PgVector
import MiniORM

/// Inserting or replacing records in a table.
struct Upsert {
    let table: CollectionTable
    let pgvector: Session.Extension

    /// A statement holds so many rows, or so many bytes of vectors, at the most.
    private static let rows = 1000
    private static let bytes = 8 << 20

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
        let keys = records.map { UTF8Key($0.id) }
        if zip(keys, keys.dropFirst()).allSatisfy({ $0 < $1 }) { return records }
        // Of several records with one id the last one counts.
        let order = keys.indices.sorted { keys[$0] == keys[$1] ? $0 < $1 : keys[$0] < keys[$1] }
        var unique: [Int] = []
        for index in order {
            if let last = unique.last, keys[last] == keys[index] { unique.removeLast() }
            unique.append(index)
        }
        return unique.map { records[$0] }
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
            if try copyIfNew(records, connection, limit) { return }
            var rest = records[...]
            while !rest.isEmpty {
                try connection.run(sql, parameters(rest.prefix(size)), limit: limit)
                rest = rest.dropFirst(size)
            }
        }
    }

    /// Copies the records in, where none of their ids is there: twice as fast as inserting them. False where one is.
    private func copyIfNew(
        _ records: [VectorRecord], _ connection: PostgresConnection, _ limit: CallLimit
    ) throws(VectorStoreError) -> Bool {
        var ids = PostgresParameters()
        ids.texts(records.map(\.id))
        let present = try connection.run(
            "select exists (select from \(table.name.quoted) where \(table.id) = any($1::text[]))", ids, limit: limit)
        if present.bool(0, 0) { return false }
        try connection.script("savepoint mini_orm_copy", limit: limit)
        var rest = records[...]
        var isFirst = true
        do {
            try connection.copy(
                "copy \(table.name.quoted) (\(table.id), \(table.vector), \(table.payload)) from stdin (format binary)",
                limit: limit
            ) { bytes in
                if isFirst { bytes.append(contentsOf: Self.copyHeader) }
                isFirst = false
                while bytes.count < 1 << 18, let record = rest.popFirst() { Self.append(record, to: &bytes) }
                if rest.isEmpty { bytes.appendBigEndian(Int16(-1)) }
                return !rest.isEmpty
            }
        } catch {
            // Another writer may have been quicker with one of the ids.
            guard error.postgres?.sqlState == "23505", !connection.isBroken else { throw error }
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
        insert into \(table.name.quoted) (\(table.id), \(table.vector), \(table.payload))
        select * from unnest($1::text[], $2::\(pgvector.schema).vector[], $3::jsonb[])
        on conflict (\(table.id)) do update
        set \(table.vector) = excluded.\(table.vector), \(table.payload) = excluded.\(table.payload)
        """
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
