internal import CVectorKernels

/// Which instructions measure vectors. Every kernel gives the same bits; they differ in speed alone.
struct VectorKernel: Sendable, Hashable {
    let raw: cvk_kernel

    /// The fastest one of this machine.
    static let best = VectorKernel(raw: cvk_best_kernel())

    /// All that this machine can run.
    static let available = [cvk_kernel_portable, cvk_kernel_avx2, cvk_kernel_avx512, cvk_kernel_neon]
        .filter(cvk_is_available).map(VectorKernel.init)

    static func == (lhs: Self, rhs: Self) -> Bool { lhs.raw.rawValue == rhs.raw.rawValue }
    func hash(into hasher: inout Hasher) { hasher.combine(raw.rawValue) }
}

/// The length of a stored row: the dimension, padded with zeros to a whole number of cache lines.
func rowWidth(dimension: Int) -> Int { (dimension + 15) / 16 * 16 }

/// Norms for which neither products nor squares leave the range where a float is precise. Rows outside (but zero) are
/// measured in double precision.
let ordinaryNorms = 0x1p-60...0x1p60
