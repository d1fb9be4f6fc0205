#if Qdrant
internal import MiniORM

/// A point as an answer holds it: one type for what `Query`, `Get` and `Scroll` answer.
struct StoredPoint: Sendable {
    var id = Qdrant_PointId()
    var score: Float = 0
    /// What this library keeps of the record; `nil` in a point that another program wrote.
    var reserved: Kept?
    /// The payload's other fields.
    var fields: [String: PayloadValue] = [:]
    /// The vector as the engine keeps it, if the answer holds it.
    var vector: [Float]?

    /// The object under the reserved key.
    struct Kept: Sendable {
        var id: String?
        var payload: Payload = .none
        var norm: Double?
        var vector: String?
    }

    /// The payload's text, read.
    enum Payload: Sendable {
        case none
        case members([String: PayloadValue])
        case unreadable(VectorStoreError)
    }

    /// Whether this library wrote the point.
    var isOurs: Bool { reserved != nil }

    var recordID: String { reserved?.id ?? PointIdentity.id(id) }

    /// The payload that was stored; of a point that another program wrote, its fields.
    func recordPayload() throws(VectorStoreError) -> [String: PayloadValue]? {
        switch reserved?.payload {
        case nil: return fields.isEmpty ? nil : fields
        case Payload.none?: return nil
        case .members(let members)?: return members
        case .unreadable(let cause)?:
            throw VectorStoreError(
                .payloadDecoding, "the stored payload cannot be read", store: QdrantVectorStore.name,
                recordID: recordID, cause: cause)
        }
    }

    /// The vector that was stored, if the answer holds it.
    var recordVector: [Float]? {
        guard let vector else { return nil }
        if let text = reserved?.vector, let vector = VectorText.decode(text) { return vector }
        guard let norm = reserved?.norm else { return vector }
        // The largest floats do not become infinite by a rounding.
        return vector.map { Float.saturated(Double($0) * norm) }
    }

    func record() throws(VectorStoreError) -> VectorRecord {
        VectorRecord(id: recordID, vector: recordVector ?? [], payload: try recordPayload())
    }
}

// Reading, straight from the reply's bytes.
extension StoredPoint {
    /// The two messages that are points: their fields differ in the vectors' number, and one has a score.
    enum Form: Int, Sendable {
        case scored = 6
        case retrieved = 4

        fileprivate var vectorsField: Int { rawValue }
    }

    /// The points of a reply, or of a part of one, which holds them as its field `field`.
    static func list(_ field: Int = 1, _ form: Form, _ reader: ProtobufReader) throws -> [StoredPoint] {
        var reader = reader
        var points: [StoredPoint] = []
        while let (number, layout) = try reader.next() {
            if number == field, layout == .bytes {
                points.append(try StoredPoint(form, try reader.message()))
            } else {
                try reader.skip(layout)
            }
        }
        return points
    }

    init(_ form: Form, _ reader: ProtobufReader) throws {
        var reader = reader
        while let (field, layout) = try reader.next() {
            switch (field, layout) {
            case (1, .bytes): id = try Self.pointID(try reader.message())
            case (2, .bytes): try readMember(try reader.message())
            case (3, .fixed32) where form == .scored: score = try reader.float()
            case (form.vectorsField, .bytes): vector = try Self.vector(try reader.message())
            default: try reader.skip(layout)
            }
        }
    }

    static func pointID(_ reader: ProtobufReader) throws -> Qdrant_PointId {
        var reader = reader
        var id = Qdrant_PointId()
        while let (field, layout) = try reader.next() {
            switch (field, layout) {
            case (1, .varint): id.num = try reader.varint()
            case (2, .bytes): id.uuid = try reader.text()
            default: try reader.skip(layout)
            }
        }
        return id
    }

    /// Servers fill `dense`, older ones `data`.
    private static func vector(_ reader: ProtobufReader) throws -> [Float]? {
        var reader = reader
        var output: [Float]?
        while let (field, layout) = try reader.next() {
            guard field == 1, layout == .bytes else {
                try reader.skip(layout)
                continue
            }
            var vector = try reader.message()
            var old: [Float] = []
            var dense: [Float]?
            while let (field, layout) = try vector.next() {
                switch (field, layout) {
                case (1, .bytes), (1, .fixed32): try vector.floats(layout, into: &old)
                case (101, .bytes):
                    var message = try vector.message()
                    var values: [Float] = []
                    while let (field, layout) = try message.next() {
                        if field == 1 { try message.floats(layout, into: &values) } else { try message.skip(layout) }
                    }
                    dense = values
                default: try vector.skip(layout)
                }
            }
            output = dense ?? old
        }
        return output
    }

