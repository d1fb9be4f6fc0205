// Payloads as bytes: the names of all fields first, then each payload with its fields by number, in the order of the
// names, so that equal payloads have equal bytes.

/// Levels that are written and read: more than a repository lets in, fewer than a stack holds.
private let maximumDepth = 512

/// Values that memory is taken for before they have been read, on each level: a count is believed no further.
private let mostReserved = 64

private enum Tag: UInt8 {
    case missing = 0
    case null, no, yes, int, double, string, array, object
}

enum PayloadBytes {
    static func write(_ payloads: [[String: PayloadValue]?], to writer: inout ByteWriter) throws(VectorStoreError) {
        let names = Names(of: payloads)
        names.write(to: &writer)
        for payload in payloads { try write(payload, names, to: &writer) }
    }

    /// The names of the fields of payloads, each with its number.
    struct Names {
        fileprivate var numbers: [UTF8Key: UInt64] = [:]
        private var sorted: [UTF8Key]

        init(of payloads: [[String: PayloadValue]?]) {
            var names: Set<UTF8Key> = []
            for case let payload? in payloads { PayloadBytes.collect(payload, &names, 0) }
            sorted = names.sorted()
            for (number, name) in sorted.enumerated() { numbers[name] = UInt64(number) }
        }

        func write(to writer: inout ByteWriter) {
            writer.varint(UInt64(sorted.count))
            for name in sorted { writer.text(name.string) }
        }
    }

    /// Writes one payload, without the names.
    static func write(
        _ payload: [String: PayloadValue]?, _ names: Names, to writer: inout ByteWriter
    ) throws(VectorStoreError) {
        if let payload {
            try write(.object(payload), names.numbers, 0, &writer)
        } else {
            writer.fixed(Tag.missing.rawValue)
        }
    }

    fileprivate static func collect(_ members: [String: PayloadValue], _ names: inout Set<UTF8Key>, _ depth: Int) {
        for (name, value) in members {
            names.insert(UTF8Key(name))
            collect(value, &names, depth + 1)
        }
    }

    fileprivate static func collect(_ value: PayloadValue, _ names: inout Set<UTF8Key>, _ depth: Int) {
        guard depth <= maximumDepth else { return }
        switch value {
        case .object(let members): collect(members, &names, depth)
        case .array(let values): for value in values { collect(value, &names, depth + 1) }
        default: break
        }
    }

    private static func write(
        _ value: PayloadValue, _ numbers: [UTF8Key: UInt64], _ depth: Int, _ writer: inout ByteWriter
    ) throws(VectorStoreError) {
        guard depth <= maximumDepth else {
            throw VectorStoreError(.unsupportedPayload, "a payload has more than \(maximumDepth) levels")
        }
        switch value {
        case .null: writer.fixed(Tag.null.rawValue)
        case .bool(let value): writer.fixed((value ? Tag.yes : Tag.no).rawValue)
        case .int(let value):
            writer.fixed(Tag.int.rawValue)
            // Zigzag: small numbers of either sign are short.
            writer.varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
        case .double(let value):
            writer.fixed(Tag.double.rawValue)
            writer.fixed(value.bitPattern)
        case .string(let value):
            writer.fixed(Tag.string.rawValue)
            writer.text(value)
        case .array(let values):
            writer.fixed(Tag.array.rawValue)
            writer.varint(UInt64(values.count))
            for value in values { try write(value, numbers, depth + 1, &writer) }
        case .object(let members):
            writer.fixed(Tag.object.rawValue)
            writer.varint(UInt64(members.count))
            let numbered = members.map { (numbers[UTF8Key($0.key)] ?? 0, $0.value) }.sorted { $0.0 < $1.0 }
            for (number, value) in numbered {
                writer.varint(number)
                try write(value, numbers, depth + 1, &writer)
            }
        case .rich:
            throw VectorStoreError(.unsupportedPayload, "a payload holds a value that only a codec can store")
        }
    }

    static func read(_ count: Int, from reader: inout ByteReader) throws(MalformedBytes) -> [[String: PayloadValue]?] {
        let names = try readNames(from: &reader)
        guard count <= reader.remaining else { throw MalformedBytes() }
        var payloads: [[String: PayloadValue]?] = []
        payloads.reserveCapacity(count)
        for _ in 0..<count { payloads.append(try readPayload(names, from: &reader)) }
        return payloads
    }

    /// The names of fields, by number.
    static func readNames(from reader: inout ByteReader) throws(MalformedBytes) -> [String] {
        let count = try reader.count()
        var names: [String] = []
        for _ in 0..<count { names.append(try reader.text()) }
        return names
    }

    /// One payload whose fields have these names.
    static func readPayload(
        _ names: [String], from reader: inout ByteReader
    ) throws(MalformedBytes) -> [String: PayloadValue]? {
        switch Tag(rawValue: try reader.byte()) {
        case .missing: return nil
        case .object: return try object(names, 0, &reader)
        default: throw MalformedBytes()
        }
    }

    private static func object(
        _ names: [String], _ depth: Int, _ reader: inout ByteReader
    ) throws(MalformedBytes) -> [String: PayloadValue] {
        let count = try reader.count(of: 2)
        var members: [String: PayloadValue] = [:]
        members.reserveCapacity(min(count, mostReserved))
        for _ in 0..<count {
            guard let number = Int(exactly: try reader.varint()), number < names.count else { throw MalformedBytes() }
            let old = members.updateValue(try value(names, depth + 1, &reader), forKey: names[number])
            guard old == nil else { throw MalformedBytes() }
        }
        return members
    }

    private static func value(
        _ names: [String], _ depth: Int, _ reader: inout ByteReader
    ) throws(MalformedBytes) -> PayloadValue {
        guard depth <= maximumDepth, let tag = Tag(rawValue: try reader.byte()) else { throw MalformedBytes() }
        switch tag {
        case .missing: throw MalformedBytes()
        case .null: return .null
        case .no: return .bool(false)
        case .yes: return .bool(true)
        case .int:
            let zigzag = try reader.varint()
            return .int(Int64(bitPattern: zigzag >> 1) ^ -Int64(bitPattern: zigzag & 1))
        case .double: return .double(Double(bitPattern: try reader.fixed(UInt64.self)))
        case .string: return .string(try reader.text())
        case .array:
            let count = try reader.count()
            var values: [PayloadValue] = []
            values.reserveCapacity(min(count, mostReserved))
            for _ in 0..<count { values.append(try value(names, depth + 1, &reader)) }
            return .array(values)
        case .object: return .object(try object(names, depth, &reader))
        }
    }
}
