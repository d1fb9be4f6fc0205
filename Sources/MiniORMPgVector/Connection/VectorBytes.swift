#if PgVector
// Floats in network order. The one place beside the connection that touches memory by pointer: each loop stays within
// the buffer that its closure is given, whose size was checked before.

extension [UInt8] {
    /// Appends the numbers as float32 in network order.
    mutating func append(bigEndian floats: [Float]) {
        let start = count
        append(contentsOf: repeatElement(0, count: floats.count * 4))
        withUnsafeMutableBytes { target in
            floats.withUnsafeBufferPointer { source in
                for index in source.indices {
                    target.storeBytes(
                        of: source[index].bitPattern.bigEndian, toByteOffset: start + 4 * index, as: UInt32.self)
                }
            }
        }
    }
}

extension [Float] {
    /// The numbers of pgvector's binary form; `nil` if it is not one.
    init?(pgvector bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 4 else { return nil }
        let dimension = Int(UInt16(bigEndian: bytes.loadUnaligned(as: UInt16.self)))
        guard bytes.count == 4 + 4 * dimension else { return nil }
        self.init(unsafeUninitializedCapacity: dimension) { target, count in
            for index in 0..<dimension {
                let bits = bytes.loadUnaligned(fromByteOffset: 4 + 4 * index, as: UInt32.self)
                target.initializeElement(at: index, to: Float(bitPattern: UInt32(bigEndian: bits)))
            }
            count = dimension
        }
    }
}
#endif
