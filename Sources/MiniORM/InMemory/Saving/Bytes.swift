/// Bytes that are written one value after the other: little-endian, counts as LEB128.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func raw(_ values: some Sequence<UInt8>) { bytes.append(contentsOf: values) }

    mutating func reserve(_ count: Int) { bytes.reserveCapacity(bytes.count + count) }

    /// Zeros up to a multiple of a length.
    mutating func pad(to multiple: Int) {
        let excess = bytes.count % multiple
        if excess > 0 { bytes.append(contentsOf: repeatElement(0, count: multiple - excess)) }
    }

    /// Puts an integer in the place of bytes that are there.
    mutating func replace(at offset: Int, _ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { new in
            for (index, byte) in new.enumerated() where offset + index < bytes.count { bytes[offset + index] = byte }
        }
    }

    mutating func fixed<Integer: FixedWidthInteger>(_ value: Integer) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func text(_ text: String) {
        varint(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }
}

/// Why bytes cannot be read.
struct MalformedBytes: Error {}

/// Bytes that are read one value after the other. No count is believed before the bytes for it have been seen.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    /// The bytes have to outlive the reader.
    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var remaining: Int { bytes.count - position }

    mutating func raw(_ count: Int) throws(MalformedBytes) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= remaining else { throw MalformedBytes() }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    mutating func fixed<Integer: FixedWidthInteger>(_ type: Integer.Type) throws(MalformedBytes) -> Integer {
        Integer(littleEndian: try raw(MemoryLayout<Integer>.size).loadUnaligned(as: type))
    }

    mutating func byte() throws(MalformedBytes) -> UInt8 { try fixed(UInt8.self) }

    mutating func varint() throws(MalformedBytes) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let byte = try byte()
            let bits = UInt64(byte & 0x7F)
            guard shift < 63 || bits <= 1 else { throw MalformedBytes() }
            value |= bits << shift
            if byte < 0x80 { return value }
        }
        throw MalformedBytes()
    }

    /// A number of things that take at least `size` bytes each.
    mutating func count(of size: Int = 1) throws(MalformedBytes) -> Int {
        guard let count = Int(exactly: try varint()), count <= remaining / size else { throw MalformedBytes() }
        return count
    }

    mutating func text() throws(MalformedBytes) -> String {
        guard let text = String(validating: try raw(try count()), as: UTF8.self) else { throw MalformedBytes() }
        return text
    }
}
