#if PgVector
import MiniORM

/// The scores of the contract in SQL.
struct ScoreSQL {
    /// Where pgvector's types and operators are, quoted.
    let schema: String
    let metric: VectorMetric

    /// pgvector's operator for the metric: smaller is nearer.
    var distanceOperator: String { named(sign) }

    private var sign: String {
        switch metric {
        case .cosine: "<=>"
        case .dot: "<#>"
        case .l2: "<->"
        }
    }

    private func named(_ sign: String) -> String { "operator(\(schema).\(sign))" }

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
    /// pgvector adds in float32, in which squares leave the range long before numbers do, and says nothing of it: the
    /// cosine of `[1e20, 0]` and `[1, 0]` is 0. Its distance is taken where that cannot have happened; else the score is
    /// computed in float8, element by element. To know costs no more than one more of pgvector's operators.
    func score(_ column: String, _ query: String, _ range: QueryVector.Range) -> String {
        switch range {
        case .zero: "0::float4"
        case .wide: "\(exact(column, query))::float4"
        case .usual: "coalesce(\(plain(column, query)), \(exact(column, query)))::float4"
        }
    }

    /// The same, but null for a row that has to be scored element by element; `nil` where that is every row.
    ///
    /// There are hardly ever such rows, and without the subquery that they need the server can share a scan among
    /// processes, and knows what it costs.
    ///
    /// - Parameter isOneBeyond: Whether there is a row that ``isBeyond(_:)`` tells, where that can be known at once: then
    ///   a row is looked at once and no more.
    func scoreOfMost(
        _ column: String, _ query: String, _ range: QueryVector.Range, isOneBeyond: String?
    ) -> String? {
        switch range {
        case .zero: return "0::float4"
        case .wide: return nil
        case .usual:
            let careful = plain(column, query)
            guard let isOneBeyond else { return "(\(careful))::float4" }
            return "(case when \(isOneBeyond) then \(careful) else \(similarity(column, query)) end)::float4"
        }
    }

    /// Whether the length of a row's vector alone may make its distance wrong; `nil` where it is not the length that does.
    func isBeyond(_ column: String) -> String? {
        metric == .l2 ? nil : "(not (\(schema).vector_norm(\(column)) between \(Self.shortest) and \(Self.longest)))"
    }

    /// The lengths between which a row's distance from a query of ``QueryVector/Range/usual`` is right.
    private static let (shortest, longest) = ("1e-15", "1e15")

    private func distance(_ column: String, _ query: String) -> String { "(\(column) \(distanceOperator) \(query))" }

    /// The score that a distance stands for.
    private func similarity(_ column: String, _ query: String) -> String {
        (metric == .cosine ? "1 - " : "-") + distance(column, query)
    }

    /// The score by pgvector's operators; null where it might be wrong.
    private func plain(_ column: String, _ query: String) -> String {
        let (distance, similarity) = (distance(column, query), similarity(column, query))
        let norm = "\(schema).vector_norm(\(column))"
        /// The score of a row whose norm does no harm, and of one of zeros.
        let byNorm = """
            case width_bucket(\(norm), \(Self.shortest), \(Self.longest), 1)
                when 1 then \(similarity) when 0 then case \(norm) when 0 then 0 end end
            """
        return switch metric {
        case .cosine:
            // With a query's norm up to 1e3 such a product tells that the row's is at least 1e-17, whose square float32
            // holds. A square that is too large makes a distance of 1, or none.
            """
            coalesce(case when abs(\(column) \(named("<#>")) \(query)) >= 1e-14
                then 1 - nullif(nullif(\(distance), 1), 'NaN') end, \(byNorm))
            """
        case .dot:
            // What the products lost below float32's range is less than 1e-40.
            """
            coalesce(\(Self.between(1e-20, 1e38, similarity)), -\(Self.between(1e-20, 1e38, distance)),
                \(byNorm))
            """
        case .l2:
            // So is what the squares lost.
            """
            coalesce(-\(Self.between(1e-15, 1e30, distance)),
                case when \(column) \(named("=")) \(query) then 0 end)
            """
        }
    }

    /// A value, computed once; null unless it lies between two bounds. NaN counts as more than every number.
    private static func between(_ low: Double, _ high: Double, _ value: String) -> String {
        "nullif(nullif(least(greatest(\(value), \(low)), \(high)), \(high)), \(low))"
    }

    /// The score in float8. Below half of the least float4 it is 0: the cast would be an error.
    private func exact(_ column: String, _ query: String) -> String {
        let sum =
            switch metric {
            case .cosine: "sum(a * b) / nullif(sqrt(sum(a * a)) * sqrt(sum(b * b)), 0)"
            case .dot: "sum(a * b)"
            case .l2: "-sqrt(sum((a - b) * (a - b)))"
            }
        return """
            (select case when abs(total) < 7.1e-46 then 0
                else least(greatest(total, -3.4028234e38), 3.4028234e38) end from (
                select coalesce(\(sum), 0) as total
                from unnest(\(column)::real[]::float8[], \(query)::real[]::float8[]) as u(a, b)) as sums)
            """
    }
}

/// A query's vector in the form that it is sent in.
struct QueryVector {
    /// How scores with it are computed.
    enum Range {
        /// Every score is 0.
        case zero
        /// By pgvector, where the row allows.
        case usual
        /// In float8.
        case wide
    }

    let values: [Float]
    let range: Range
    /// Whether an index finds its way by distances in float32.
    let isIndexable: Bool

    /// - Parameter isHalf: Whether an index of half precision is to be asked, whose range is far smaller still.
    init(_ vector: [Float], metric: VectorMetric, isHalf: Bool) {
        let norm = vector.reduce(into: 0.0) { $0 += Double($1) * Double($1) }.squareRoot()
        isIndexable = metric == .cosine ? norm > 0 : (metric == .l2 ? 0...1e15 : 1e-15...1e15).contains(norm)
        if metric == .l2 {
            (values, range) = (vector, .usual)
        } else if norm == 0 {
            (values, range) = (vector, .zero)
        } else if metric == .dot {
            (values, range) = (vector, (1e-15...1e15).contains(norm) ? .usual : .wide)
        } else if !isHalf, (1e-3...1e3).contains(norm) {
            (values, range) = (vector, .usual)
        } else {
            // A cosine is the same for every multiple; by a power of two, to the last bit.
            let power = Double(sign: .plus, exponent: 6 - norm.exponent, significand: 1)
            (values, range) = (vector.map { Float(Double($0) * power) }, .usual)
        }
    }
}
#endif
