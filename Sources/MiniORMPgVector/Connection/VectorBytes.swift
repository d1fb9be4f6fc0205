#if PgVector
internal import CVectorKernels

// Floats in network order. The one place beside the connection that touches memory by pointer: what is copied stays
// within the buffer that its closure is given, whose size was checked before.

extension [UInt8] {
    /// Appends the numbers as float32 in network order.
    mutating func append(bigEndian floats: [Float]) {
        let start = count
        floats.withUnsafeBytes { append(contentsOf: $0) }
        withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            cvk_network_order(base + start, base + start, floats.count)
        }
    }
}

extension [Float] {
    /// The numbers of pgvector's binary form; `nil` if it is not one.
    init?(pgvector bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 4, let base = bytes.baseAddress else { return nil }
        let dimension = Int(UInt16(bigEndian: bytes.loadUnaligned(as: UInt16.self)))
        guard bytes.count == 4 + 4 * dimension else { return nil }
        self.init(unsafeUninitializedCapacity: dimension) { target, count in
            cvk_network_order(base + 4, target.baseAddress, dimension)
            count = dimension
        }
    }
}
#endif
