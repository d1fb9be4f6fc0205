/// The codec that stores rich values (dates, UUIDs, decimals, bytes, sets, tuples, enumerations) and nested values as
/// tagged text, in the form of the Python library mini_orm, so that both can share a collection.
///
/// ```swift
/// enum Status: String { case open, closed }
///
/// let codec = JsonVectorPayloadCodec().registering(Status.self, as: "app.models:Status")
/// let tasks = try VectorRepository(store, "tasks", dimension: 3, payloadCodec: codec)
/// let payload: [String: PayloadValue] = ["status": .enumeration(Status.open), "tags": ["a", "b"]]
/// try tasks.upsert([VectorRecord(id: "t1", vector: [1, 0, 0], payload: payload)])
/// let open = try tasks.query([1, 0, 0], filter: .field("status") == .enumeration(Status.open))
/// ```
///
/// Null, booleans, numbers and plain text are stored as they are. Anything else becomes text: the prefix
/// `__miniorm_json__:` and compact JSON with sorted keys, where rich values and objects have the key
/// `__miniorm_codec__`; objects without it, which older versions wrote, are read too. Text that begins with the prefix
/// itself is escaped, and comes back as it was.
///
/// Filters keep their meaning exactly, or throw ``VectorStoreError/Code/unsupportedFilter`` where stored text cannot
/// answer them: what looks inside a nested value (`contains`, a path of several parts), an order other than between
/// numbers or plain texts, equality with an array or object that holds a number (1 equals 1.0, their texts differ).
///
/// A date is kept to the microsecond, which is Python's resolution: it comes back rounded to the nearest one, and dates
/// that round to the same one are equal in a filter.
///
/// Equality with a rich value is equality of stored text, and this codec writes one text for a value. Another writer may
/// have several. Python's naive datetimes are read as UTC, equality finds them too, and a record with one that this
/// codec writes again holds an aware one. But Python writes the same moment with any offset from UTC, 1.1 as `1.10`
/// too, and may mix naive and aware dates in one value: such a record is read, and found by a filter only once it has
/// been written by this codec.
///
/// A malformed tagged text fails the call that reads it, with ``VectorStoreError/Code/payloadDecoding`` that names
/// record and key; reading a sequence of records goes on past it.
public struct JsonVectorPayloadCodec: VectorPayloadCodec {
    /// A registered enumeration: its name in stored text, and its raw value by what was stored.
    private struct Enumeration: Sendable {
        let typeName: String
        let storedName: String
        let rawValue: @Sendable (PayloadValue) -> PayloadValue?
    }

    private var byTypeName: [UTF8Key: Enumeration] = [:]
    private var byStoredName: [UTF8Key: Enumeration] = [:]

    /// A codec that knows no enumeration yet: each decodes to its raw value.
    public init() {}

    /// A codec that also restores an enumeration with text for raw values.
    ///
    /// - Parameters:
    ///   - type: The enumeration. A stored value that is no raw value is looked for among the names of the cases, if
    ///     the type is `CaseIterable`; failing that, it stays as it is.
    ///   - name: Its name in stored text, `module:QualifiedName` for one that Python has too; without one, Swift's. A
    ///     private or local type needs one: Swift's changes with every start of the program, and is refused with
    ///     ``VectorStoreError/Code/unsupportedPayload`` or, in a filter, ``VectorStoreError/Code/unsupportedFilter``.
    public func registering<E: RawRepresentable & Sendable>(_ type: E.Type, as name: String? = nil) -> Self
    where E.RawValue == String {
        registering(E.self, as: name) {
            $0.stringValue.flatMap(E.init(rawValue:))
        } encode: {
            .enumeration($0)
        }
    }

    /// A codec that also restores an enumeration with integers for raw values; see ``registering(_:as:)``.
    public func registering<E: RawRepresentable & Sendable>(_ type: E.Type, as name: String? = nil) -> Self
    where E.RawValue: FixedWidthInteger {
        registering(E.self, as: name) {
            $0.enumeration(as: E.self)
        } encode: {
            .enumeration($0)
        }
    }

    private func registering<E: RawRepresentable & Sendable>(
        _ type: E.Type, as name: String?, decode: @escaping @Sendable (PayloadValue) -> E?,
        encode: @escaping @Sendable (E) -> PayloadValue
    ) -> Self {
        let typeName = PayloadValue.typeName(of: type)
        let enumeration = Enumeration(typeName: typeName, storedName: name ?? typeName) { stored in
            let value = decode(stored) ?? stored.stringValue.flatMap { Self.member($0, of: E.self) }
            guard let value, case .rich(.enumeration(_, let rawValue)) = encode(value) else { return nil }
            return rawValue
        }
        var codec = self
        if let replaced = codec.byTypeName.updateValue(enumeration, forKey: UTF8Key(typeName)) {
            codec.byStoredName[UTF8Key(replaced.storedName)] = nil
        }
        codec.byStoredName[UTF8Key(enumeration.storedName)] = enumeration
        return codec
    }

    private static func member<E>(_ name: String, of type: E.Type) -> E? {
        func find(_ cases: (some CaseIterable).Type) -> E? {
            cases.allCases.first { String(describing: $0) == name } as? E
        }
        return (type as? any CaseIterable.Type).flatMap { find($0) }
    }

