#if Qdrant
internal import MiniORM
internal import SwiftProtobuf

/// What this library keeps of a record in a payload beside the fields that filters read: an object under one key, which
/// users never see. Their own field of that name is kept in the record's text only.
enum Reserved {
    /// The payload's key.
    static let key = "__miniorm"
    /// The record's id.
    static let id = "id"
    /// The payload as JSON text, exactly as given; absent where there was none.
    static let payload = "payload"
    /// The vector's length, under cosine: Qdrant keeps unit vectors.
    static let norm = "norm"
    /// The vector's bytes, where the unit vector cannot stand for them.
    static let vector = "vector"
    /// True where a field holds a double that the engine may keep only nearly; see ``Double/isKeptExactly``.
    static let rough = "rough"
    /// Collection metadata: what marks a collection as created by this library.
    static let metadata = "miniorm"
    /// The payload index that marks a collection on servers that keep no metadata, by its identity: `__miniorm.any`.
    static func marker(_ identity: PointIdentity) -> String { "\(key).\(identity.rawValue)" }
}

/// Records to points.
struct PointEncoder: Sendable {
    let collection: QdrantCollection

    func point(_ record: VectorRecord) throws(VectorStoreError) -> Qdrant_PointStruct {
        guard !record.id.isEmpty, !record.id.utf8.contains(0) else {
            throw VectorStoreError(
                .invalidIdentifier, "an id is not empty and holds no NUL", store: QdrantVectorStore.name,
                recordID: record.id)
        }
        try collection.check(record.vector, recordID: record.id)
        var reserved: [String: Qdrant_Value] = [Reserved.id: Self.value(record.id)]
        var vector = record.vector
        if collection.metric == .cosine {
            let unit = UnitVector(record.vector)
            vector = unit.components
            reserved[Reserved.norm] = .with { $0.doubleValue = unit.norm }
            if !unit.isFaithful { reserved[Reserved.vector] = Self.value(VectorText.encode(record.vector)) }
        }
        var fields: [String: Qdrant_Value] = [:]
        if let payload = record.payload {
            reserved[Reserved.payload] = Self.value(PayloadValue.object(payload).json())
            var isRough = false
            fields = mirror(payload, &isRough)
            if isRough { reserved[Reserved.rough] = .with { $0.boolValue = true } }
        }
        fields[Reserved.key] = .with { $0.structValue.fields = reserved }
        return .with {
            $0.id = collection.identity.point(record.id)
            $0.payload = fields
            $0.vectors.vector.dense.data = vector
        }
    }

    private static func value(_ text: String) -> Qdrant_Value { .with { $0.stringValue = text } }

    /// How deep fields are mirrored: protobuf libraries refuse messages nested deeper than 100, and a level of a payload
    /// takes three. Filters on deeper paths are finished on our side.
    static let mirrorDepth = 16

    /// The payload as fields that the engine filters on. A mirror, not the payload: what the engine's filters would mix
    /// up is told apart here, and what they cannot reach is left out. The payload itself is in the text.
    private func mirror(_ payload: [String: PayloadValue], _ isRough: inout Bool) -> [String: Qdrant_Value] {
        var fields: [String: Qdrant_Value] = [:]
        fields.reserveCapacity(payload.count + 1)
        for (key, value) in payload where key != Reserved.key {
            fields[key] = mirror(value, depth: 1, &isRough)
        }
        return fields
    }

    private func mirror(_ value: PayloadValue, depth: Int, _ isRough: inout Bool) -> Qdrant_Value? {
        var mirrored = Qdrant_Value()
        switch value {
        case .null, .rich: return nil
        case .bool(let value): mirrored.boolValue = value
        case .int(let value): mirrored.integerValue = value
        // The addition makes -0.0 the 0.0 that it equals.
        case .double(let value):
            mirrored.doubleValue = value + 0
            isRough = isRough || !value.isKeptExactly
        case .string(let value): mirrored.stringValue = value
        case .array(let values):
            guard depth < Self.mirrorDepth else { return nil }
            mirrored.listValue.values = values.map { element in
                // To the engine, an element of an inner array is one of the outer array too.
                if case .array = element, collection.isOurs { return Self.null }
                return mirror(element, depth: depth + 1, &isRough) ?? Self.null
            }
            // To the engine, an empty array is no value.
            if values.isEmpty, collection.isOurs { mirrored.listValue.values = [Self.null] }
        case .object(let members):
            guard depth < Self.mirrorDepth else { return nil }
            var fields: [String: Qdrant_Value] = [:]
            for (key, value) in members { fields[key] = mirror(value, depth: depth + 1, &isRough) }
            mirrored.structValue.fields = fields
        }
        return mirrored
    }

