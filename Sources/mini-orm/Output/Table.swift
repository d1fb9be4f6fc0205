/// Rows in columns, for a person to read.
struct Table {
    /// On which side of its column a cell stands.
    enum Side { case left, right }

    /// A column: its heading, its side, and whether it may be cut where the terminal is narrow.
    struct Column {
        var heading: String
        var side: Side = .left
        var isCut = false
    }

    /// The columns.
    var columns: [Column]
    /// The rows; each has a cell a column. Cells are made safe for a terminal.
    var rows: [[String]] = []

    init(_ columns: [Column]) { self.columns = columns }

    /// The table's lines.
    ///
    /// - Parameter width: How many columns of the terminal there are; `nil` cuts nothing.
    func lines(width: Int?) -> [String] {
        let cells = ([columns.map(\.heading)] + rows).map { $0.map(\.terminalSafe) }
        var widths = columns.indices.map { index in cells.map { $0[index].columns }.max() ?? 0 }
        if let width { Self.shrink(&widths, columns, to: width) }
        var lines = cells.map { row in
            var line = ""
            for (index, cell) in row.enumerated() {
                let text = cell.fitted(to: widths[index])
                let padding = String(repeating: " ", count: max(0, widths[index] - text.columns))
                line += (index == 0 ? "" : "  ") + (columns[index].side == .left ? text + padding : padding + text)
            }
            return line.trimmingSpaces
        }
        lines.insert(widths.map { String(repeating: "-", count: $0) }.joined(separator: "  "), at: 1)
        return lines
    }

    /// Takes columns away from the widest of those that may be cut, until the table fits.
    private static func shrink(_ widths: inout [Int], _ columns: [Column], to width: Int) {
        var excess = widths.reduce(0, +) + 2 * max(0, widths.count - 1) - width
        while excess > 0 {
            let cuttable = columns.indices.filter { columns[$0].isCut && widths[$0] > 8 }
            guard let widest = cuttable.max(by: { widths[$0] < widths[$1] }) else { return }
            widths[widest] -= 1
            excess -= 1
        }
    }
}

extension String {
    fileprivate var trimmingSpaces: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
