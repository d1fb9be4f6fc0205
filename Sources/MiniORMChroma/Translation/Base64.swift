#if Chroma
internal import NIOCore

// Unsafe, because a checked access per byte costs more than the work: every index is below a count that is computed
// from the input's, and the pointers do not leave the closures that they are given to.

/// Base64 (RFC 4648) of bytes, and of the bytes that little-endian floats have.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Two characters for every 12 bits, as they lie in memory.
    private static let pairs: [UInt16] = (0..<4096).map { bits in
        (UInt16(alphabet[bits >> 6]) | UInt16(alphabet[bits & 63]) << 8).littleEndian
    }

    /// How long the text of so many bytes is.
    static func length(_ count: Int) -> Int { (count + 2) / 3 * 4 }

    /// The text of some bytes.
    static func text(_ bytes: [UInt8]) -> String {
        bytes.withUnsafeBytes { bytes in
            String(unsafeUninitializedCapacity: length(bytes.count)) {
                encode(bytes, into: UnsafeMutableRawBufferPointer($0))
                return length(bytes.count)
            }
        }
    }

    /// Appends the text of a vector as the server reads it: float32, little-endian.
    static func append(_ vector: [Float], to text: inout ByteBuffer) {
        #if _endian(little)
        vector.withUnsafeBytes { append($0, to: &text) }
        #else
        vector.map(\.bitPattern.littleEndian).withUnsafeBytes { append($0, to: &text) }
        #endif
    }

    private static func append(_ bytes: UnsafeRawBufferPointer, to text: inout ByteBuffer) {
        let length = length(bytes.count)
        text.writeWithUnsafeMutableBytes(minimumWritableBytes: length) {
            encode(bytes, into: $0)
            return length
        }
    }

    /// - Parameter text: At least as long as the text.
    private static func encode(_ bytes: UnsafeRawBufferPointer, into text: UnsafeMutableRawBufferPointer) {
        var at = 0, end = 0
        pairs.withUnsafeBufferPointer { pairs in
            // Six bytes of eight that are there.
            while at + 8 <= bytes.count {
                let bits = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                text.storeBytes(of: pairs[Int(bits >> 52)], toByteOffset: end, as: UInt16.self)
                text.storeBytes(of: pairs[Int(bits >> 40 & 0xFFF)], toByteOffset: end + 2, as: UInt16.self)
                text.storeBytes(of: pairs[Int(bits >> 28 & 0xFFF)], toByteOffset: end + 4, as: UInt16.self)
                text.storeBytes(of: pairs[Int(bits >> 16 & 0xFFF)], toByteOffset: end + 6, as: UInt16.self)
                at += 6
                end += 8
            }
        }
        while at < bytes.count {
            let count = min(3, bytes.count - at)
            let bits = (0..<3).reduce(0) { $0 << 8 | ($1 < count ? Int(bytes[at + $1]) : 0) }
            for index in 0..<4 {
                text[end + index] = index <= count ? alphabet[bits >> (18 - index * 6) & 63] : UInt8(ascii: "=")
            }
            at += 3
            end += 4
        }
    }
}
#endif
