#if PgVector
import MiniORM

/// A schema and a table, from a collection's name.
struct TableName: Sendable {
    let schema: String
    let table: String

    /// `schema.table`, cut at the first dot, or `table` in the store's schema.
    ///
    /// Throws `VectorStoreError.Code.invalidCollectionName` where PostgreSQL would cut or refuse a part, and where the
    /// table is that of another name: two names never meet.
    init(_ name: String, defaultSchema: String) throws(VectorStoreError) {
        let parts = name.unicodeScalars.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        schema = parts.count == 2 ? String(parts[0]) : defaultSchema
        table = parts.last.map { String($0) } ?? ""
        for part in [schema, table] {
            guard !part.isEmpty, part.utf8.count <= Self.longest, !part.utf8.contains(0) else {
                throw .pgvector(
                    .invalidCollectionName, "a table and a schema have names of 1 to 63 bytes without NUL",
                    collection: name)
            }
        }
        guard !schema.utf8.starts(with: "pg_".utf8) else {
            throw .pgvector(
                .invalidCollectionName, "schemas whose names begin with pg_ are the server's own", collection: name)
        }
        guard let own = collection(defaultSchema: defaultSchema), UTF8Key(own) == UTF8Key(name) else {
            throw .pgvector(
                .invalidCollectionName,
                "a collection in the store's own schema is named without it, and none with \"\(Self.suffix)\" at its end",
                collection: name)
        }
    }

    /// What follows the collection's name in the table's where a type has that name, as `vector` in the schema of the
    /// extension: the rows of a table are of a type that is called like it.
    private static let suffix = " (collection)"

    /// The name of the table where a type has the collection's; `nil` where it would be too long.
    var besideType: TableName? {
        let name = TableName(schema: schema, table: table + Self.suffix)
        return name.table.utf8.count <= Self.longest ? name : nil
    }

    /// In bytes.
    private static let longest = 63

    /// The name of the collection in a store with a schema; `nil` where it has none there.
    func collection(defaultSchema: String) -> String? {
        let isDotted = table.unicodeScalars.contains(".")
        var table = table
        // By bytes: a character before the suffix may be one with its space.
        let length = Self.suffix.utf8.count
        if table.utf8.suffix(length).elementsEqual(Self.suffix.utf8) {
            table = String(decoding: table.utf8.dropLast(length), as: UTF8.self)
        }
        if UTF8Key(schema) == UTF8Key(defaultSchema), !isDotted { return table }
        return schema.unicodeScalars.contains(".") ? nil : "\(schema).\(table)"
    }

    init(schema: String, table: String) {
        self.schema = schema
        self.table = table
    }

    /// For SQL.
    var quoted: String { "\(schema.quotedName).\(table.quotedName)" }
}

extension String {
    /// As a name in SQL, whatever characters it has.
    var quotedName: String {
        var text = "\""
        for scalar in unicodeScalars {
            if scalar == "\"" { text += "\"" }
            text.unicodeScalars.append(scalar)
        }
        return text + "\""
    }

    /// As a text in SQL, where nothing can be bound (in DDL).
    var quotedLiteral: String {
        var text = " E'"
        for scalar in unicodeScalars {
            if scalar == "'" || scalar == "\\" { text.unicodeScalars.append(scalar) }
            text.unicodeScalars.append(scalar)
        }
        return text + "'"
    }
}
#endif
