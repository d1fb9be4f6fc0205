/// Which rows of a snapshot a search looks at.
///
/// A selection belongs to one snapshot. It may hold dead rows, which the search leaves out, but no row at or beyond the
/// count of its part.
struct RowSelection: Sendable {
    private let parts: [RowSet?]?

    /// Every row.
    static let all = RowSelection(parts: nil)

    private init(parts: [RowSet?]?) { self.parts = parts }

    /// - Parameter parts: The rows of each part of the snapshot; `nil` for every row of that part.
    init(_ parts: [RowSet?]) { self.parts = parts }

    /// Whether rows may be left out.
    var isSome: Bool { parts != nil }

    /// The selected rows of a part, by its position in the snapshot; `nil` for every row.
    func rows(of part: Int) -> RowSet? {
        guard let parts, parts.indices.contains(part) else { return nil }
        return parts[part]
    }
}
