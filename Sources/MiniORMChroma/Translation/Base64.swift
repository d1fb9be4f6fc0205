#if Chroma
// Unsafe, because a checked access per byte costs more than the work: every index is below a count that is computed
// from the input's, and the pointers do not leave the closures that they are given to.

/// Base64 (RFC 4648) of bytes, and of the bytes that little-endian floats have.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Two characters for every 12 bits.
    private static let pairs: [UInt16] = (0..<4096).map { bits in
        UInt16(alphabet[bits >> 6]) | UInt16(alphabet[bits & 63]) << 8
    }

    /// Appends the text of some bytes.
    static func append(_ bytes: [UInt8], to text: inout [UInt8]) {
        bytes.withUnsafeBytes { append($0, to: &text) }
    }

    /// Appends the text of a vector as the server reads it: float32, little-endian.
    static func append(_ vector: [Float], to text: inout [UInt8]) {
        #if _endian(little)
        vector.withUnsafeBytes { append($0, to: &text) }
        #else
        vector.map(\.bitPattern.littleEndian).withUnsafeBytes { append($0, to: &text) }
        #endif
    }

    private static func append(_ bytes: UnsafeRawBufferPointer, to text: inout [UInt8]) {
        let whole = bytes.count / 3
        let length = (bytes.count + 2) / 3 * 4
        let encoded = [UInt8](unsafeUninitializedCapacity: length) { output, count in
            let target = UnsafeMutableRawBufferPointer(output)
            pairs.withUnsafeBufferPointer { pairs in
                for group in 0..<whole {
                    let at = group * 3
                    let bits = Int(bytes[at]) << 16 | Int(bytes[at + 1]) << 8 | Int(bytes[at + 2])
                    let four = UInt32(pairs[bits >> 12]) | UInt32(pairs[bits & 0xFFF]) << 16
                    target.storeBytes(of: four.littleEndian, toByteOffset: group * 4, as: UInt32.self)
                }
            }
            let rest = bytes.count - whole * 3
            if rest > 0 {
                let first = Int(bytes[whole * 3]), second = rest == 2 ? Int(bytes[whole * 3 + 1]) : 0
                output[whole * 4] = alphabet[first >> 2]
                output[whole * 4 + 1] = alphabet[(first & 3) << 4 | second >> 4]
                output[whole * 4 + 2] = rest == 2 ? alphabet[(second & 15) << 2] : UInt8(ascii: "=")
                output[whole * 4 + 3] = UInt8(ascii: "=")
            }
            count = length
        }
        text.append(contentsOf: encoded)
    }
}
#endif