    private mutating func readMember(_ reader: ProtobufReader) throws {
        let (key, value) = try Self.entry(reader)
        if key == Reserved.key {
            reserved = try Kept(value)
        } else {
            fields[key] = try Self.value(value, depth: 0)
        }
    }

    /// The key of a map's entry, and its value, still to be read.
    fileprivate static func entry(_ reader: ProtobufReader) throws -> (key: String, value: ProtobufReader) {
        var reader = reader
        var key = ""
        var value = ProtobufReader(UnsafeRawBufferPointer(start: nil, count: 0))
        while let (field, layout) = try reader.next() {
            switch (field, layout) {
            case (1, .bytes): key = try reader.text()
            case (2, .bytes): value = try reader.message()
            default: try reader.skip(layout)
            }
        }
        return (key, value)
    }

    /// Deeper values are refused: they would exhaust the stack.
    private static let maximumDepth = 128

    private static func value(_ reader: ProtobufReader, depth: Int) throws -> PayloadValue {
        guard depth <= maximumDepth else { throw ProtobufReader.Malformed() }
        var reader = reader
        var value = PayloadValue.null
        while let (field, layout) = try reader.next() {
            switch (field, layout) {
            case (1, .varint):
                _ = try reader.varint()
                value = .null
            case (2, .fixed64): value = .double(try reader.double())
            case (3, .varint): value = .int(Int64(bitPattern: try reader.varint()))
            case (4, .bytes): value = .string(try reader.text())
            case (5, .varint): value = .bool(try reader.varint() != 0)
            case (6, .bytes):
                var members: [String: PayloadValue] = [:]
                var object = try reader.message()
                while let (field, layout) = try object.next() {
                    guard field == 1, layout == .bytes else {
                        try object.skip(layout)
                        continue
                    }
                    let (key, member) = try entry(try object.message())
                    members[key] = try Self.value(member, depth: depth + 1)
                }
                value = .object(members)
            case (7, .bytes):
                var elements: [PayloadValue] = []
                var list = try reader.message()
                while let (field, layout) = try list.next() {
                    guard field == 1, layout == .bytes else {
                        try list.skip(layout)
                        continue
                    }
                    elements.append(try Self.value(try list.message(), depth: depth + 1))
                }
                value = .array(elements)
            default: try reader.skip(layout)
            }
        }
        return value
    }
}

extension StoredPoint.Kept {
    /// Reads the value under the reserved key, of which only a struct holds anything.
    fileprivate init(_ reader: ProtobufReader) throws {
        var reader = reader
        while let (field, layout) = try reader.next() {
            guard field == 6, layout == .bytes else {
                try reader.skip(layout)
                continue
            }
            var fields = try reader.message()
            while let (field, layout) = try fields.next() {
                guard field == 1, layout == .bytes else {
                    try fields.skip(layout)
                    continue
                }
                let (key, value) = try StoredPoint.entry(try fields.message())
                try read(key, value)
            }
        }
    }

    private mutating func read(_ key: String, _ reader: ProtobufReader) throws {
        var reader = reader
        while let (field, layout) = try reader.next() {
            switch (key, field, layout) {
            case (Reserved.id, 4, .bytes): id = try reader.text()
            case (Reserved.norm, 2, .fixed64): norm = try reader.double()
            case (Reserved.vector, 4, .bytes): vector = try reader.text()
            case (Reserved.payload, 4, .bytes): payload = Self.payload(try reader.bytes())
            default: try reader.skip(layout)
            }
        }
    }

    private static func payload(_ text: UnsafeRawBufferPointer) -> StoredPoint.Payload {
        do throws(VectorStoreError) {
            let value = try JSONReader.value(text.assumingMemoryBound(to: UInt8.self)).get()
            guard case .object(let members) = value else {
                throw VectorStoreError(.payloadDecoding, "not an object", store: QdrantVectorStore.name)
            }
            return .members(members)
        } catch { return .unreadable(error) }
    }
}
#endif
