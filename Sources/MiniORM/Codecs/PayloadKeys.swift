/// A key that no model declares.
struct PayloadKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }

    /// Where a class keeps what its superclass encodes.
    static let `super` = Self(stringValue: "super")
}

/// The place of an element in an array.
struct PayloadIndex: CodingKey {
    let index: Int
    var stringValue: String { String(index) }
    var intValue: Int? { index }

    init(_ index: Int) { self.index = index }
    init(intValue: Int) { index = intValue }
    init?(stringValue: String) { nil }
}

extension [any CodingKey] {
    /// The path for people: `authors[0].name`.
    var text: String {
        reduce(into: "") { text, key in
            if let index = key as? PayloadIndex {
                text += "[\(index.index)]"
            } else {
                text += text.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
    }
}
