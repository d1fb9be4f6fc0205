internal import CVectorKernels

/// How the rows of a chunk are coded: along which axes, and how many components in each of the two stages.
///
/// What is coded is a row brought to length 1, in coordinates along the axes (or as it is, without axes). The first
/// stage has the leading components, the second the next ones; of the rest only the norm is kept. The coordinate along
/// the first axis, the lead, is kept as a float: embeddings often have a direction in common, which would take up the
/// whole scale of the codes. Of the leading components the last may have coarse codes, of 4 bits, as a scan takes as long
/// as its bytes; the second stage has what these miss. That pays because what is not known of a row, be it a tail or the
/// residual of a code, counts only along what the query has there.
///
/// ## Why the bounds hold
///
/// For unit vectors r and q, and axes V (rows of a matrix), let r0 and q0 be the leads, and r' and q' the other
/// coordinates of the first stage, as floats are computed. Write r' = s w c + e, with whole numbers c and weights w, 1 or
/// 4 for a coarse code, and q' = t d / w + f: the query's steps are as much shorter as the row's are longer. Then
///
///     <r, q> <= r0 q0 + s t <c, d> + |e / w| |t d| + |f| + |r's tail| |q's tail| + margin
///
/// since <r', q'> = s t <c, d> + <e / w, t d> + <r', f>, where |r'| <= 1 + drift. The second stage writes the part of e
/// that coarse codes have missed, and the next coordinates of r, as z x + e', with one step z for all, and the query's
/// components there as y g + h. Then
///
///     <r, q> <= r0 q0 + s t <c, d> + z y <x, g> + |all residuals| |all of q's codes| + |e / w| 4 (|f| + |h|)
///               + |all that q's codes miss| + |r's tail| |q's tail| + margin
///
/// where f and h in the product with |e / w| are those of coarse components alone: <4 s c, f> is <r', f> - <e, f>, and
/// <e, q'> = <e - e', y g> + <e, h> + <e', y g>. What is left is in the margin, all of it relative to |r| |q| = 1:
/// - Coordinates are sums of `dimension` products in 16 chains and a tree, so one is off by at most
///   `rounding * |axis| |r|`, and a vector of n of them by `drift` = sqrt(n) times that. Both vectors: 3 drifts.
/// - The axes are orthonormal but for rounding: |V V^T - 1| <= `skew`. Along the axes this adds at most `skew`, and the
///   tail's square is at most 1 - (1 - skew) |V r|^2, from which the tail is computed.
/// - A row's lead is kept in steps of 2^-14, so it is off by at most 2^-15. It is below 2, as `skew` is far below 1.
/// - The kernel that gives the score is off by at most `rounding` itself (for l2: of the squared distance).
/// - A bound is a sum of a few floats below 4, rounded about 12 times each way; norms and leads are floats, which
///   changes the product of two leads by less than 2^-22. 2^-16 covers that many times over.
///
/// Scales, and the norms of e, f and the tails, are found in double precision for the numbers that are stored, and
/// rounded up: a row's scale and |e / w| to 8 bits, as that is read for every row, its tail to steps.
final class CodeBook: Sendable {
    let dimension: Int
    let width: Int
    /// Padded rows, one an axis; empty where vectors are coded as they are.
    let axes: [Float]
    /// Components of the first stage, and of both.
    let leading: Int
    let count: Int
    /// Components of the first stage, the last ones, that have coarse codes.
    let coarse: Int
    let skew: Double

    var isRotated: Bool { !axes.isEmpty }
    /// Components that are kept as they are, the first of the first stage.
    var leads: Int { isRotated ? 1 : 0 }
    /// Components of the first stage before the coarse ones.
    var fine: Int { leading - coarse }
    /// Words of four codes in the first stage, and words of eight coarse ones.
    var words: Int { (fine - leads + 3) / 4 }
    var coarseWords: Int { (coarse + 7) / 8 }
    /// Whether the first stage leaves nothing of a row.
    var isWhole: Bool { !isRotated && leading == dimension }
    /// Bytes of the first stage's codes, as components count.
    var scannedBytes: Double { Self.scannedBytes(fine: fine, coarse: coarse) }
    static func scannedBytes(fine: Int, coarse: Int) -> Double { Double(fine) + Double(coarse) / 2 }
    /// Words beside the codes of a row.
    var factorWords: Int { isWhole ? 1 : 2 }
    /// Codes in a record of the second stage, and bytes for what the coarse codes miss.
    var recordCodes: Int { (count - leading + 15) / 16 * 16 }
    var recordCoarseBytes: Int { (coarse + 31) / 32 * 16 }
    /// Bytes of a record; 0 where there is no second stage.
    var recordBytes: Int { count == fine ? 0 : Int(CVK_RECORD_HEAD) + recordCoarseBytes + recordCodes }
    /// A component computed in single precision is off by at most this, for vectors of length 1.
    var rounding: Double { roundingOfSums(width: width) }
    var drift: Double { isRotated ? Double(count).squareRoot() * rounding * 1.01 : 0 }
    var margin: Double { 3 * drift + skew + rounding + (isRotated ? 0x1p-15 : 0) + 0x1p-16 }

    /// Vectors as they are, all of them in the first stage.
    init(dimension: Int) {
        self.dimension = dimension
        width = rowWidth(dimension: dimension)
        axes = []
        leading = dimension
        count = dimension
        coarse = 0
        skew = 0
    }

    /// - Parameter axes: Padded rows that are orthonormal but for rounding, of which the first `count` are taken.
    init(dimension: Int, axes: [Float], leading: Int, count: Int, coarse: Int = 0) {
        self.dimension = dimension
        width = rowWidth(dimension: dimension)
        self.axes = Array(axes.prefix(count * width))
        self.leading = leading
        self.count = count
        self.coarse = coarse
        skew = Self.skew(self.axes, width: width)
    }

    /// The Frobenius norm, which is no smaller than the operator's, of what is between V V^T and 1.
    private static func skew(_ axes: [Float], width: Int) -> Double {
        axes.withUnsafeBufferPointer { axes in
            guard let base = axes.baseAddress else { return 0 }
            var sum = 0.0
            for row in 0..<axes.count / width {
                for column in 0...row {
                    let product = cvk_dot_double(base + row * width, base + column * width, width)
                    let error = row == column ? product - 1 : product
                    sum += error * error * (row == column ? 1 : 2)
                }
            }
            return sum.squareRoot() + 0x1p-40
        }
    }

    /// Coordinates of padded vectors: component k of vector v at `coordinates[k * stride + v]`.
    func rotate(
        _ vectors: UnsafePointer<Float>, _ number: Int, into coordinates: UnsafeMutablePointer<Float>, stride: Int
    ) {
        guard isRotated else {
            for vector in 0..<number {
                for component in 0..<count {
                    coordinates[component * stride + vector] = vectors[vector * width + component]
                }
            }
            return
        }
        axes.withUnsafeBufferPointer { axes in
            guard let base = axes.baseAddress else { return }
            // Few axes at a time, which stay in the first cache while the vectors pass.
            for first in Swift.stride(from: 0, to: count, by: 16) {
                cvk_measure_rows(
                    VectorKernel.best.raw, cvk_measure_dot, base + first * width, min(16, count - first), vectors,
                    number, width, coordinates + first * stride, stride)
            }
        }
    }
}

/// How far a kernel's sum may be from the true one, relative to the product of the norms (for squared distances, to
/// the sum): 16 chains of fused multiply-adds, a tree of four sums, and differences before that.
func roundingOfSums(width: Int) -> Double { Double(width / 16 + 8) * 0x1p-24 * 1.02 }
