/// The engine that the example adapts: somebody else's, and not made for MiniORM.
///
/// It knows squared distances and products only, smallest first; its metadata is flat text, which it compares for
/// equality and nothing else; it takes texts for equal that differ in their Unicode normalization. Its calls suspend.
actor TinyEngine {
    enum Space: String { case squaredL2, negativeProduct }

    struct Row: Sendable {
        var key: String
        var vector: [Float]
        var metadata: [String: String]
    }

    struct Table: Sendable {
        var space: Space
        var metadata: [String: String]
        var rows: [String: Row] = [:]
    }

    struct NoSuchTable: Error {}

    private var tables: [String: Table] = [:]

    func names() -> [String] { Array(tables.keys) }

    /// `nil` for a table that is not there.
    func metadata(of table: String) -> [String: String]? { tables[table]?.metadata }

    /// Makes an empty table; false, and nothing is changed, where there is one already.
    func create(_ name: String, _ space: Space, metadata: [String: String]) -> Bool {
        guard tables[name] == nil else { return false }
        tables[name] = Table(space: space, metadata: metadata)
        return true
    }

    /// Whether there was such a table.
    func drop(_ name: String) -> Bool { tables.removeValue(forKey: name) != nil }

    func put(_ rows: [Row], into table: String) throws {
        guard tables[table] != nil else { throw NoSuchTable() }
        for row in rows { tables[table]?.rows[row.key] = row }
    }

    func remove(_ keys: [String], from table: String) throws -> Int {
        guard tables[table] != nil else { throw NoSuchTable() }
        return keys.count { tables[table]?.rows.removeValue(forKey: $0) != nil }
    }

    func get(_ keys: [String], from table: String) throws -> [Row] {
        guard let table = tables[table] else { throw NoSuchTable() }
        return keys.compactMap { table.rows[$0] }
    }

    /// Rows in the order of their keys, behind one of them, whose metadata has all of the pairs.
    func page(of table: String, after key: String?, count: Int, where pairs: [String: String]) throws -> [Row] {
        guard let table = tables[table] else { throw NoSuchTable() }
        let matching = table.rows.values.filter { row in
            Self.matches(row, pairs) && (key.map { row.key > $0 } ?? true)
        }
        return Array(matching.sorted { $0.key < $1.key }.prefix(count))
    }

    /// The nearest rows with their distances.
    func nearest(
        _ vector: [Float], in table: String, count: Int, where pairs: [String: String]
    ) throws -> [(row: Row, distance: Double)] {
        guard let table = tables[table] else { throw NoSuchTable() }
        let measured = table.rows.values.filter { Self.matches($0, pairs) }.map { row in
            var distance = 0.0
            for (mine, theirs) in zip(vector, row.vector) {
                let (mine, theirs) = (Double(mine), Double(theirs))
                distance += table.space == .squaredL2 ? (mine - theirs) * (mine - theirs) : -mine * theirs
            }
            return (row: row, distance: distance)
        }
        return Array(measured.sorted { ($0.distance, $0.row.key) < ($1.distance, $1.row.key) }.prefix(count))
    }

    private static func matches(_ row: Row, _ pairs: [String: String]) -> Bool {
        pairs.allSatisfy { row.metadata[$0.key] == $0.value }
    }
}
