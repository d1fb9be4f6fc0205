#if Chroma
internal import CVectorKernels

/// The server divides a cosine vector by its norm plus 1e-30, in 32-bit arithmetic: very short vectors come out too
/// short, very long ones not at all. A power of two takes such a vector to a middling length, and the cosine does not
/// depend on it. It rounds only components below 2^-126 of the largest, which are too small to turn the vector.
enum VectorScale {
    /// The power of two to divide a vector by; 0 for nearly all vectors.
    static func exponent(_ vector: [Float]) -> Int {
        let squares = cvk_sum_of_squares(vector, vector.count)
        if squares == 0 || (squares >= 0x1p-60 && squares <= 0x1p60) { return 0 }
        return vector.reduce(0) { max($0, $1.magnitude) }.exponent
    }

    /// A vector divided by a power of two.
    static func divided(_ vector: [Float], _ exponent: Int) -> [Float] {
        exponent == 0 ? vector : vector.map { scaled($0, by: -exponent) }
    }

    /// A component times a power of two.
    static func scaled(_ component: Float, by exponent: Int) -> Float {
        Float(Double(sign: .plus, exponent: exponent, significand: Double(component)))
    }
}
#endif
