#if PgVector
import MiniORM

/// The values bound to a statement's `$1`, `$2`, ..., in PostgreSQL's binary form, one after the other.
struct PostgresParameters: Sendable {
    /// The values' bytes, each followed by NUL, which text needs.
    private(set) var bytes: [UInt8] = []
    /// Where each value is; `nil` for null.
    private(set) var ranges: [Range<Int>?] = []
    /// Whether each is binary.
    private(set) var isBinary: [Bool] = []

    /// The number of values.
    var count: Int { ranges.count }

    init() {}

    /// Appends a value and returns its number, from 1.
    private mutating func append(binary: Bool = true, _ body: (inout [UInt8]) -> Void) -> Int {
        let start = bytes.count
        body(&bytes)
        ranges.append(start..<bytes.count)
        isBinary.append(binary)
        bytes.append(0)
        return ranges.count
    }

    @discardableResult mutating func text(_ value: String) -> Int { append { $0.append(contentsOf: value.utf8) } }
    @discardableResult mutating func integer(_ value: Int64) -> Int { append { $0.appendBigEndian(value) } }
    @discardableResult mutating func vector(_ value: [Float]) -> Int { append { $0.append(vector: value) } }
    @discardableResult mutating func json(_ value: PayloadValue) -> Int { append { $0.append(jsonb: value) } }

    /// A value in PostgreSQL's text form, of the type that the statement gives it; holds no NUL.
    @discardableResult mutating func literal(_ value: String?) -> Int {
        guard let value else {
            ranges.append(nil)
            isBinary.append(false)
            return ranges.count
        }
        return append(binary: false) { $0.append(contentsOf: value.utf8) }
    }

    /// An array in one dimension; `element` appends the value, or returns false for null.
    @discardableResult mutating func array<Values: Collection>(
        of type: UInt32, _ values: Values, element: (Values.Element, inout [UInt8]) -> Bool
    ) -> Int {
        append { bytes in
            // An empty array has no dimension.
            bytes.appendBigEndian(Int32(values.isEmpty ? 0 : 1))
            bytes.appendBigEndian(Int32(1))
            bytes.appendBigEndian(type)
            guard !values.isEmpty else { return }
            bytes.appendBigEndian(Int32(clamping: values.count))
            bytes.appendBigEndian(Int32(1))
            for value in values {
                let length = bytes.count
                bytes.appendBigEndian(Int32(-1))
                guard element(value, &bytes) else { continue }
                bytes.replaceBigEndian(Int32(clamping: bytes.count - length - 4), at: length)
            }
        }
    }

    /// A `text[]`.
    @discardableResult mutating func texts(_ values: some Collection<String>) -> Int {
        array(of: PostgresType.text, values) { value, bytes in
            bytes.append(contentsOf: value.utf8)
            return true
        }
    }

    /// A `jsonb[]`.
    @discardableResult mutating func jsons(_ values: [PayloadValue]) -> Int {
        array(of: PostgresType.jsonb, values) { value, bytes in
            bytes.append(jsonb: value)
            return true
        }
    }
}

/// The numbers of types that are the same in every database.
enum PostgresType {
    static let text: UInt32 = 25
    static let jsonb: UInt32 = 3802
}

extension [UInt8] {
    mutating func appendBigEndian<Value: FixedWidthInteger>(_ value: Value) {
        for shift in stride(from: Value.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    mutating func replaceBigEndian(_ value: Int32, at index: Int) {
        for byte in 0..<4 { self[index + byte] = UInt8(truncatingIfNeeded: value >> (24 - 8 * Int32(byte))) }
    }

    /// pgvector's binary form: the dimension, two bytes of zero, float32 in network order.
    mutating func append(vector: [Float]) {
        appendBigEndian(UInt16(clamping: vector.count))
        appendBigEndian(UInt16(0))
        append(bigEndian: vector)
    }

    /// jsonb's binary form: a version, and text.
    mutating func append(jsonb value: PayloadValue) {
        append(1)
        JSONBText.write(value, to: &self)
    }
}
#endif
