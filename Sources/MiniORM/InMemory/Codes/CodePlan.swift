/// What a search over codes is expected to cost, and the choice of axes and stages by it.
///
/// Costs are in bytes that could be read from memory in the same time, a row and query.
struct CodePlan: Sendable {
    let book: CodeBook
    let cost: Double
    /// The axes that were learned from the sample, of which the book may have some.
    let axes: [Float]

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
    ///
    /// - Parameters:
    ///   - asked: Queries that were asked. If there are fewer than ``queries``, rows of the sample stand for them.
    ///   - axes: Those of the sample, where they are known already.
    ///   - present: How rows are coded so far: it stays unless another way costs less by a tenth, for which it is worth
    ///     coding all rows anew.
    static func best(
        _ sample: RowSample, _ asked: [AskedQuery] = [], axes known: [Float] = [], rows: Int, below limit: Double,
        present: CodeBook? = nil, isCancelled: () -> Bool = { false }
    ) -> CodePlan? {
        let asked = asked.count < queries ? standIns(sample, of: rows) : asked
        var best = (cost: limit, axes: [Float](), leading: 0, count: 0)
        func cost(_ axes: [Float], _ first: Share, _ second: Share) -> Double {
            // A query is turned onto the axes first.
            (axes.isEmpty ? 0 : 4 * Double(second.components * sample.width) / Double(rows))
                + Self.cost(
                    width: sample.width, leading: first.components,
                    refined: second.components == first.components ? 0 : first.share, measured: second.share)
        }
        func consider(_ axes: [Float], _ shares: [Share]) {
            for (index, first) in shares.enumerated() {
                for second in shares[index...] {
                    let cost = cost(axes, first, second)
                    if cost < best.cost { best = (cost, axes, first.components, second.components) }
                }
            }
        }
        let unrotated = shares(sample, axes: [], asked)
        consider([], unrotated)
        // A direction that a quarter of the sample's rows would fill is not learned from it.
        let wanted = min(mostAxes, sample.dimension * 3 / 4, sample.count / 4) / step * step
        var axes = known
        if axes.isEmpty, sample.dimension <= largestRotated, wanted > 0 {
            axes = sample.principalAxes(wanted, isCancelled: isCancelled)
            if isCancelled() { return nil }
        }
        if !axes.isEmpty { consider(axes, shares(sample, axes: axes, asked)) }
        if let present {
            let shares = present.isRotated ? shares(sample, axes: present.axes, asked) : unrotated
            if let first = shares.first(where: { $0.components == present.leading }),
                let second = shares.first(where: { $0.components == present.count })
            {
                let cost = cost(present.axes, first, second)
                if cost < limit, 0.9 * cost <= best.cost { return CodePlan(book: present, cost: cost, axes: axes) }
            }
        }
        guard best.count > 0 else { return nil }
        let book =
            best.axes.isEmpty && best.count == sample.dimension && best.leading == sample.dimension
            ? CodeBook(dimension: sample.dimension)
            : CodeBook(dimension: sample.dimension, axes: best.axes, leading: best.leading, count: best.count)
        return CodePlan(book: book, cost: best.cost, axes: axes)
    }

    private static let step = 32
    /// How many queries a plan is made for.
    static let queries = 16

    /// Rows of a sample as queries, for whose worst answers one of the best of the sample stands: in a large collection
    /// it is too low.
    private static func standIns(_ sample: RowSample, of all: Int) -> [AskedQuery] {
        let (width, rows) = (sample.width, sample.count)
        let asked = (0..<queries).map { $0 * rows / queries + rows / (2 * queries) }
        let vectors = asked.map { Array(sample.rows[$0 * width..<($0 + 1) * width]) }
        let whole = products(vectors.flatMap { $0 }, sample.rows, width: width)
        // As far up in the sample as the tenth best is among all rows, or as near to that as a sample comes.
        let rank = max(1, min(rows - 1, 10 * rows / max(1, all)))
        return zip(asked.indices, vectors).map { query, vector in
            let others = whole[query * rows..<(query + 1) * rows].enumerated().filter { $0.offset != asked[query] }
            return AskedQuery(vector: vector, cosine: others.map(\.element).sorted(by: >)[rank - 1])
        }
    }

    /// The coordinates of vectors of length 1, computed some at a time.
    private struct Coordinates {
        private let vectors: [Float]
        private let count: Int
        /// The squares so far, added up, and the highest so far but for the lead, which has no part in the scale.
        private(set) var highest: [Float]
        private var energies: [Float]

