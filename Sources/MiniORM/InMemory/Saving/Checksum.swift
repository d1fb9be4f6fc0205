internal import CVectorKernels

/// CRC-32C of bytes that come in pieces.
struct Checksum {
    private(set) var value: UInt32 = 0

    private init(value: UInt32) { self.value = value }
    init() {}

    mutating func add(_ bytes: UnsafeRawBufferPointer) { value = cvk_crc32c(value, bytes.baseAddress, bytes.count) }

    /// - Parameter seed: What came before the bytes, or stands for it.
    static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        var checksum = Checksum(value: seed)
        checksum.add(bytes)
        return checksum.value
    }
}
