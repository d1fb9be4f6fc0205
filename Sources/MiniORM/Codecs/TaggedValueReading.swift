#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension JsonVectorPayloadCodec {
    /// The inverse of ``PayloadValue/tagged(offset:)``. An object that is not quite a tagged one is the user's.
    func untagged(_ value: PayloadValue) throws(VectorStoreError) -> PayloadValue {
        switch value {
        case .array(let values): return .array(try untagged(values))
        case .object(let members):
            guard case .string(let tag)? = members[PayloadTag.key] else { return try untagged(members) }
            if members.count == 2, let value = members["value"], let scalar = try scalar(tag, value) { return scalar }
            if members.count == 2, let items = members["items"], let collection = try collection(tag, items) {
                return collection
            }
            if tag == "enum", members.count == 3, case .string(let type)? = members["class"],
                let rawValue = members["value"]
            {
                return enumeration(type, try untagged(rawValue))
            }
            return try untagged(members)
        default: return value
        }
    }

    private func untagged(_ values: [PayloadValue]) throws(VectorStoreError) -> [PayloadValue] {
        var plain: [PayloadValue] = []
        for value in values { plain.append(try untagged(value)) }
        return plain
    }

    private func untagged(_ members: [String: PayloadValue]) throws(VectorStoreError) -> PayloadValue {
        var plain: [String: PayloadValue] = [:]
        for (key, value) in members { plain[key] = try untagged(value) }
        return .object(plain)
    }

    /// The value of a tag with a `value`; `nil` for an unknown tag.
    private func scalar(_ tag: String, _ value: PayloadValue) throws(VectorStoreError) -> PayloadValue? {
        let read: (String) -> RichPayloadValue?
        switch tag {
        case "str":
            guard case .string = value else { throw malformed(tag) }
            return value
        case "datetime": read = { ISO8601Text.date($0).map { .date($0) } }
        case "date": read = { ISO8601Text.isCalendarDate($0) ? .calendarDate($0) : nil }
        case "time": read = { ISO8601Text.isTimeOfDay($0) ? .timeOfDay($0) : nil }
        case "decimal": read = { DecimalText.decimal($0).map { .decimal($0) } }
        case "uuid": read = { UUID(uuidString: $0).map { .uuid($0) } }
        case "bytes": read = { Data(base64Encoded: $0).map { .data($0) } }
        default: return nil
        }
        guard case .string(let text) = value, let rich = read(text) else { throw malformed(tag) }
        return .rich(rich)
    }

    /// The value of a tag with `items`; `nil` for an unknown tag.
    private func collection(_ tag: String, _ items: PayloadValue) throws(VectorStoreError) -> PayloadValue? {
        switch (tag, items) {
        case ("tuple", .array(let values)): return .rich(.tuple(try untagged(values)))
        case ("set", .array(let values)): return .rich(.set(Set(try untagged(values))))
        case ("dict", .object(let members)): return try untagged(members)
        case ("dict", .array(let pairs)):
            var members: [String: PayloadValue] = [:]
            for pair in pairs {
                guard case .array(let pair) = pair, pair.count == 2, case .string(let key) = pair[0] else {
                    throw malformed(tag)
                }
                if let index = members.index(forKey: key), UTF8Key(members[index].key) != UTF8Key(key) {
                    throw malformed(tag)
                }
                members[key] = try untagged(pair[1])
            }
            return .object(members)
        case ("tuple", _), ("set", _), ("dict", _): throw malformed(tag)
        default: return nil
        }
    }

    private func malformed(_ tag: String) -> VectorStoreError {
        VectorStoreError(.payloadDecoding, "the value tagged \(tag.quoted) is malformed")
    }
}
