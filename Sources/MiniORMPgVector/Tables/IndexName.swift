#if PgVector
import MiniORM

/// The name of an index that this library builds: one of a kind for a table, which its number tells.
struct IndexName: Sendable {
    let schema: String
    let name: String

    private init(schema: String, name: String) {
        self.schema = schema
        self.name = name
    }

    /// The approximate index on the vectors.
    static func vector(of table: CollectionTable) -> Self {
        Self(schema: table.name.schema, name: "\(vectorPrefix)\(table.oid)")
    }

    /// The index on whole payloads.
    static func payload(of table: CollectionTable) -> Self {
        Self(schema: table.name.schema, name: "\(payloadPrefix)\(table.oid)")
    }

    /// The index on a field of the payloads.
    static func field(_ path: FieldPath, of table: CollectionTable) -> Self {
        Self(schema: table.name.schema, name: "\(fieldPrefix)\(table.oid)_\(key(of: path))")
    }

    static let payloadPrefix = "mini_orm_payload_"
    static let fieldPrefix = "mini_orm_field_"

    /// A name for the index of the rows that ``ScoreSQL/isBeyond(_:)`` tells. Random, as it is made with the table, whose
    /// number is not known yet.
    static func newRange() -> String { rangePrefix + random }

    /// A name for the index of the ids. The server would make one of the table's, which another collection may have.
    static func newKey() -> String { keyPrefix + random }

    private static var random: String { String(UInt64.random(in: 0 ... .max), radix: 16) }

    static let vectorPrefix = "mini_orm_vector_"
    static let rangePrefix = "mini_orm_range_"
    static let keyPrefix = "mini_orm_key_"

    /// What the name of a field's index ends with: made of the path's bytes.
    static func key(of path: FieldPath) -> String {
        let hash = path.parts.joined(separator: "\u{0}").utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { hash, byte in
            (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        return String(hash, radix: 16)
    }

    /// While it is built.
    var new: Self { Self(schema: schema, name: name + "_new") }
    /// While it is dropped, after a new one took its place.
    var old: Self { Self(schema: schema, name: name + "_old") }

    /// For SQL.
    var quoted: String { "\(schema.quotedName).\(name.quotedName)" }
}
#endif