    /// What a stored enumeration is to the user: with its raw value where it is a registered one with such a case.
    func enumeration(_ storedName: String, _ stored: PayloadValue) -> PayloadValue {
        guard let known = byStoredName[UTF8Key(storedName)], let rawValue = known.rawValue(stored) else {
            return stored
        }
        return .rich(.enumeration(type: known.typeName, rawValue: rawValue))
    }

    /// The value with the names of its enumerations as they are stored.
    ///
    /// Throws `code` for what tagged text cannot keep.
    private func named(
        _ value: PayloadValue, _ code: VectorStoreError.Code
    ) throws(VectorStoreError) -> PayloadValue {
        func all(_ values: some Sequence<PayloadValue>) throws(VectorStoreError) -> [PayloadValue] {
            var result: [PayloadValue] = []
            for value in values { result.append(try named(value, code)) }
            return result
        }
        switch value {
        case .null, .bool, .int, .string: return value
        case .double(let number):
            guard number.isFinite else { throw VectorStoreError(code, "a number is not finite") }
            return value
        case .array(let values): return .array(try all(values))
        case .object(let members):
            var result: [String: PayloadValue] = [:]
            for (key, value) in members { result[key] = try named(value, code) }
            return .object(result)
        case .rich(.tuple(let values)): return .rich(.tuple(try all(values)))
        case .rich(.set(let values)): return .rich(.set(Set(try all(values))))
        case .rich(.enumeration(let type, let rawValue)):
            let known = byTypeName[UTF8Key(type)]
            if known == nil, byStoredName[UTF8Key(type)] != nil {
                throw VectorStoreError(
                    code, "\(type.quoted) is the stored name of a registered enumeration: use PayloadValue.enumeration")
            }
            let name = known?.storedName ?? type
            guard !PayloadValue.isOfThisProcess(typeName: name) else {
                throw VectorStoreError(
                    code,
                    "Swift's name of a private or local enumeration changes with every start of the program: give it one "
                        + "with JsonVectorPayloadCodec.registering(_:as:)")
            }
            return .rich(.enumeration(type: name, rawValue: try named(rawValue, code)))
        case .rich(let rich):
            if let problem = rich.formProblem { throw VectorStoreError(code, problem) }
            return value
        }
    }

    /// The stored form of a value of a payload, or of one that such values are compared with.
    func stored(_ value: PayloadValue, _ code: VectorStoreError.Code) throws(VectorStoreError) -> PayloadValue {
        switch value {
        case .null, .bool, .int, .double: return value
        case .string(let text):
            guard text.utf8.starts(with: PayloadTag.prefix.utf8) else { return value }
            return .string(PayloadTag.prefix + PayloadTag.object("str", ["value": value]).json(asASCII: true))
        case .array, .object, .rich:
            return .string(PayloadTag.prefix + (try named(value, code)).tagged().json(asASCII: true))
        }
    }

    /// Every stored form that this codec or Python's naive datetimes give a value; this codec's own first.
    func storedForms(
        _ value: PayloadValue, _ code: VectorStoreError.Code
    ) throws(VectorStoreError) -> [PayloadValue] {
        let form = try stored(value, code)
        switch value {
        case .null, .bool, .int, .double, .string: return [form]
        case .array, .object, .rich:
            let naive = try named(value, code).tagged(offset: ISO8601Text.naive).json(asASCII: true)
            return form == .string(PayloadTag.prefix + naive) ? [form] : [form, .string(PayloadTag.prefix + naive)]
        }
    }

    /// The stored form of a payload.
    ///
    /// Throws ``VectorStoreError/Code/unsupportedPayload`` for a date outside the years 1 to 9999, text that is no day
    /// or time of day, a number that is not finite, and a private or local enumeration without a registered name.
    public func encode(_ payload: [String: PayloadValue]) throws(VectorStoreError) -> [String: PayloadValue] {
        var encoded: [String: PayloadValue] = [:]
        for (key, value) in payload {
            do { encoded[key] = try stored(value, .unsupportedPayload) } catch { throw error.at(key) }
        }
        return encoded
    }

    /// The payload of a stored form, which this library or the Python one wrote.
    ///
    /// Throws ``VectorStoreError/Code/payloadDecoding`` with the key for malformed tagged text.
    public func decode(_ payload: [String: PayloadValue]) throws(VectorStoreError) -> [String: PayloadValue] {
        var decoded = payload
        for (key, value) in payload {
            guard case .string(let text) = value, text.utf8.starts(with: PayloadTag.prefix.utf8) else { continue }
            do {
                let json = Array(text.utf8.dropFirst(PayloadTag.prefix.utf8.count))
                decoded[key] = try untagged(PayloadValue(json: json))
            } catch {
                throw VectorStoreError(.payloadDecoding, error.message, cause: error).at(key)
            }
        }
        return decoded
    }
}

extension VectorStoreError {
    fileprivate func at(_ key: String) -> VectorStoreError {
        VectorStoreError(code, "at key \(key.quoted): \(message)", cause: cause)
    }
}
