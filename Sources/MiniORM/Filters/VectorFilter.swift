/// Which records a call is about: a condition on their payloads that means the same on every engine.
///
/// ```swift
/// let filter: VectorFilter = .field("pos") == "verb" && .field("links") >= 5
/// let same: VectorFilter = try VectorFilter(parsing: #"pos == "verb" && links >= 5"#)
/// let equality: VectorFilter = ["pos": "verb", "topic": "verb.motion"]
/// ```
///
/// - A field that is absent or null has no value. A comparison with no value is false, except `== null`, which is
///   true.
/// - `!=`, `not in` and `not` are exact complements, so a record without the field matches `!=`.
/// - Numbers compare by value, integers with doubles, exactly. A bool is not a number. Strings compare by their
///   UTF-8 bytes. Values of different types are never equal.
/// - `<`, `<=`, `>` and `>=` hold between two numbers or between two strings.
/// - Arrays and objects are equal when all they hold is. An element is found with `contains` only.
///
/// ``matches(_:)`` is the specification that every store is tested against.
public indirect enum VectorFilter: Sendable, Hashable {
    /// How a field and an operand are compared.
    public enum Comparison: String, Sendable, Hashable, CaseIterable {
        /// `==`
        case equal = "=="
        /// `!=`
        case notEqual = "!="
        /// `<`
        case less = "<"
        /// `<=`
        case lessOrEqual = "<="
        /// `>`
        case greater = ">"
        /// `>=`
        case greaterOrEqual = ">="
    }

    /// The field compared with an operand.
    case compare(FieldPath, Comparison, PayloadValue)
    /// The field equals one of the values; null among them stands for no value.
    case isIn(FieldPath, [PayloadValue])
    /// The field is an array with an element that equals the value.
    case contains(FieldPath, PayloadValue)
    /// The field has a value.
    case exists(FieldPath)
    /// All of the filters; none of them: everything.
    case and([VectorFilter])
    /// At least one of the filters; none of them: nothing.
    case or([VectorFilter])
    /// The complement.
    case not(VectorFilter)
}

extension VectorFilter: ExpressibleByDictionaryLiteral {
    /// Equality on every key; a key with dots is a path. `[:]` is everything.
    public init(dictionaryLiteral elements: (String, PayloadValue)...) {
        let terms = elements.map { VectorFilter.compare(FieldPath($0.0), .equal, $0.1) }
        self = terms.count == 1 ? terms[0] : .and(terms)
    }
}

extension VectorFilter {
    /// A field, to be compared: `.field("links") >= 5`.
    public static func field(_ path: FieldPath) -> Field { Field(path) }

    /// A field, to be compared, by a variable path; see ``FieldPath/init(_:)``.
    @_disfavoredOverload
    public static func field(_ path: String) -> Field { Field(FieldPath(path)) }

    /// A field of a payload, the left side of a comparison.
    public struct Field: Sendable, Hashable {
        /// Where the field is.
        public var path: FieldPath

        /// A field.
        public init(_ path: FieldPath) { self.path = path }

        /// Lets `.field("age") >= 18` find its left side.
        public static func field(_ path: FieldPath) -> Field { Field(path) }

        /// Lets `.field(name) >= 18` find its left side.
        @_disfavoredOverload
        public static func field(_ path: String) -> Field { Field(FieldPath(path)) }

        /// The field equals one of the values.
        public func `in`(_ values: [PayloadValue]) -> VectorFilter { .isIn(path, values) }
        /// The field equals one of the values.
        @_disfavoredOverload
        public func `in`(_ values: some Sequence<some PayloadValueConvertible>) -> VectorFilter {
            .isIn(path, values.map(\.payloadValue))
        }
        /// The field equals none of the values; true where it has no value.
        public func notIn(_ values: [PayloadValue]) -> VectorFilter { .not(.isIn(path, values)) }
        /// The field equals none of the values; true where it has no value.
        @_disfavoredOverload
        public func notIn(_ values: some Sequence<some PayloadValueConvertible>) -> VectorFilter {
            .not(.isIn(path, values.map(\.payloadValue)))
        }
        /// The field is an array with this element.
        public func contains(_ element: PayloadValue) -> VectorFilter { .contains(path, element) }
        /// The field is an array with this element.
        @_disfavoredOverload
        public func contains(_ element: some PayloadValueConvertible) -> VectorFilter {
            .contains(path, element.payloadValue)
        }
        /// The field is there and not null.
        public var exists: VectorFilter { .exists(path) }
    }
}

// Literals find the first overload of each operator, variables the second, which is generic and disfavoured so that
// long expressions stay quick to type-check.
extension VectorFilter.Field {
    /// Equal.
    public static func == (lhs: Self, rhs: PayloadValue) -> VectorFilter { .compare(lhs.path, .equal, rhs) }
    /// Not equal; true where the field has no value.
    public static func != (lhs: Self, rhs: PayloadValue) -> VectorFilter { .compare(lhs.path, .notEqual, rhs) }
    /// Less, between numbers or strings.
    public static func < (lhs: Self, rhs: PayloadValue) -> VectorFilter { .compare(lhs.path, .less, rhs) }
    /// Less or equal, between numbers or strings.
    public static func <= (lhs: Self, rhs: PayloadValue) -> VectorFilter { .compare(lhs.path, .lessOrEqual, rhs) }
    /// Greater, between numbers or strings.
    public static func > (lhs: Self, rhs: PayloadValue) -> VectorFilter { .compare(lhs.path, .greater, rhs) }
    /// Greater or equal, between numbers or strings.
    public static func >= (lhs: Self, rhs: PayloadValue) -> VectorFilter { .compare(lhs.path, .greaterOrEqual, rhs) }

    /// Equal.
    @_disfavoredOverload
    public static func == (lhs: Self, rhs: some PayloadValueConvertible) -> VectorFilter { lhs == rhs.payloadValue }
    /// Not equal; true where the field has no value.
    @_disfavoredOverload
    public static func != (lhs: Self, rhs: some PayloadValueConvertible) -> VectorFilter { lhs != rhs.payloadValue }
    /// Less, between numbers or strings.
    @_disfavoredOverload
    public static func < (lhs: Self, rhs: some PayloadValueConvertible) -> VectorFilter { lhs < rhs.payloadValue }
    /// Less or equal, between numbers or strings.
    @_disfavoredOverload
    public static func <= (lhs: Self, rhs: some PayloadValueConvertible) -> VectorFilter { lhs <= rhs.payloadValue }
    /// Greater, between numbers or strings.
    @_disfavoredOverload
    public static func > (lhs: Self, rhs: some PayloadValueConvertible) -> VectorFilter { lhs > rhs.payloadValue }
    /// Greater or equal, between numbers or strings.
    @_disfavoredOverload
    public static func >= (lhs: Self, rhs: some PayloadValueConvertible) -> VectorFilter { lhs >= rhs.payloadValue }
}

extension VectorFilter {
    /// Both.
    public static func && (lhs: Self, rhs: Self) -> Self {
        if case .and(let terms) = lhs, !terms.isEmpty { .and(terms + [rhs]) } else { .and([lhs, rhs]) }
    }
    /// Either.
    public static func || (lhs: Self, rhs: Self) -> Self {
        if case .or(let terms) = lhs, !terms.isEmpty { .or(terms + [rhs]) } else { .or([lhs, rhs]) }
    }
    /// The complement.
    public static prefix func ! (filter: Self) -> Self { .not(filter) }
}
