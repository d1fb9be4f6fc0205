#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Makes models of payloads, the inverse of ``PayloadEncoder``.
///
/// ```swift
/// struct Article: Codable { var title: String; var year: Int }
/// let article = try PayloadDecoder().decode(Article.self, from: ["title": "Vectors", "year": 2026])
/// ```
///
/// Values are read from either form that the encoder writes, rich or not. A floating-point property also takes an
/// integer that it can hold exactly; an integer takes no floating-point number.
public struct PayloadDecoder: Sendable {
    /// A decoder.
    public init() {}

    /// The model of a payload.
    ///
    /// Throws ``VectorStoreError/Code/payloadDecoding`` with the path of the value that does not fit.
    public func decode<Model: Decodable>(
        _ type: Model.Type, from payload: [String: PayloadValue]
    ) throws(VectorStoreError) -> Model {
        do {
            return try PayloadDecoding(value: .object(payload), codingPath: []).decode(type)
        } catch let error as DecodingError {
            let (path, reason) = error.pathAndReason
            let place = path.isEmpty ? "the payload" : path.text.quoted
            throw VectorStoreError(.payloadDecoding, "\(place) \(reason)", cause: error)
        } catch {
            throw VectorStoreError(.payloadDecoding, "the payload does not fit \(type)", cause: error)
        }
    }
}

extension DecodingError {
    /// In words without the value, which may be a secret.
    fileprivate var pathAndReason: ([any CodingKey], String) {
        switch self {
        case .typeMismatch(let type, let context): (context.codingPath, "is not of type \(type)")
        case .valueNotFound(let type, let context): (context.codingPath, "is null where \(type) is needed")
        case .keyNotFound(let key, let context): (context.codingPath + [key], "is absent")
        case .dataCorrupted(let context): (context.codingPath, "is no valid value of its type")
        @unknown default: ([], "does not fit the model")
        }
    }
}

/// A value while it is being decoded.
private struct PayloadDecoding: Decoder {
    let value: PayloadValue
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func mismatch(_ type: Any.Type) -> DecodingError {
        value.isNull
            ? .valueNotFound(type, .init(codingPath: codingPath, debugDescription: ""))
            : .typeMismatch(type, .init(codingPath: codingPath, debugDescription: ""))
    }

    func decode<T: Decodable>(_ type: T.Type) throws -> T {
        let decoded: Any?
        switch type {
        case is PayloadValue.Type: decoded = value
        case is Bool.Type: decoded = value.boolValue
        case is String.Type: decoded = value.simple.stringValue
        case let type as any FixedWidthInteger.Type: decoded = integer(type)
        case is Double.Type: decoded = double
        case is Float.Type: decoded = double.map { Float($0) }.flatMap { $0.isFinite ? $0 : nil }
        case is Date.Type: decoded = value.dateValue ?? double.map { Date(timeIntervalSinceReferenceDate: $0) }
        case is UUID.Type: decoded = value.uuidValue ?? value.stringValue.flatMap { UUID(uuidString: $0) }
        case is Data.Type: decoded = value.dataValue ?? value.stringValue.flatMap { Data(base64Encoded: $0) }
        case is Decimal.Type: decoded = decimal
        case is URL.Type: decoded = value.stringValue.flatMap { URL(string: $0) }
        default:
            guard codingPath.count <= JSONReader.maximumDepth else { throw mismatch(type) }
            return try T(from: self)
        }
        guard let decoded = decoded as? T else { throw mismatch(type) }
        return decoded
    }

    private func integer<Number: FixedWidthInteger>(_ type: Number.Type) -> Number? {
        if case .int(let number) = value.simple { Number(exactly: number) } else { nil }
    }

    private var double: Double? {
        switch value.simple {
        case .double(let number): number
        case .int(let number): Double(exactly: number)
        default: nil
        }
    }

    private var decimal: Decimal? {
        switch value {
        case .rich(.decimal(let number)): number
        case .string(let text): DecimalText.decimal(text)
        case .int(let number): Decimal(number)
        default: nil
        }
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard case .object(let members) = value else { throw mismatch([String: PayloadValue].self) }
        return KeyedDecodingContainer(Keyed(members: members, codingPath: codingPath))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard case .array(let values) = value.simple else { throw mismatch([PayloadValue].self) }
        return Unkeyed(values: values, codingPath: codingPath)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { Single(decoding: self) }
}

extension PayloadValue {
    /// A rich value as a model without rich types has it.
    fileprivate var simple: PayloadValue {
        switch self {
        case .rich(.enumeration(_, let rawValue)): rawValue
        case .rich(.calendarDate(let text)), .rich(.timeOfDay(let text)): .string(text)
        case .rich(.tuple(let values)): .array(values)
        case .rich(.set(let values)): .array(Array(values))
        default: self
        }
    }
}

// The generic `decode` of each container stands for those of all the primitive types as well.
extension PayloadDecoding {
    private struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let members: [String: PayloadValue]
        let codingPath: [any CodingKey]

        var allKeys: [Key] { members.keys.compactMap { Key(stringValue: $0) } }
        func contains(_ key: Key) -> Bool { members[key.stringValue] != nil }

        private func member(_ key: some CodingKey) throws -> PayloadDecoding {
            guard let value = members[key.stringValue] else {
                throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: ""))
            }
            return PayloadDecoding(value: value, codingPath: codingPath + [key])
        }

        func decodeNil(forKey key: Key) throws -> Bool { try member(key).value.isNull }
        func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try member(key).decode(type) }
        func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) throws -> KeyedDecodingContainer<Nested> {
            try member(key).container(keyedBy: type)
        }
        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
            try member(key).unkeyedContainer()
        }
        func superDecoder() throws -> any Decoder { try member(PayloadKey.super) }
        func superDecoder(forKey key: Key) throws -> any Decoder { try member(key) }
    }

    private struct Unkeyed: UnkeyedDecodingContainer {
        let values: [PayloadValue]
        let codingPath: [any CodingKey]
        private(set) var currentIndex = 0

        init(values: [PayloadValue], codingPath: [any CodingKey]) {
            self.values = values
            self.codingPath = codingPath
        }

        var count: Int? { values.count }
        var isAtEnd: Bool { currentIndex >= values.count }

        private func next(_ type: Any.Type) throws -> PayloadDecoding {
            let path = codingPath + [PayloadIndex(currentIndex)]
            guard !isAtEnd else {
                throw DecodingError.valueNotFound(type, .init(codingPath: path, debugDescription: ""))
            }
            return PayloadDecoding(value: values[currentIndex], codingPath: path)
        }

        private mutating func read<T>(_ type: Any.Type, _ read: (PayloadDecoding) throws -> T) throws -> T {
            let value = try read(next(type))
            currentIndex += 1
            return value
        }

        mutating func decodeNil() throws -> Bool {
            guard try next(PayloadValue?.self).value.isNull else { return false }
            currentIndex += 1
            return true
        }
        mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try read(type) { try $0.decode(type) } }
        mutating func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type
        ) throws -> KeyedDecodingContainer<Nested> {
            try read([String: PayloadValue].self) { try $0.container(keyedBy: type) }
        }
        mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
            try read([PayloadValue].self) { try $0.unkeyedContainer() }
        }
        mutating func superDecoder() throws -> any Decoder { try read(PayloadValue.self) { $0 } }
    }

    private struct Single: SingleValueDecodingContainer {
        let decoding: PayloadDecoding
        var codingPath: [any CodingKey] { decoding.codingPath }

        func decodeNil() -> Bool { decoding.value.isNull }
        func decode<T: Decodable>(_ type: T.Type) throws -> T { try decoding.decode(type) }
    }
}
