/// What a search over codes is expected to cost, and the choice of axes and stages by it.
///
/// Costs are in bytes that could be read from memory in the same time, a row and query.
struct CodePlan: Sendable {
    let book: CodeBook
    let cost: Double

    /// What it costs to bring a record of the second stage to the processor, and a row to be measured.
    private static let recordCost = 1600.0
    private static func rowCost(width: Int) -> Double { 4000 + 4 * Double(width) }

    /// The cost of measuring every row.
    static func plainCost(width: Int) -> Double { 4 * Double(width) }

    /// What a search took: the cost of rows that were bounded, refined, measured on their own and measured in a scan.
    static func cost(_ book: CodeBook, _ counts: CodedSearch.Tally.Counts) -> Double {
        let rows = Double(counts.bounded + counts.scanned)
        let bounded = Double(counts.bounded) / rows
        let rest = cost(
            width: book.width, leading: 0, refined: Double(counts.refined) / rows,
            measured: Double(counts.measured) / rows)
        return bounded * boundCost(leading: book.leading) + (1 - bounded) * plainCost(width: book.width) + rest
            - boundCost(leading: 0)
    }

    /// Whether so many rows cost less on their own than all rows of a part do with codes, or without.
    static func isFew(_ selected: Int, of rows: Int, _ book: CodeBook?) -> Bool {
        guard let book else { return selected <= rows / ExactSearch.rowsPerPick }
        return Double(selected) * rowCost(width: book.width) <= Double(rows) * boundCost(leading: book.leading)
    }

    private static func boundCost(leading: Int) -> Double { Double(leading) + 20 }

    private static func cost(width: Int, leading: Int, refined: Double, measured: Double) -> Double {
        boundCost(leading: leading) + refined * recordCost + measured * rowCost(width: width)
    }

    /// The largest dimension for which axes are learned; beyond, that takes too long.
    private static let largestRotated = 2048
    private static let mostAxes = 512

    /// The quickest way for rows such as these; `nil` if it does not cost less than a limit, or nobody waits for it.
    static func best(
        _ sample: RowSample, rows: Int, below limit: Double, isCancelled: () -> Bool = { false }
    ) -> CodePlan? {
        var best = (cost: limit, axes: [Float](), leading: 0, count: 0)
        func consider(_ axes: [Float], _ shares: [(components: Int, share: Double)], fixedCost: Double) {
            for (index, first) in shares.enumerated() {
                for second in shares[index...] {
                    let isOneStage = second.components == first.components
                    let cost =
                        fixedCost
                        + cost(
                            width: sample.width, leading: first.components, refined: isOneStage ? 0 : first.share,
                            measured: second.share)
                    if cost < best.cost { best = (cost, axes, first.components, second.components) }
                }
            }
        }
        consider([], shares(sample, axes: [], of: rows), fixedCost: 0)
        // A direction that a quarter of the sample's rows would fill is not learned from it.
        let wanted = min(mostAxes, sample.dimension * 3 / 4, sample.count / 4) / step * step
        if sample.dimension <= largestRotated, wanted > 0 {
            let axes = sample.principalAxes(wanted, isCancelled: isCancelled)
            if isCancelled() { return nil }
            // A query is turned onto the axes first.
            let fixedCost = Double(axes.count) * 4 / Double(rows)
            consider(axes, shares(sample, axes: axes, of: rows), fixedCost: fixedCost)
        }
        guard best.count > 0 else { return nil }
        let book =
            best.axes.isEmpty && best.count == sample.dimension && best.leading == sample.dimension
            ? CodeBook(dimension: sample.dimension)
            : CodeBook(dimension: sample.dimension, axes: best.axes, leading: best.leading, count: best.count)
        return CodePlan(book: book, cost: best.cost)
    }

    private static let step = 32
    private static let queries = 16

    /// For numbers of leading components, the share of `all` rows that they do not rule out. Rows of the sample stand
    /// for queries, and one of the best of the sample for the tenth best of all rows: in a large collection too low.
    private static func shares(
        _ sample: RowSample, axes: [Float], of all: Int
    ) -> [(components: Int, share: Double)] {
        let (width, rows) = (sample.width, sample.count)
        let asked = (0..<queries).map { $0 * rows / queries + rows / (2 * queries) }
        let whole = products(sample, asked, block: sample.rows, width: width)
        // As far up in the sample as the tenth best is among all rows, or as near to that as a sample comes.
        let rank = max(1, min(rows - 1, 10 * rows / max(1, all)))
        let thresholds = asked.indices.map { query in
            whole[query * rows..<(query + 1) * rows].enumerated().filter { $0.offset != asked[query] }
                .map(\.element).sorted(by: >)[rank - 1]
        }
        var shares: [(Int, Double)] = []
        var sums = [Float](repeating: 0, count: queries * rows)
        var energies = [Float](repeating: 0, count: rows)
        var highest = [Float](repeating: 0, count: rows)
        let components = axes.isEmpty ? sample.dimension : axes.count / width
        for start in stride(from: 0, to: components, by: step) {
            let end = min(start + step, components)
            var block = [Float](repeating: 0, count: rows * step)
            if axes.isEmpty {
                for row in 0..<rows {
                    for component in start..<end {
                        block[row * step + component - start] = sample.rows[row * width + component]
                    }
                }
            } else {
                let few = Array(axes[start * width..<end * width])
                RowSample.products(sample.rows, rows, few, end - start, width: width, into: &block, stride: step)
            }
            // The lead has no part in the scale.
            let leads = start == 0 && !axes.isEmpty ? 1 : 0
            for row in 0..<rows {
                for (index, value) in block[row * step..<(row + 1) * step].enumerated() {
                    energies[row] += value * value
                    if index >= leads { highest[row] = max(highest[row], value.magnitude) }
                }
            }
            let further = products(sample, asked, block: block, width: step)
            for index in sums.indices { sums[index] += further[index] }
            // The residual of a component is spread evenly over a step of the scale.
            let perScale = (Float(end) / 12).squareRoot() / 127
            let tails = energies.map { max(0, 1 - $0).squareRoot() }
            var left = 0
            for (query, own) in asked.enumerated() {
                for row in 0..<rows where row != own {
                    let missed = (highest[row] + highest[own]) * perScale
                    let bound = sums[query * rows + row] + tails[row] * tails[own] + missed
                    if bound >= thresholds[query] { left += 1 }
                }
            }
            shares.append((end, Double(left) / Double(queries * rows)))
        }
        return shares
    }

    private static func products(_ sample: RowSample, _ asked: [Int], block: [Float], width: Int) -> [Float] {
        var results = [Float](repeating: 0, count: asked.count * sample.count)
        let vectors = asked.flatMap { block[$0 * width..<($0 + 1) * width] }
        RowSample.products(
            vectors, asked.count, block, sample.count, width: width, into: &results, stride: sample.count)
        return results
    }
}
