#if PgVector
import MiniORM

/// A collection as it is in the database.
struct CollectionTable: Sendable {
    /// An approximate index on the vectors.
    enum Approximation: String, Sendable {
        case hnsw
        case ivfflat
    }

    var description: CollectionDescription
    var name: TableName
    /// The table's number, which a table made anew under the same name does not have.
    var oid: Int64
    var idColumn: String
    var vectorColumn: String
    var payloadColumn: String
    /// Whether this library made the table, and so may drop it.
    var isOurs: Bool
    var approximation: Approximation?
    /// Whether the index holds vectors of half precision.
    var isHalf: Bool
    /// `hnsw.ef_search` or `ivfflat.probes`.
    var searchEffort: Int?
    /// Whether there is a GIN index on the payload.
    var hasPayloadIndex: Bool
    /// The paths that there are indexes on; see ``IndexName/key(of:)``.
    var fieldIndexes: Set<String>
    /// Whether there is an index of the rows that ``ScoreSQL/isBeyond(_:)`` tells.
    var hasRangeIndex: Bool

    var id: String { idColumn.quotedName }
    var vector: String { vectorColumn.quotedName }
    var payload: String { payloadColumn.quotedName }
}
#endif
