internal import CVectorKernels

/// What a search over codes is expected to cost, and the choice of axes and stages by it.
///
/// Costs are in bytes that could be read from memory in the same time, a row and query.
struct CodePlan: Sendable {
    let book: CodeBook
    let cost: Double
    /// The axes that were learned from the sample, of which the book may have some.
    let axes: [Float]

    /// What it costs to bring a record of the second stage to the processor, and a row to be measured. For a query alone
    /// a record takes half as long, but in a batch, which has the first stage in the cache, this.
    private static let recordCost = 3200.0
    private static func rowCost(width: Int) -> Double { 4000 + 4 * Double(width) }

    /// The cost of measuring every row.
    static func plainCost(width: Int) -> Double { 4 * Double(width) }

    /// What a search took: the cost of rows that were bounded, refined, measured on their own and measured in a scan.
    static func cost(_ book: CodeBook, _ counts: CodedSearch.Tally.Counts) -> Double {
        let rows = Double(counts.bounded + counts.scanned)
        let bounded = Double(counts.bounded) / rows
        let rest = cost(
            width: book.width, bytes: 0, refined: Double(counts.refined) / rows,
            measured: Double(counts.measured) / rows)
        return bounded * boundCost(bytes: book.scannedBytes) + (1 - bounded) * plainCost(width: book.width) + rest
            - boundCost(bytes: 0)
    }

    /// Whether so many rows cost less on their own than all rows of a part do with codes, or without.
    static func isFew(_ selected: Int, of rows: Int, _ book: CodeBook?) -> Bool {
        guard let book else { return selected <= rows / ExactSearch.rowsPerPick }
        return Double(selected) * rowCost(width: book.width) <= Double(rows) * boundCost(bytes: book.scannedBytes)
    }

    private static func boundCost(bytes: Double) -> Double { bytes + 20 }

