#if Faiss
internal import CVectorKernels
internal import MiniORM

/// Bytes of a file in the making: little-endian numbers, text with its length before it.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func reserve(_ count: Int) { bytes.reserveCapacity(count) }

    mutating func integer(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ more: [UInt8]) { bytes += more }

    mutating func text(_ text: String) {
        let utf8 = Array(text.utf8)
        integer(UInt32(clamping: utf8.count))
        bytes += utf8
    }

    mutating func vector(_ vector: [Float]) {
        #if _endian(little)
        vector.withUnsafeBytes { bytes.append(contentsOf: $0) }
        #else
        for value in vector { integer(value.bitPattern) }
        #endif
    }

    mutating func payload(_ payload: [String: PayloadValue]?) throws(VectorStoreError) {
        guard let payload else { return integer(UInt8(0)) }
        integer(UInt8(1))
        try members(payload)
    }

    private mutating func members(_ members: [String: PayloadValue]) throws(VectorStoreError) {
        integer(UInt32(clamping: members.count))
        for (key, value) in members {
            text(key)
            try self.value(value)
        }
    }

    private mutating func value(_ value: PayloadValue) throws(VectorStoreError) {
        switch value {
        case .null: integer(UInt8(0))
        case .bool(let value): integer(UInt8(value ? 2 : 1))
        case .int(let value):
            integer(UInt8(3))
            integer(value)
        case .double(let value):
            integer(UInt8(4))
            integer(value.bitPattern)
        case .string(let value):
            integer(UInt8(5))
            text(value)
        case .array(let values):
            integer(UInt8(6))
            integer(UInt32(clamping: values.count))
            for value in values { try self.value(value) }
        case .object(let members):
            integer(UInt8(7))
            try self.members(members)
        case .rich: throw VectorStoreError(.unsupportedPayload, "a value needs a codec that knows it")
        }
    }
}

/// Reads what ``ByteWriter`` wrote, and throws `VectorStoreError.Code.corruptedStorage` where it did not.
struct ByteReader {
    private let bytes: ArraySlice<UInt8>
    private var next: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        next = bytes.startIndex
    }

    /// How many bytes were read.
    var offset: Int { next - bytes.startIndex }

    private static var damaged: VectorStoreError {
        VectorStoreError(.corruptedStorage, "a record in the file is not readable; restore the file from a copy")
    }

    private mutating func take(_ count: Int) throws(VectorStoreError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.endIndex - next else { throw Self.damaged }
        defer { next += count }
        return bytes[next..<next + count]
    }

    mutating func integer<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws(VectorStoreError) -> Value {
        let part = try take(Value.bitWidth / 8)
        return part.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(as: Value.self)) }
    }

    mutating func text() throws(VectorStoreError) -> String {
        let part = try take(Int(try integer(UInt32.self)))
        guard let text = String(validating: part, as: UTF8.self) else { throw Self.damaged }
        return text
    }

    mutating func vector(_ dimension: Int) throws(VectorStoreError) -> [Float] {
        let (count, isTooLong) = dimension.multipliedReportingOverflow(by: 4)
        guard !isTooLong else { throw Self.damaged }
        let part = try take(count)
        return part.withUnsafeBytes { raw in
            (0..<dimension).map { index in
                Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
            }
        }
    }

    mutating func payload() throws(VectorStoreError) -> [String: PayloadValue]? {
        switch try integer(UInt8.self) {
        case 0: return nil
        case 1: return try members(depth: 0)
        default: throw Self.damaged
        }
    }

    private mutating func members(depth: Int) throws(VectorStoreError) -> [String: PayloadValue] {
        var members: [String: PayloadValue] = [:]
        for _ in 0..<(try integer(UInt32.self)) {
            let key = try text()
            members[key] = try value(depth: depth + 1)
        }
        return members
    }

    private mutating func value(depth: Int) throws(VectorStoreError) -> PayloadValue {
        guard depth <= RepositoryLimits.payloadDepth + 1 else { throw Self.damaged }
        switch try integer(UInt8.self) {
        case 0: return .null
        case 1: return .bool(false)
        case 2: return .bool(true)
        case 3: return .int(try integer())
        case 4: return .double(Double(bitPattern: try integer()))
        case 5: return .string(try text())
        case 6:
            var values: [PayloadValue] = []
            for _ in 0..<(try integer(UInt32.self)) { values.append(try value(depth: depth + 1)) }
            return .array(values)
        case 7: return .object(try members(depth: depth))
        default: throw Self.damaged
        }
    }
}

/// The CRC-32C of bytes.
func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 { cvk_crc32c(0, bytes.baseAddress, bytes.count) }

/// The CRC-32C of bytes.
func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.withUnsafeBytes { checksum($0) }
}
#endif
