internal import CVectorKernels

/// Rows of a collection, evenly spread and brought to length 1: what axes and stages are chosen by.
struct RowSample: Sendable {
    let dimension: Int
    let width: Int
    /// A multiple of 16.
    let count: Int
    /// Padded rows.
    let rows: [Float]
    /// What the lengths were.
    let norms: [Double]

    /// `nil` if there are too few rows to learn from.
    init?(_ snapshot: CollectionSnapshot, atMost most: Int) {
        guard let first = snapshot.parts.first else { return nil }
        dimension = first.chunk.dimension
        width = first.chunk.width
        let total = snapshot.parts.reduce(0) { $0 + $1.count }
        let step = max(1, total / most)
        var (rows, norms): ([Float], [Double]) = ([], [])
        rows.reserveCapacity(min(most, total) * width)
        // Rows in the order in which they came; a step that shares no factor with a pattern is not worth the trouble.
        var (skip, count) = (0, 0)
        for part in snapshot.parts {
            var row = skip
            while row < part.count {
                let inverse = part.chunk.inverseNorm(row)
                if inverse > 0, count < most {
                    for component in part.chunk.rows(row..<row + 1) { rows.append(Float(Double(component) * inverse)) }
                    norms.append(1 / inverse)
                    count += 1
                }
                row += step
            }
            skip = row - part.count
        }
        count = count / 16 * 16
        guard count >= 64 else { return nil }
        self.count = count
        self.rows = Array(rows.prefix(count * width))
        self.norms = Array(norms.prefix(count))
    }

    /// The leading principal axes (of the second moments, not of the covariance: products are about the origin), the
    /// strongest first: padded rows, orthonormal but for rounding. Fewer than asked for where the rows have no more.
    ///
    /// Orthogonal iteration, which needs nothing but products: after 12 rounds the leading axes hold all but a trifle
    /// of what the best ones would, which is all that matters. Any orthonormal axes are right, some are quicker. The
    /// cost grows as dimension^2 * count: 0.2 seconds for 384 dimensions, a few for 2,048. None where nobody waits for
    /// them any more.
    func principalAxes(_ wanted: Int, isCancelled: () -> Bool = { false }) -> [Float] {
        var columns = [Float](repeating: 0, count: dimension * count)
        for row in 0..<count {
            for component in 0..<dimension { columns[component * count + row] = rows[row * width + component] }
        }
        var moments = [Float](repeating: 0, count: dimension * width)
        Self.products(columns, dimension, columns, dimension, width: count, into: &moments, stride: width)
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        var axes = [Double](repeating: 0, count: wanted * width)
        for axis in 0..<wanted {
            for component in 0..<dimension {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                axes[axis * width + component] = Double(Int64(bitPattern: state) >> 24) * 0x1p-39
            }
        }
        cvk_orthonormalize(&axes, wanted, width)
        var images = [Float](repeating: 0, count: wanted * width)
        for _ in 0..<12 {
            if isCancelled() { return [] }
            Self.products(axes.map(Float.init), wanted, moments, dimension, width: width, into: &images, stride: width)
            axes = images.map(Double.init)
            cvk_orthonormalize(&axes, wanted, width)
        }
        var kept: [Float] = []
        for axis in 0..<wanted where axes[axis * width..<(axis + 1) * width].contains(where: { $0 != 0 }) {
            kept += axes[axis * width..<(axis + 1) * width].map(Float.init)
        }
        return kept
    }

    /// The products of vectors with vectors, few of the first ones at a time, so that they stay in the cache.
    static func products(
        _ lhs: [Float], _ lhsCount: Int, _ rhs: [Float], _ rhsCount: Int, width: Int, into results: inout [Float],
        stride: Int
    ) {
        lhs.withUnsafeBufferPointer { lhs in
            rhs.withUnsafeBufferPointer { rhs in
                results.withUnsafeMutableBufferPointer { results in
                    guard let left = lhs.baseAddress, let right = rhs.baseAddress, let to = results.baseAddress else {
                        return
                    }
                    for first in Swift.stride(from: 0, to: lhsCount, by: 16) {
                        cvk_measure_rows(
                            VectorKernel.best.raw, cvk_measure_dot, left + first * width, min(16, lhsCount - first),
                            right, rhsCount, width, to + first * stride, stride)
                    }
                }
            }
        }
    }
}