    private static func cost(width: Int, bytes: Double, refined: Double, measured: Double) -> Double {
        boundCost(bytes: bytes) + refined * recordCost + measured * rowCost(width: width)
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
        var best: (cost: Double, axes: [Float], stages: (first: Share, second: Share)?) = (limit, [], nil)
        func cost(_ axes: [Float], _ first: Share, _ second: Share) -> Double {
            // A query is turned onto the axes first.
            (axes.isEmpty ? 0 : 4 * Double(second.components * sample.width) / Double(rows))
                + Self.cost(
                    width: sample.width, bytes: first.bytes,
                    refined: second.components == first.fine ? 0 : first.share, measured: second.share)
        }
        func consider(_ axes: [Float], _ shares: [Share]) {
            for first in shares {
                for second in shares where second.coarse == 0 && second.components >= first.components {
                    let cost = cost(axes, first, second)
                    if cost < best.cost { best = (cost, axes, (first, second)) }
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
            if let first = shares.first(where: { $0.components == present.leading && $0.coarse == present.coarse }),
                let second = shares.first(where: { $0.components == present.count && $0.coarse == 0 })
            {
                let cost = cost(present.axes, first, second)
                if cost < limit, 0.9 * cost <= best.cost { return CodePlan(book: present, cost: cost, axes: axes) }
            }
        }
        guard let (first, second) = best.stages else { return nil }
        let isWhole = best.axes.isEmpty && first.fine == sample.dimension
        let book =
            isWhole
            ? CodeBook(dimension: sample.dimension)
            : CodeBook(
                dimension: sample.dimension, axes: best.axes, leading: first.components, count: second.components,
                coarse: first.coarse)
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
        /// The squares so far, added up, and those of the leads, which have no codes.
        private(set) var energies: [Float]
        private var leads: [Float]
        /// The highest magnitudes, so far and among the latest, but for the lead.
        private(set) var highest: [Float]
        private(set) var latest: [Float]

        init(_ vectors: [Float], width: Int) {
            self.vectors = vectors
            count = vectors.count / width
            energies = [Float](repeating: 0, count: count)
            (leads, highest, latest) = (energies, energies, energies)
        }

        /// What is left of the lengths.
        var tails: [Float] { energies.map { max(0, 1 - $0).squareRoot() } }
        /// The squares of components that have codes, added up.
        var coded: [Float] { zip(energies, leads).map { max(0, $0 - $1) } }

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
            let hasLeads = components.lowerBound == 0 && !axes.isEmpty
            for vector in 0..<count {
                latest[vector] = 0
                for (index, value) in block[vector * step..<(vector + 1) * step].enumerated() {
                    energies[vector] += value * value
                    if index > 0 || !hasLeads { latest[vector] = max(latest[vector], value.magnitude) }
                }
                if hasLeads { leads[vector] = block[vector * step] * block[vector * step] }
                highest[vector] = max(highest[vector], latest[vector])
            }
            return block
        }
    }

    /// Rows and queries of which the components from one on have coarse codes.
    private struct CoarseCoordinates {
        let fine: Int
        private let highestOfRows: [Float]
        private let queries: Coordinates
        private var highestOfQueries: [Float]

        init(fine: Int, _ rows: Coordinates, _ queries: Coordinates) {
            self.fine = fine
            highestOfRows = rows.highest
            self.queries = queries
            highestOfQueries = queries.highest.map { _ in 0 }
        }

        mutating func add(_ queries: Coordinates) {
            for index in highestOfQueries.indices {
                highestOfQueries[index] = max(highestOfQueries[index], queries.latest[index])
            }
        }

        /// What the codes of each row miss, in terms of the steps of those that are not coarse.
        ///
        /// - Parameter columns: The rows' components from `fine` on, each of all rows.
        func missedByRows(_ columns: ArraySlice<Float>) -> [Float] {
            let rows = highestOfRows.count
            let (weight, count) = (Double(CVK_COARSE), columns.count / rows)
            var missed: [Float] = []
            missed.reserveCapacity(rows)
            let ones = [Double](repeating: 1, count: 16)
            var (energies, steps, residuals, highest) = (ones, ones, ones, ones)
            columns.withUnsafeBufferPointer { columns in
                guard let base = columns.baseAddress else { return }
                for start in stride(from: 0, to: rows, by: 16) {
                    cvk_coarse_steps(base + start, rows, count, ones, &energies, &steps, &residuals, &highest)
                    for row in 0..<16 {
                        let step = max(steps[row] / weight, Double(highestOfRows[start + row]) / 127)
                        let coarse =
                            step * weight > steps[row]
                            ? Double(count) / 12 * step * step : residuals[row] / weight / weight
                        missed.append(Float((Double(fine) / 12 * step * step + coarse).squareRoot()))
                    }
                }
            }
            return missed
        }

        /// The steps of queries' codes, and the queries' norms in the same terms as what rows' codes miss.
        func ofQueries(_ now: Coordinates, most: Float) -> (steps: [Float], norms: [Float]) {
            let weight = Float(CVK_COARSE)
            let norms = zip(queries.coded, now.coded).map { before, all in
                (before + weight * weight * max(0, all - before)).squareRoot()
            }
            let steps = highestOfQueries.indices.map {
                max(queries.highest[$0] / most, weight * highestOfQueries[$0] / 127)
            }
            return (steps, norms)
        }
    }

    /// The share of all rows that a first stage does not rule out.
    private struct Share {
        var components: Int
        /// How many of them, the last ones, have coarse codes.
        var coarse: Int
        var share: Double
        var fine: Int { components - coarse }
        var bytes: Double { CodeBook.scannedBytes(fine: fine, coarse: coarse) }
    }

    /// For numbers of leading components, with and without coarse codes, what they leave.
    private static func shares(_ sample: RowSample, axes: [Float], _ asked: [AskedQuery]) -> [Share] {
        let (width, rows) = (sample.width, sample.count)
        var ofRows = Coordinates(sample.rows, width: width)
        var ofQueries = Coordinates(asked.flatMap(\.vector), width: width)
        let least = asked.flatMap { query in sample.norms.map { query.leastCosine(rowNorm: $0) } }
        var shares: [Share] = []
        var sums = [Float](repeating: 0, count: asked.count * rows)
        let most = Float(cvk_most_of_query(VectorKernel.best.raw))
        let components = axes.isEmpty ? sample.dimension : axes.count / width
        // Along axes the strongest components keep their codes. One or two ways are enough: they hardly differ. Without
        // axes there is no order, and all are coarse or none; very many would take long to look at.
        let fines = axes.isEmpty ? (components <= largestRotated ? [0] : []) : [step, 2 * step]
        var coarse: [CoarseCoordinates] = []
        // The rows' components that may be coarse, each of all rows.
        var columns: [Float] = []
        for start in stride(from: 0, to: components, by: step) {
            if fines.contains(start) { coarse.append(CoarseCoordinates(fine: start, ofRows, ofQueries)) }
            let end = min(start + step, components)
            let block = ofRows.next(start..<end, axes: axes, width: width)
            let further = products(ofQueries.next(start..<end, axes: axes, width: width), block, width: step)
            for index in sums.indices { sums[index] += further[index] }
            let (rowTails, queryTails) = (ofRows.tails, ofQueries.tails)
            func add(coarse: Int, missedByRows: [Float], _ querySteps: [Float], _ queryNorms: [Float]) {
                // What codes miss of a component is spread evenly over a step; a query's coarse ones are shorter.
                let weight = Float(CVK_COARSE)
                let perStep = ((Float(end - coarse) + Float(coarse) / (weight * weight)) / 12).squareRoot()
                var left = 0
                for query in asked.indices {
                    let (norm, missed) = (queryNorms[query], perStep * querySteps[query])
                    for row in 0..<rows {
                        let unknown = rowTails[row] * queryTails[query] + missedByRows[row] * norm + missed
                        if sums[query * rows + row] + unknown >= least[query * rows + row] { left += 1 }
                    }
                }
                shares.append(
                    Share(components: end, coarse: coarse, share: Double(left) / Double(asked.count * rows)))
            }
            let perStep = (Float(end) / 12).squareRoot()
            add(
                coarse: 0, missedByRows: ofRows.highest.map { $0 / 127 * perStep }, ofQueries.highest.map { $0 / most },
                ofQueries.coded.map { $0.squareRoot() })
            if !coarse.isEmpty {
                for component in 0..<end - start {
                    for row in 0..<rows { columns.append(block[row * step + component]) }
                }
            }
            for index in coarse.indices {
                coarse[index].add(ofQueries)
                if axes.isEmpty, end < components { continue }
                let missed = coarse[index].missedByRows(columns[((coarse[index].fine - coarse[0].fine) * rows)...])
                let (querySteps, queryNorms) = coarse[index].ofQueries(ofQueries, most: most)
                add(coarse: end - coarse[index].fine, missedByRows: missed, querySteps, queryNorms)
            }
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
