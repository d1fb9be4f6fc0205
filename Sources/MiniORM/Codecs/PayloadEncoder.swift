#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Makes payloads of models.
///
/// ```swift
/// struct Article: Codable { var title: String; var year: Int; var rating: Double? }
/// let payload = try PayloadEncoder().encode(Article(title: "Vectors", year: 2026, rating: nil))
/// // ["title": "Vectors", "year": 2026]
/// ```
///
/// Integers stay apart from floating-point numbers. A `Date` is its seconds since 2001 as a double, `UUID`, `Decimal`
/// and `URL` are text, `Data` is base64 text; or, with ``richValues``, they are rich values. A ``PayloadValue`` in a
/// model stays as it is.
public struct PayloadEncoder: Sendable {
    /// Whether `Date`, `UUID`, `Decimal` and `Data` become ``RichPayloadValue``, which takes a repository with
    /// ``JsonVectorPayloadCodec``.
    public var richValues: Bool

    /// An encoder.
    public init(richValues: Bool = false) { self.richValues = richValues }

    /// The payload of a model.
    ///
    /// Throws ``VectorStoreError/Code/unsupportedPayload`` with the path for a number that is not finite, an integer
    /// beyond `Int64`, a model that is no object, more than 512 levels, and what the model itself throws.
    public func encode(_ model: some Encodable) throws(VectorStoreError) -> [String: PayloadValue] {
        do {
            let node = PayloadNode(path: [], richValues: richValues)
            try node.encode(model)
            guard case .object(let payload) = try node.value() else {
                throw EncodingError.invalidValue(
                    model, .init(codingPath: [], debugDescription: "a payload is an object"))
            }
            return payload
        } catch EncodingError.invalidValue(_, let context) {
            let place = context.codingPath.isEmpty ? "the model" : context.codingPath.text.quoted
            throw VectorStoreError(.unsupportedPayload, "\(place) cannot be encoded: \(context.debugDescription)")
        } catch {
            throw VectorStoreError(.unsupportedPayload, "the model cannot be encoded", cause: error)
        }
    }
}

/// A value while it is being encoded.
private final class PayloadNode: Encoder {
    private enum Content {
        case empty
        case value(PayloadValue)
        case array([PayloadNode])
        case object([String: PayloadNode])
        /// The model asked for two kinds of container.
        case conflict
    }

    private var content = Content.empty
    let codingPath: [any CodingKey]
    let richValues: Bool
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    init(path: [any CodingKey], richValues: Bool) {
        codingPath = path
        self.richValues = richValues
    }

    /// A model that encodes nothing is an empty object.
    func value() throws -> PayloadValue {
        switch content {
        case .empty: return .object([:])
        case .value(let value): return value
        case .array(let nodes): return .array(try nodes.map { try $0.value() })
        case .object(let nodes): return .object(try nodes.mapValues { try $0.value() })
        case .conflict: throw invalid(codingPath, "it encodes itself in two ways at once")
        }
    }

    private func invalid(_ value: Any, _ reason: String) -> EncodingError {
        .invalidValue(value, .init(codingPath: codingPath, debugDescription: reason))
    }

    func set(_ value: PayloadValue) {
        if case .empty = content { content = .value(value) } else { content = .conflict }
    }

    func child(_ key: some CodingKey) -> PayloadNode {
        let child = PayloadNode(path: codingPath + [key], richValues: richValues)
        switch content {
        case .empty: content = .object([key.stringValue: child])
        case .object(var members):
            content = .empty
            members[key.stringValue] = child
            content = .object(members)
        default: content = .conflict
        }
        return child
    }

    func append() -> PayloadNode {
        let child = PayloadNode(path: codingPath + [PayloadIndex(count)], richValues: richValues)
        switch content {
        case .empty: content = .array([child])
        case .array(var nodes):
            content = .empty
            nodes.append(child)
            content = .array(nodes)
        default: content = .conflict
        }
        return child
    }

    var count: Int { if case .array(let nodes) = content { nodes.count } else { 0 } }

    func encode<T: Encodable>(_ model: T) throws {
        guard codingPath.count <= JSONReader.maximumDepth else { throw invalid(model, "it is nested too deep") }
        switch model {
        case let value as PayloadValue: set(value)
        case let value as Bool: set(.bool(value))
        case let value as String: set(.string(value))
        case let value as any FixedWidthInteger:
            guard let integer = Int64(exactly: value) else { throw invalid(model, "the integer is beyond 64 bits") }
            set(.int(integer))
        case let value as Double: set(.double(try finite(value)))
        case let value as Float: set(.double(Double(try finite(value))))
        case let value as Date:
            let interval = try finite(value.timeIntervalSinceReferenceDate)
            set(richValues ? .date(value) : .double(interval))
        case let value as UUID: set(richValues ? .uuid(value) : .string(value.uuidString))
        case let value as Data: set(richValues ? .data(value) : .string(value.base64EncodedString()))
        case let value as Decimal:
            guard !value.isNaN else { throw invalid(model, "the decimal is not a number") }
            set(richValues ? .decimal(value) : .string(DecimalText.text(value)))
        case let value as URL: set(.string(value.absoluteString))
        default: try model.encode(to: self)
        }
    }

    private func finite<Number: BinaryFloatingPoint>(_ number: Number) throws -> Number {
        guard number.isFinite else { throw invalid(number, "the number is not finite") }
        return number
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        switch content {
        case .empty: content = .object([:])
        case .object: break
        default: content = .conflict
        }
        return KeyedEncodingContainer(Keyed(node: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        switch content {
        case .empty: content = .array([])
        case .array: break
        default: content = .conflict
        }
        return Unkeyed(node: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Single(node: self) }
}

// The generic `encode` of each container stands for those of all the primitive types as well.
extension PayloadNode {
    private struct Keyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
        let node: PayloadNode
        var codingPath: [any CodingKey] { node.codingPath }

        func encodeNil(forKey key: Key) { node.child(key).set(.null) }
        func encode<T: Encodable>(_ value: T, forKey key: Key) throws { try node.child(key).encode(value) }
        func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) -> KeyedEncodingContainer<Nested> {
            node.child(key).container(keyedBy: type)
        }
        func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
            node.child(key).unkeyedContainer()
        }
        func superEncoder() -> any Encoder { node.child(PayloadKey.super) }
        func superEncoder(forKey key: Key) -> any Encoder { node.child(key) }
    }

    private struct Unkeyed: UnkeyedEncodingContainer {
        let node: PayloadNode
        var codingPath: [any CodingKey] { node.codingPath }
        var count: Int { node.count }

        func encodeNil() { node.append().set(.null) }
        func encode<T: Encodable>(_ value: T) throws { try node.append().encode(value) }
        func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
            node.append().container(keyedBy: type)
        }
        func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { node.append().unkeyedContainer() }
        func superEncoder() -> any Encoder { node.append() }
    }

    private struct Single: SingleValueEncodingContainer {
        let node: PayloadNode
        var codingPath: [any CodingKey] { node.codingPath }

        func encodeNil() { node.set(.null) }
        func encode<T: Encodable>(_ value: T) throws { try node.encode(value) }
    }
}
