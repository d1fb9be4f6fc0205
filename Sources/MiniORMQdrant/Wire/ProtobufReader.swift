#if Qdrant
internal import MiniORM

// Unsafe, because a checked access per byte costs more than the reading: every read is checked against the end of the
// bytes, which outlive the reader, as it is only handed to closures and functions that run before they return.

/// Reads protobuf messages straight from bytes, in the encoding that
/// https://protobuf.dev/programming-guides/encoding describes.
///
/// The points of replies are read with it: made into messages of the generated types first, they cost several times what
/// their bytes do.
struct ProtobufReader {
    /// The bytes are not those of a message.
    struct Malformed: Error {}

    /// How a field's value is laid out.
    enum Layout { case varint, fixed64, bytes, fixed32 }

    private var rest: UnsafeRawBufferPointer

    /// A reader of bytes that stay in place for as long as it is used.
    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    /// The next field's number and the layout of its value, which is to be read or skipped next; `nil` at the end.
    mutating func next() throws -> (field: Int, layout: Layout)? {
        if rest.isEmpty { return nil }
        let tag = try varint()
        guard let field = Int(exactly: tag >> 3), field > 0 else { throw Malformed() }
        switch tag & 7 {
        case 0: return (field, .varint)
        case 1: return (field, .fixed64)
        case 2: return (field, .bytes)
        case 5: return (field, .fixed32)
        default: throw Malformed()
        }
    }

    mutating func skip(_ layout: Layout) throws {
        switch layout {
        case .varint: _ = try varint()
        case .fixed64: _ = try take(8)
        case .bytes: _ = try bytes()
        case .fixed32: _ = try take(4)
        }
    }

    mutating func varint() throws -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<min(10, rest.count) {
            let byte = rest[index]
            value |= UInt64(byte & 0x7F) << UInt64(7 * index)
            if byte < 0x80 {
                rest = UnsafeRawBufferPointer(rebasing: rest[(index + 1)...])
                return value
            }
        }
        throw Malformed()
    }

    mutating func double() throws -> Double {
        Double(bitPattern: UInt64(littleEndian: try take(8).loadUnaligned(as: UInt64.self)))
    }

    mutating func float() throws -> Float {
        Float(bitPattern: UInt32(littleEndian: try take(4).loadUnaligned(as: UInt32.self)))
    }

    /// The bytes of a text, packed numbers or a message.
    mutating func bytes() throws -> UnsafeRawBufferPointer {
        guard let count = Int(exactly: try varint()) else { throw Malformed() }
        return try take(count)
    }

    mutating func message() throws -> ProtobufReader { ProtobufReader(try bytes()) }

    mutating func text() throws -> String {
        let bytes = try bytes()
        guard let text = String(validUTF8: bytes.assumingMemoryBound(to: UInt8.self)) else { throw Malformed() }
        return text
    }

    /// Floats, packed as they usually are, or one of them.
    mutating func floats(_ layout: Layout, into values: inout [Float]) throws {
        guard layout == .bytes else {
            guard layout == .fixed32 else { throw Malformed() }
            values.append(try float())
            return
        }
        let packed = try bytes()
        guard packed.count % 4 == 0 else { throw Malformed() }
        let count = packed.count / 4
        let read = [Float](unsafeUninitializedCapacity: count) { target, initialized in
            #if _endian(little)
            UnsafeMutableRawBufferPointer(target).copyMemory(from: packed)
            #else
            for index in 0..<count {
                let bits = packed.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
                target.initializeElement(at: index, to: Float(bitPattern: UInt32(littleEndian: bits)))
            }
            #endif
            initialized = count
        }
        if values.isEmpty { values = read } else { values += read }
    }

    private mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
        guard count >= 0, count <= rest.count else { throw Malformed() }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[count...]) }
        return UnsafeRawBufferPointer(rebasing: rest[..<count])
    }
}
#endif