        init(_ vectors: [Float], width: Int) {
            self.vectors = vectors
            count = vectors.count / width
            energies = [Float](repeating: 0, count: count)
            highest = energies
        }

        /// What is left of the lengths.
        var tails: [Float] { energies.map { max(0, 1 - $0).squareRoot() } }

        /// The next coordinates, up to `step` of them, a vector after the other.
        mutating func next(_ components: Range<Int>, axes: [Float], width: Int) -> [Float] {
            var block = [Float](repeating: 0, count: count * step)
            if axes.isEmpty {
                for vector in 0..<count {
                    for component in components {
                        block[vector * step + component - components.lowerBound] = vectors[vector * width + component]
                    }
                }
            } else {
                let few = Array(axes[components.lowerBound * width..<components.upperBound * width])
                RowSample.products(vectors, count, few, components.count, width: width, into: &block, stride: step)
            }
            let leads = components.lowerBound == 0 && !axes.isEmpty ? 1 : 0
            for vector in 0..<count {
                for (index, value) in block[vector * step..<(vector + 1) * step].enumerated() {
                    energies[vector] += value * value
                    if index >= leads { highest[vector] = max(highest[vector], value.magnitude) }
                }
            }
            return block
        }
    }

    /// The share of all rows that so many leading components do not rule out.
    private typealias Share = (components: Int, share: Double)

    /// For numbers of leading components, what they leave.
    private static func shares(_ sample: RowSample, axes: [Float], _ asked: [AskedQuery]) -> [Share] {
        let (width, rows) = (sample.width, sample.count)
        var ofRows = Coordinates(sample.rows, width: width)
        var ofQueries = Coordinates(asked.flatMap(\.vector), width: width)
        let least = asked.flatMap { query in sample.norms.map { query.leastCosine(rowNorm: $0) } }
        var shares: [Share] = []
        var sums = [Float](repeating: 0, count: asked.count * rows)
        let components = axes.isEmpty ? sample.dimension : axes.count / width
        for start in stride(from: 0, to: components, by: step) {
            let end = min(start + step, components)
            let block = ofRows.next(start..<end, axes: axes, width: width)
            let further = products(ofQueries.next(start..<end, axes: axes, width: width), block, width: step)
            for index in sums.indices { sums[index] += further[index] }
            // The residual of a component is spread evenly over a step of the scale.
            let perScale = (Float(end) / 12).squareRoot() / 127
            let (rowTails, queryTails) = (ofRows.tails, ofQueries.tails)
            var left = 0
            for query in asked.indices {
                for row in 0..<rows {
                    let missed = (ofRows.highest[row] + ofQueries.highest[query]) * perScale
                    let bound = sums[query * rows + row] + rowTails[row] * queryTails[query] + missed
                    if bound >= least[query * rows + row] { left += 1 }
                }
            }
            shares.append((end, Double(left) / Double(asked.count * rows)))
        }
        return shares
    }

    private static func products(_ vectors: [Float], _ rows: [Float], width: Int) -> [Float] {
        let (count, rowCount) = (vectors.count / width, rows.count / width)
        var results = [Float](repeating: 0, count: count * rowCount)
        RowSample.products(vectors, count, rows, rowCount, width: width, into: &results, stride: rowCount)
        return results
    }
}

/// A query as a plan is made for it: brought to length 1, and what its worst answer was worth.
struct AskedQuery: Sendable {
    /// Padded.
    let vector: [Float]
    private let metric: VectorMetric
    private let norm: Double
    private let floor: Double

    /// - Parameter floor: The score of the query's worst answer.
    init(_ queries: PreparedQueries, _ query: Int, floor: Double) {
        (metric, norm, self.floor) = (queries.metric, queries.norm(query), floor)
        let inverse = 1 / norm
        vector = UnsafeBufferPointer(start: queries.vector(query), count: queries.width).map {
            Float(Double($0) * inverse)
        }
    }

    init(vector: [Float], cosine: Float) {
        self.vector = vector
        (metric, norm, floor) = (.cosine, 1, Double(cosine))
    }

    /// The cosine of the angle with the query, below which a row of a norm is not among the answers.
    func leastCosine(rowNorm: Double) -> Float {
        switch metric {
        case .cosine: Float(floor)
        case .dot: Float(floor / (norm * rowNorm))
        case .l2: Float((norm * norm + rowNorm * rowNorm - floor * floor) / (2 * norm * rowNorm))
        }
    }
}
