#if Qdrant
internal import MiniORM
internal import SwiftProtobuf

/// Writes protobuf messages straight into bytes, in the encoding that
/// https://protobuf.dev/programming-guides/encoding describes.
///
/// The points of an upsert and queries are written with it: made as messages of the generated types first, they cost
/// several times what their bytes do. Everything else that is sent is small or rare, and is generated types.
struct ProtobufWriter: Sendable {
    private(set) var bytes: [UInt8] = []

    init(reservingCapacity capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    /// The bytes written so far.
    var count: Int { bytes.count }

    mutating func append(_ other: ProtobufWriter) { bytes.append(contentsOf: other.bytes) }

    /// Takes back all after the first `count` bytes.
    mutating func cut(to count: Int) { bytes.removeLast(bytes.count - count) }

    mutating func field(_ number: Int, _ value: UInt64) {
        varint(UInt64(number) << 3)
        varint(value)
    }

    mutating func field(_ number: Int, _ value: Int64) { field(number, UInt64(bitPattern: value)) }

    mutating func field(_ number: Int, _ value: Bool) { field(number, value ? 1 : 0 as UInt64) }

    mutating func field(_ number: Int, _ value: Double) {
        varint(UInt64(number) << 3 | 1)
        let bits = value.bitPattern
        for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift))) }
    }

    mutating func field(_ number: Int, _ text: String) {
        varint(UInt64(number) << 3 | 2)
        varint(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// Packed floats: the bytes that they have in memory.
    mutating func field(_ number: Int, _ values: [Float]) {
        varint(UInt64(number) << 3 | 2)
        varint(UInt64(values.count * 4))
        #if _endian(little)
        values.withUnsafeBytes { bytes.append(contentsOf: $0) }
        #else
        values.map(\.bitPattern.littleEndian).withUnsafeBytes { bytes.append(contentsOf: $0) }
        #endif
    }

    /// A message.
    mutating func message(_ number: Int, _ body: (inout ProtobufWriter) -> Void) {
        varint(UInt64(number) << 3 | 2)
        let start = bytes.count
        bytes.append(0)
        body(&self)
        close(start)
    }

    /// A message of a generated type.
    mutating func message(_ number: Int, _ message: some Message) throws(VectorStoreError) {
        let encoded: [UInt8]
        do { encoded = try message.serializedBytes() } catch {
            throw VectorStoreError(
                .invalidArgument, "the request cannot be written", store: QdrantVectorStore.name, cause: error)
        }
        varint(UInt64(number) << 3 | 2)
        varint(UInt64(encoded.count))
        bytes.append(contentsOf: encoded)
    }

    /// A text, appended by its writer.
    mutating func text(_ number: Int, _ body: (inout [UInt8]) -> Void) {
        varint(UInt64(number) << 3 | 2)
        let start = bytes.count
        bytes.append(0)
        body(&bytes)
        close(start)
    }

    /// Puts the length of what follows into the byte kept for it, and moves what follows where one byte is not enough.
    private mutating func close(_ start: Int) {
        var length = bytes.count - start - 1
        var more = 0
        while length >> (7 * (more + 1)) > 0 { more += 1 }
        if more > 0 { bytes.insert(contentsOf: repeatElement(0, count: more), at: start) }
        for index in 0..<more {
            bytes[start + index] = UInt8(truncatingIfNeeded: length) | 0x80
            length >>= 7
        }
        bytes[start + more] = UInt8(length)
    }

    private mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(value))
    }
}
#endif
