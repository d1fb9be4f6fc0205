internal import CVectorKernels

/// The codes of query vectors in the terms of one book, side by side.
///
/// `@unchecked Sendable`: the memory is written in `init` alone and freed in `deinit`.
final class CodedQueries: @unchecked Sendable {
    let metric: VectorMetric
    private let norms: [Double]
    private let rounding: Double
    private let memory: UnsafeMutablePointer<Int8>
    private let raw: UnsafeMutablePointer<cvk_coded_query>
    private let count: Int

    /// - Parameter queries: Queries that are all ordinary; see ``PreparedQueries/areOrdinary``.
    init(_ queries: PreparedQueries, _ book: CodeBook, _ kernel: VectorKernel) {
        metric = queries.metric
        count = queries.count
        rounding = book.rounding
        norms = (0..<queries.count).map { queries.norm($0) }
        let prefix = (book.words * 4 + book.coarseWords * 8 + 63) / 64 * 64
        let bytes = prefix + (book.recordCoarseBytes * 2 + book.recordCodes + 63) / 64 * 64
        memory = .allocate(capacity: count * bytes)
        memory.initialize(repeating: 0, count: count * bytes)
        raw = .allocate(capacity: count)
        let block = 64
        withUnsafeTemporaryAllocation(of: Float.self, capacity: book.count * block) { coordinates in
            guard let base = coordinates.baseAddress else { return }
            for first in stride(from: 0, to: count, by: block) {
                let number = min(block, count - first)
                book.rotate(queries.vector(first), number, into: base, stride: block)
                for query in first..<first + number {
                    (raw + query).initialize(
                        to: Self.encode(
                            base + (query - first), stride: block, norm: norms[query], metric, book,
                            most: Double(cvk_most_of_query(kernel.raw)), memory + query * bytes,
                            memory + query * bytes + prefix))
                }
            }
        }
    }

    deinit {
        memory.deallocate()
        raw.deallocate()
    }

    /// Queries from one on, for the kernels.
    func pointer(_ query: Int) -> UnsafePointer<cvk_coded_query> { UnsafePointer(raw + query) }

    var shape: cvk_shape {
        switch metric {
        case .cosine: cvk_shape_cosine
        case .dot: cvk_shape_dot
        case .l2: cvk_shape_l2
        }
    }

    /// A row whose bound is below this cannot have a score of at least `floor`, where `cut` is
    /// ``PreparedQueries/cut(_:floor:)`` of it.
    ///
    /// What the score's own rounding adds is in the margin of the bounds for cosine and dot, relative to the product of
    /// the norms. A squared distance d^2 = m^2 + n^2 - 2 m n cos is measured as at least (1 - 2 rounding) d^2; bounds are
    /// of 2 m n cos - n^2, with norms n that were rounded down by more than these floats are rounded.
    func threshold(_ query: Int, floor: Float, cut: Float) -> Float {
        switch metric {
        case .cosine: return Float(Double(floor) - 0x1p-18).nextDown
        case .dot: return Float(Double(cut) / norms[query]).nextDown
        case .l2:
            let square = norms[query] * norms[query] * (1 - 0x1p-20)
            return Float(square - Double(cut) * (1 + 3 * rounding)).nextDown
        }
    }

    /// Codes of some components, their sum, the square of their norm, and that of what they miss.
    private struct Codes {
        var sum: Int32 = 0
        var energy = 0.0
        var residual = 0.0

        init(
            _ values: ArraySlice<Double>, step: Double, most: Double = 127, into codes: UnsafeMutablePointer<Int8>
        ) {
            for (index, value) in values.enumerated() {
                let code = step > 0 ? max(-most, min(most, (value / step).rounded())) : 0
                codes[index] = Int8(code)
                sum += Int32(code)
                energy += code * step * code * step
                let missed = value - code * step
                residual += missed * missed
            }
        }
    }

    private static func highest(_ values: ArraySlice<Double>) -> Double { values.map(\.magnitude).max() ?? 0 }

    private static func encode(
        _ coordinates: UnsafePointer<Float>, stride: Int, norm: Double, _ metric: VectorMetric, _ book: CodeBook,
        most: Double, _ codes: UnsafeMutablePointer<Int8>, _ recordCodes: UnsafeMutablePointer<Int8>
    ) -> cvk_coded_query {
        let values = (0..<book.count).map { Double(coordinates[$0 * stride]) / norm }
        let lead = book.leads == 0 ? 0 : values[0]
        let (ofFine, ofCoarse) = (values[book.leads..<book.fine], values[book.fine..<book.leading])
        let ofFurther = values[book.leading...]
        let weight = Double(CVK_COARSE)
        var query = cvk_coded_query()
        query.scale = Float(max(highest(ofFine) / most, weight * highest(ofCoarse) / 127))
        query.record_scale = Float(max(highest(ofCoarse), highest(ofFurther)) / 127)
        let (scale, recordScale) = (Double(query.scale), Double(query.record_scale))
        let fine = Codes(ofFine, step: scale, most: most, into: codes)
        let coarse = Codes(ofCoarse, step: scale / weight, into: codes + book.words * 4)
        let again = Codes(ofCoarse, step: recordScale, into: recordCodes)
        let further = Codes(ofFurther, step: recordScale, into: recordCodes + book.recordCoarseBytes * 2)
        query.codes = UnsafePointer(codes)
        query.record_codes = UnsafePointer(recordCodes)
        query.coarse_offset = -8 * coarse.sum
        query.offset = -128 * fine.sum + query.coarse_offset
        query.record_offset = -128 * further.sum - 8 * again.sum
        func tail(_ components: Int) -> Float {
            if !book.isRotated, components == book.dimension { return 0 }
            return ChunkCodes.roundedUp(book.tail(values[..<components].reduce(0) { $0 + $1 * $1 }))
        }
        let up = ChunkCodes.roundedUp
        let missed = (fine.residual + coarse.residual).squareRoot()
        query.residual = up((fine.energy + weight * weight * coarse.energy).squareRoot())
        query.tail = tail(book.leading) / CVK_STEPS
        query.lead = Float(lead) / CVK_STEPS
        query.constant = up(missed * (1 + book.drift) + book.margin)
        query.record_residual = up((fine.energy + again.energy + further.energy).squareRoot())
        query.record_first =
            query.residual - up(weight * (coarse.residual.squareRoot() + again.residual.squareRoot()))
        query.record_tail = tail(book.count)
        let allMissed = (fine.residual + coarse.residual + further.residual).squareRoot()
        // The change of a bound is a difference of floats: rounded a few times more.
        query.record_constant = Float((allMissed - missed) * (1 + book.drift) + 0x1p-18).nextUp
        query.weight = metric == .l2 ? Float(2 * norm) : 1
        return query
    }
}
