extension PayloadValue: Codable {
    /// Writes the value as it is to a ``PayloadEncoder``. To another encoder, a rich value is an error.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .int(let value): try container.encode(value)
        case .double(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let values): try container.encode(values)
        case .object(let members): try container.encode(members)
        case .rich:
            throw EncodingError.invalidValue(
                self, .init(codingPath: encoder.codingPath, debugDescription: "a rich value takes a PayloadEncoder"))
        }
    }

    /// Reads the value as it is from a ``PayloadDecoder``. Another decoder may not tell 1 from 1.0; to read JSON, use
    /// ``init(json:)-(String)``.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .int(value)
        } else if let value = try? container.decode(Double.self) {
            self = .double(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let values = try? container.decode([PayloadValue].self) {
            self = .array(values)
        } else {
            self = .object(try container.decode([String: PayloadValue].self))
        }
    }
}

extension VectorRecord {
    /// A record with a model for its payload; see ``PayloadEncoder``.
    public init(id: String, vector: [Float], encoding model: some Encodable) throws(VectorStoreError) {
        do { self.init(id: id, vector: vector, payload: try PayloadEncoder().encode(model)) } catch {
            throw error.adding(recordID: id)
        }
    }

    /// The payload as a model; see ``PayloadDecoder``.
    ///
    /// Throws ``VectorStoreError/Code/payloadDecoding`` where it does not fit, or is absent.
    public func decodePayload<Model: Decodable>(as type: Model.Type) throws(VectorStoreError) -> Model {
        try decode(type, from: payload, recordID: id)
    }
}

extension VectorSearchResult {
    /// The payload as a model; see ``PayloadDecoder``.
    ///
    /// Throws ``VectorStoreError/Code/payloadDecoding`` where it does not fit, or is absent.
    public func decodePayload<Model: Decodable>(as type: Model.Type) throws(VectorStoreError) -> Model {
        try decode(type, from: payload, recordID: id)
    }
}

private func decode<Model: Decodable>(
    _ type: Model.Type, from payload: [String: PayloadValue]?, recordID: String
) throws(VectorStoreError) -> Model {
    guard let payload else {
        throw VectorStoreError(.payloadDecoding, "the record has no payload", recordID: recordID)
    }
    do { return try PayloadDecoder().decode(type, from: payload) } catch {
        throw error.adding(recordID: recordID)
    }
}