    private static let null: Qdrant_Value = .with { $0.nullValue = .nullValue }
}

extension Double {
    /// Whether the engine, which keeps payloads as JSON, reads the very same number back.
    ///
    /// It does not round as IEEE 754 asks for: it takes the digits as an integer, makes that a double, and multiplies or
    /// divides by a power of ten. That is right where both are exact (an integer that a double holds, a power of at most
    /// 22), and up to 2 units in the last place off elsewhere.
    var isKeptExactly: Bool {
        if abs(self) < 0x1p53, self == rounded(.towardZero) { return true }
        // The shortest digits that give the number back: `-12.5`, `1.25e-07`.
        var digits: UInt64 = 0
        var power = 0
        var isFraction = false
        var text = description.utf8[...]
        if let mark = text.firstIndex(of: UInt8(ascii: "e")) {
            guard let exponent = Int(Substring(text[text.index(after: mark)...])) else { return false }
            power = exponent
            text = text[..<mark]
        }
        for byte in text {
            switch byte {
            case UInt8(ascii: "-"): break
            case UInt8(ascii: "."): isFraction = true
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                let (product, overflow) = digits.multipliedReportingOverflow(by: 10)
                if overflow { return false }
                digits = product + UInt64(byte - UInt8(ascii: "0"))
                if isFraction { power -= 1 }
            default: return false
            }
        }
        return abs(power) <= 22 && Double(exactly: digits) != nil
    }
}

/// A point as an answer holds it: one type for what `Query`, `Get` and `Scroll` answer.
struct StoredPoint: Sendable {
    var id: Qdrant_PointId
    var payload: [String: Qdrant_Value]
    var vectors: Qdrant_VectorsOutput?
    var score: Float

    init(_ point: Qdrant_ScoredPoint) {
        id = point.id
        payload = point.payload
        vectors = point.hasVectors ? point.vectors : nil
        score = point.score
    }

    init(_ point: Qdrant_RetrievedPoint) {
        id = point.id
        payload = point.payload
        vectors = point.hasVectors ? point.vectors : nil
        score = 0
    }

    /// Whether this library wrote the point.
    var isOurs: Bool { payload[Reserved.key] != nil }

    private var reserved: [String: Qdrant_Value] { payload[Reserved.key]?.structValue.fields ?? [:] }

    var recordID: String {
        if case .stringValue(let id)? = reserved[Reserved.id]?.kind { return id }
        return PointIdentity.id(id)
    }

    /// The payload that was stored; of a point that another program wrote, its fields.
    func recordPayload() throws(VectorStoreError) -> [String: PayloadValue]? {
        guard isOurs else {
            guard !payload.isEmpty else { return nil }
            return payload.mapValues(Self.value)
        }
        guard case .stringValue(let text)? = reserved[Reserved.payload]?.kind else { return nil }
        guard case .object(let members)? = try? PayloadValue(json: text) else {
            throw VectorStoreError(
                .payloadDecoding, "the stored payload cannot be read", store: QdrantVectorStore.name,
                recordID: recordID)
        }
        return members
    }

    /// The vector that was stored, if the answer holds it.
    var recordVector: [Float]? {
        guard case .vector(let output)? = vectors?.vectorsOptions else { return nil }
        if case .stringValue(let text)? = reserved[Reserved.vector]?.kind, let vector = VectorText.decode(text) {
            return vector
        }
        // Older servers fill `data`, newer ones `dense`.
        let components: [Float] = if case .dense(let dense)? = output.vector { dense.data } else { output.data }
        guard case .doubleValue(let norm)? = reserved[Reserved.norm]?.kind else { return components }
        return components.map { Float(Double($0) * norm) }
    }

    func record() throws(VectorStoreError) -> VectorRecord {
        VectorRecord(id: recordID, vector: recordVector ?? [], payload: try recordPayload())
    }

    private static func value(_ value: Qdrant_Value) -> PayloadValue {
        switch value.kind {
        case .doubleValue(let value): .double(value)
        case .integerValue(let value): .int(value)
        case .stringValue(let value): .string(value)
        case .boolValue(let value): .bool(value)
        case .structValue(let value): .object(value.fields.mapValues(Self.value))
        case .listValue(let value): .array(value.values.map(Self.value))
        case .nullValue, nil: .null
        }
    }
}
#endif
