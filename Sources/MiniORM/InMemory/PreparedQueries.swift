internal import CVectorKernels

/// Query vectors side by side, padded and aligned, and how a kernel's measure becomes a score.
///
/// `@unchecked Sendable`: the memory is written in `init` alone and freed in `deinit`.
final class PreparedQueries: @unchecked Sendable {
    let metric: VectorMetric
    let count: Int
    let width: Int
    private let dimension: Int
    private let floats: UnsafeMutablePointer<Float>
    private let norms: [Double]
    /// Whether products with ordinary rows may leave a float's range: then all is measured in double precision.
    private let isExtreme: [Bool]
    /// Whether float32 sums of so many products could miss the contract's 1e-4: what is not ruled out is then scored in
    /// double precision.
    private let isWide: Bool
    private static let widest = 24_576

    /// - Parameter vectors: Finite vectors of `dimension` components, as the caller has checked.
    init(_ vectors: [[Float]], metric: VectorMetric, dimension: Int) {
        self.metric = metric
        self.dimension = dimension
        count = vectors.count
        width = rowWidth(dimension: dimension)
        isWide = width > Self.widest
        let raw = UnsafeMutableRawPointer.allocate(
            byteCount: max(1, count * width) * MemoryLayout<Float>.stride, alignment: 64)
        floats = raw.bindMemory(to: Float.self, capacity: max(1, count * width))
        floats.initialize(repeating: 0, count: max(1, count * width))
        var norms: [Double] = []
        var isExtreme: [Bool] = []
        for (query, vector) in vectors.enumerated() {
            var norm = cvk_sum_of_squares(vector, dimension).squareRoot()
            // A cosine does not change with the query's length, so it is brought near 1 without rounding: a power of 2.
            let scale = metric == .cosine && norm > 0 ? 1 / norm.binade : 1
            norm *= scale
            for (index, component) in vector.prefix(dimension).enumerated() {
                floats[query * width + index] = Float(Double(component) * scale)
            }
            norms.append(norm)
            switch metric {
            case .cosine: isExtreme.append(false)
            // How far a wide sum is off depends on the row's norm, so that no measure tells enough.
            case .dot: isExtreme.append(norm != 0 && (isWide || !ordinaryNorms.contains(norm)))
            case .l2: isExtreme.append(norm > ordinaryNorms.upperBound)
            }
        }
        self.norms = norms
        self.isExtreme = isExtreme
    }

    deinit { floats.deallocate() }

    /// A padded query, and those that follow it.
    func vector(_ query: Int) -> UnsafePointer<Float> { UnsafePointer(floats + query * width) }

    /// The norm of a query as it is stored here.
    func norm(_ query: Int) -> Double { norms[query] }

    /// Whether every query has a norm that bounds can be relative to.
    var areOrdinary: Bool { norms.allSatisfy(ordinaryNorms.contains) }

    /// What a kernel says of queries and rows, row by row within a query.
    func measure(
        _ queries: Range<Int>, _ rows: UnsafeBufferPointer<Float>, _ kernel: VectorKernel,
        into measures: UnsafeMutableBufferPointer<Float>
    ) {
        guard let base = rows.baseAddress, let results = measures.baseAddress else { return }
        let count = rows.count / width
        cvk_measure_rows(
            kernel.raw, metric == .l2 ? cvk_measure_squared_l2 : cvk_measure_dot, floats + queries.lowerBound * width,
            queries.count, base, count, width, results, count)
    }

    /// The same of rows here and there.
    func measure(
        _ queries: Range<Int>, picked: UnsafeBufferPointer<UnsafePointer<Float>?>, _ kernel: VectorKernel,
        into measures: UnsafeMutableBufferPointer<Float>
    ) {
        guard let base = picked.baseAddress, let results = measures.baseAddress,
            measures.count >= picked.count * queries.count
        else { return }
        cvk_measure_picked(
            kernel.raw, metric == .l2 ? cvk_measure_squared_l2 : cvk_measure_dot, floats + queries.lowerBound * width,
            queries.count, base, picked.count, width, results, picked.count)
    }

    /// A measure (for cosine: times the row's inverse norm) beyond this cannot give a score of at least `floor`; with
    /// room for all rounding.
    func cut(_ query: Int, floor: Float) -> Float {
        if isExtreme[query] { return metric == .l2 ? .infinity : -.infinity }
        let slack = 0x1p-18 + (isWide ? 2 * roundingOfSums(width: width) : 0)
        switch metric {
        case .dot: return floor - 2 * Self.mostOfTiny(.dot)
        case .cosine:
            // A sum may round to less than a score can be, which is then brought up to -1.
            return floor <= -1 ? -.infinity : Float((Double(floor) - slack) * norms[query]).nextDown
        case .l2:
            if floor > 0 { return 0x1p-100 }
            let distance = Double(floor)
            return Float(distance * distance * (1 + slack) + 0x1p-100).nextUp
        }
    }

    /// The score of a row whose measure is known, of full precision.
    func score(_ query: Int, _ measure: Float, _ chunk: RowChunk, _ row: Int) -> Float {
        let inverse = chunk.inverseNorm(row)
        guard measure.isFinite, !inverse.isNaN, !isExtreme[query], !isWide else {
            return scoreInDouble(query, chunk, row)
        }
        let isTiny = measure.magnitude < 0x1p-100
        if isTiny, measure != 0 || metric == .l2 {
            let score = scoreInDouble(query, chunk, row)
            if metric == .l2 || score.magnitude < Self.mostOfTiny(metric) { return score }
        }
        switch metric {
        case .dot: return measure
        case .cosine:
            guard inverse != 0, norms[query] != 0 else { return 0 }
            return Float(max(-1, min(1, Double(measure) / norms[query] * inverse)))
        case .l2: return -Float(Double(measure).squareRoot())
        }
    }

    /// A tiny measure whose score is no smaller than this is not of tiny products but of greater ones that cancel out.
    /// What is left of them is as good as any sum's, and ``cut(_:floor:)`` goes by it.
    private static func mostOfTiny(_ metric: VectorMetric) -> Float { metric == .dot ? 0x1p-98 : 0x1p-19 }

    private func scoreInDouble(_ query: Int, _ chunk: RowChunk, _ row: Int) -> Float {
        let lhs = floats + query * width
        guard let rhs = chunk.rows(row..<row + 1).baseAddress else { return 0 }
        var score: Double
        switch metric {
        case .dot: score = cvk_dot_double(lhs, rhs, dimension)
        case .l2: score = -cvk_squared_l2_double(lhs, rhs, dimension).squareRoot()
        case .cosine:
            let norm = cvk_sum_of_squares(rhs, dimension).squareRoot()
            score = norm == 0 || norms[query] == 0 ? 0 : cvk_dot_double(lhs, rhs, dimension) / norms[query] / norm
            score = max(-1, min(1, score))
        }
        return score.isNaN ? -.greatestFiniteMagnitude : Float.saturated(score)
    }
}
