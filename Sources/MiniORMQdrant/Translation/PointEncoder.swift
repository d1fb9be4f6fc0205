#if Qdrant
internal import MiniORM

/// Records to points.
struct PointEncoder: Sendable {
    let collection: QdrantCollection

    /// The field of an upsert that holds its points.
    private static let pointsField = 3

    /// Appends a record to the points of an upsert.
    func append(_ record: VectorRecord, to request: inout ProtobufWriter) throws(VectorStoreError) {
        guard !record.id.isEmpty, !record.id.utf8.contains(0) else {
            throw VectorStoreError(
                .invalidIdentifier, "an id is not empty and holds no NUL", store: QdrantVectorStore.name,
                recordID: record.id)
        }
        let unit = collection.metric == .cosine ? UnitVector(record.vector) : nil
        request.message(Self.pointsField) { point in
            point.message(1) { id in
                switch collection.identity.point(record.id).pointIDOptions {
                case .num(let number)?: id.field(1, number)
                case .uuid(let text)?: id.field(2, text)
                case nil: break
                }
            }
            var rough = RoughFields()
            for (key, value) in record.payload ?? [:] where key != Reserved.key {
                member(3, key, value, depth: 1, &rough, of: &point)
            }
            point.message(3) { entry in
                entry.field(1, Reserved.key)
                entry.message(2) { value in
                    value.message(6) { reserved(record, unit, rough.keys, to: &$0) }
                }
            }
            point.message(4) { vectors in
                vectors.message(1) { $0.message(101) { $0.field(1, unit?.components ?? record.vector) } }
            }
        }
    }

    /// What this library keeps of the record.
    private func reserved(
        _ record: VectorRecord, _ unit: UnitVector?, _ rough: [String], to fields: inout ProtobufWriter
    ) {
        func field(_ key: String, _ value: (inout ProtobufWriter) -> Void) {
            fields.message(1) { entry in
                entry.field(1, key)
                entry.message(2, value)
            }
        }
        field(Reserved.id) { $0.field(4, record.id) }
        if let unit {
            field(Reserved.norm) { $0.field(2, unit.norm) }
            if !unit.isFaithful { field(Reserved.vector) { $0.field(4, VectorText.encode(record.vector)) } }
        }
        if let payload = record.payload {
            field(Reserved.payload) { $0.text(4) { JSONWriter.append(payload, to: &$0) } }
        }
        if !rough.isEmpty {
            field(Reserved.rough) { value in
                value.message(7) { list in
                    for key in rough { list.message(1) { $0.field(4, key) } }
                }
            }
        }
    }

    /// How deep fields are mirrored: protobuf libraries refuse messages nested deeper than 100, and a level of a payload
    /// takes three. Filters on deeper paths are finished on our side.
    static let mirrorDepth = 16

    /// Appends a member of the payload as a field that the engine filters on. A mirror, not the payload: what the engine's
    /// filters would mix up is told apart here, and what they cannot reach is left out. The payload itself is in the text.
    private func member(
        _ number: Int, _ key: String, _ value: PayloadValue, depth: Int, _ rough: inout RoughFields,
        of fields: inout ProtobufWriter
    ) {
        guard isMirrored(value, depth: depth) else { return }
        rough.path.append(key)
        fields.message(number) { entry in
            entry.field(1, key)
            entry.message(2) { mirror(value, depth: depth, &rough, to: &$0) }
        }
        rough.path.removeLast()
    }

    private func isMirrored(_ value: PayloadValue, depth: Int) -> Bool {
        switch value {
        case .null, .rich: false
        case .bool, .int, .double, .string: true
        case .array, .object: depth < Self.mirrorDepth
        }
    }

    /// Appends the content of a value; what is not mirrored is the engine's null.
    private func mirror(
        _ value: PayloadValue, depth: Int, _ rough: inout RoughFields, to target: inout ProtobufWriter
    ) {
        guard isMirrored(value, depth: depth) else { return Self.null(&target) }
        switch value {
        case .null, .rich: break
        case .bool(let value): target.field(5, value)
        case .int(let value): target.field(3, value)
        // The addition makes -0.0 the 0.0 that it equals.
        case .double(let value):
            target.field(2, value + 0)
            if !value.isKeptExactly { rough.add() }
        case .string(let value): target.field(4, value)
        case .array(let values):
            target.message(7) { list in
                for element in values {
                    list.message(1) { item in
                        // To the engine, an element of an inner array is one of the outer array too.
                        if case .array = element, collection.isOurs { return Self.null(&item) }
                        mirror(element, depth: depth + 1, &rough, to: &item)
                    }
                }
                // To the engine, an empty array is no value.
                if values.isEmpty, collection.isOurs { list.message(1, Self.null) }
            }
        case .object(let members):
            target.message(6) { object in
                for (key, value) in members {
                    member(1, key, value, depth: depth + 1, &rough, of: &object)
                }
            }
        }
    }

    private static func null(_ value: inout ProtobufWriter) { value.field(1, 0 as UInt64) }
}

/// The fields of a record that hold a double which the engine may keep only nearly.
private struct RoughFields {
    /// Where in the payload the encoder is. The elements of an array are where the array is.
    var path: [String] = []
    private var found: Set<UTF8Key> = []

    /// What is here is kept only nearly. A path that filters have no key for needs no note.
    mutating func add() {
        if let key = FilterTranslation.key(FieldPath(parts: path)) { found.insert(UTF8Key(key)) }
    }

    /// The keys, as filters name them. An object used as a table could have thousands: those are any field.
    var keys: [String] { found.count > 16 ? [Reserved.anyField] : found.sorted().map(\.string) }
}

extension Double {
    /// Whether the engine, which keeps payloads as JSON, reads the very same number back.
    ///
    /// It does not round as IEEE 754 asks for: it takes the digits as an integer, makes that a double, and multiplies or
    /// divides by a power of ten. That is right where both are exact (an integer that a double holds, a power of at most
    /// 22), and up to 2 units in the last place off elsewhere. An integral double is written with a digit after the
    /// point, so the digits of one past a tenth of 2^54 may be more than a double holds too.
    var isKeptExactly: Bool {
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
#endif
