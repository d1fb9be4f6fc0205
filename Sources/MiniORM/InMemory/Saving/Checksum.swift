internal import CVectorKernels

/// CRC-32C of bytes that come in pieces.
struct Checksum {
    private(set) var value: UInt32 = 0

    mutating func add(_ bytes: UnsafeRawBufferPointer) { value = cvk_crc32c(value, bytes.baseAddress, bytes.count) }

    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var checksum = Checksum()
        checksum.add(bytes)
        return checksum.value
    }
}
