internal import CVectorKernels

extension [Float] {
    /// Whether no component is infinite or NaN.
    package var isFinite: Bool { withUnsafeBufferPointer { cvk_is_finite($0.baseAddress, $0.count) } }
}
