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

    var id: String { idColumn.quotedName }
    var vector: String { vectorColumn.quotedName }
    var payload: String { payloadColumn.quotedName }
}

/// The scores of the contract in SQL.
struct ScoreSQL {
    /// Where pgvector's types and operators are, quoted.
    let schema: String
    let metric: VectorMetric

    /// pgvector's operator for the metric: smaller is nearer.
    var distanceOperator: String {
        let sign =
            switch metric {
            case .cosine: "<=>"
            case .dot: "<#>"
            case .l2: "<->"
            }
        return "operator(\(schema).\(sign))"
    }

    /// The operator class of an index for the metric.
    func operatorClass(half: Bool) -> String {
        let kind =
            switch metric {
            case .cosine: "cosine"
            case .dot: "ip"
            case .l2: "l2"
            }
        return "\(schema).\(half ? "halfvec" : "vector")_\(kind)_ops"
    }

    /// The score of a row as a float4: the same rounding as on our side, so that equal scores tie here as there.
    ///
    /// pgvector adds in float32. Where that overflows, or under the cosine of a zero vector, its distance is infinite or
    /// not a number; the score is then computed in float8, element by element.
    func score(_ column: String, _ query: String) -> String {
        let distance = "(\(column) \(distanceOperator) \(query))"
        let (plain, sum) =
            switch metric {
            case .cosine: ("1 - \(distance)", "sum(a * b) / nullif(sqrt(sum(a * a)) * sqrt(sum(b * b)), 0)")
            case .dot: ("-\(distance)", "sum(a * b)")
            case .l2: ("-\(distance)", "-sqrt(sum((a - b) * (a - b)))")
            }
        let exact = """
            (select coalesce(\(sum), 0) from unnest(\(column)::real[]::float8[], \(query)::real[]::float8[]) as u(a, b))
            """
        let value = "case when abs(\(distance)) < 'infinity' then \(plain) else \(exact) end"
        return "least(greatest(\(value), -3.4028234e38), 3.4028234e38)::float4"
    }
}
#endif
