#if PgVector
import MiniORM

/// A filter as a condition in SQL, which means what `VectorFilter.matches(_:)` means.
///
/// Every name and value is a bound parameter. Below a `not` each part is true or false and never null, so that `not` is
/// the exact complement; elsewhere null is as good as false, and leaves the condition in a form that an index knows. A
/// path goes through objects only: `jsonb -> text` finds nothing in an array.
struct FilterSQL {
    /// The payload's column, quoted.
    let payload: String
    /// Whether containment is asked as well, which a GIN index on the payload answers.
    var usesContainment = false
    /// The paths whose values' hashes are asked for as well, which an index on them answers.
    var indexes: Set<String> = []
    /// How many `not` there are around the part that is translated.
    private var negations = 0
    /// What is bound; the condition's parameters come after those that are here already.
    var parameters: PostgresParameters

    init(
        payload: String, usesContainment: Bool = false, indexes: Set<String> = [], parameters: PostgresParameters
    ) {
        self.payload = payload
        self.usesContainment = usesContainment
        self.indexes = indexes
        self.parameters = parameters
    }

    /// The deepest nesting that is translated. (A repository allows less.)
    private static let maximumDepth = 256
    /// PostgreSQL takes 65,535 parameters; the statement has a few of its own.
    static let maximumParameters = 60_000

    /// The condition.
    mutating func condition(_ filter: VectorFilter) throws(VectorStoreError) -> String {
        try condition(filter, depth: 0)
    }

    private mutating func condition(_ filter: VectorFilter, depth: Int) throws(VectorStoreError) -> String {
        guard depth < Self.maximumDepth else {
            throw .pgvector(.unsupportedFilter, "the filter is nested deeper than \(Self.maximumDepth) levels")
        }
        guard parameters.count < Self.maximumParameters else {
            throw .pgvector(.unsupportedFilter, "the filter has more than \(Self.maximumParameters) names and values")
        }
        switch filter {
        case .compare(let path, .equal, let operand): return try equality(path, operand)
        case .compare(let path, .notEqual, let operand):
            return try condition(.not(.compare(path, .equal, operand)), depth: depth)
        case .compare(let path, let comparison, let operand): return try order(path, comparison, operand)
        case .isIn(let path, let operands): return try membership(path, operands)
        case .contains(let path, let operand): return try element(path, operand)
        case .exists(let path): return truth("\(value(path)) <> 'null'::jsonb")
        case .and(let terms): return try joined(terms, " and ", none: "true", depth)
        case .or(let terms): return try joined(terms, " or ", none: "false", depth)
        case .not(let term):
            negations += 1
            defer { negations -= 1 }
            return "not \(try condition(term, depth: depth + 1))"
        }
    }

    /// A part that is null where the field is absent.
    private func truth(_ part: String) -> String { negations > 0 ? "coalesce(\(part), false)" : "(\(part))" }

    private mutating func joined(
        _ terms: [VectorFilter], _ word: String, none: String, _ depth: Int
    ) throws(VectorStoreError) -> String {
        if terms.isEmpty { return none }
        var conditions: [String] = []
        for term in terms { conditions.append(try condition(term, depth: depth + 1)) }
        return "(\(conditions.joined(separator: word)))"
    }

    /// The value at a path; null where there is none. A JSON null stays one.
    private mutating func value(_ path: FieldPath) -> String {
        var value = payload
        for part in path.parts { value += " -> $\(parameters.text(JSONBText.stored(part)))::text" }
        return "(\(value))"
    }

    /// The hash of a value, the same for equal ones: an index on it takes values of any length, which one on the values
    /// themselves does not.
    static func hash(_ value: String) -> String { "pg_catalog.jsonb_hash_extended(\(value), 0)" }

    private mutating func equality(_ path: FieldPath, _ operand: PayloadValue) throws(VectorStoreError) -> String {
        try check(operand)
        if operand.isNull { return "coalesce(\(value(path)) = 'null'::jsonb, true)" }
        // Containment below objects is equality for all but arrays and objects, and the one form of which the server
        // knows how many rows it holds for: of a field it guesses one in 200, and then passes over an index on vectors.
        let isIndexed = indexes.contains(IndexName.key(of: path))
        if !isIndexed, operand.isScalar { return truth(containment(path, operand)) }
        // jsonb's equality is deep, by numeric value and by bytes.
        let field = value(path)
        let wanted = "$\(parameters.json(operand))::jsonb"
        let equal = truth(
            (isIndexed ? "\(Self.hash(field)) = \(Self.hash(wanted)) and " : "") + "\(field) = \(wanted)")
        guard usesContainment else { return equal }
        return "(\(truth(containment(path, operand))) and \(equal))"
    }

    private mutating func containment(_ path: FieldPath, _ operand: PayloadValue) -> String {
        var whole = operand
        for part in path.parts.reversed() { whole = .object([part: whole]) }
        return "\(payload) @> $\(parameters.json(whole))::jsonb"
    }

    private mutating func order(
        _ path: FieldPath, _ comparison: VectorFilter.Comparison, _ operand: PayloadValue
    ) throws(VectorStoreError) -> String {
        try check(operand)
        let sign = comparison.rawValue
        switch operand {
        case .int, .double:
            let field = value(path)
            let number = parameters.json(operand)
            return truth("case when jsonb_typeof(\(field)) = 'number' then \(field) \(sign) $\(number)::jsonb end")
        case .string(let text):
            // jsonb's own order of strings depends on the database's collation.
            let field = value(path)
            let string = parameters.text(JSONBText.stored(text))
            return truth(
                "case when jsonb_typeof(\(field)) = 'string' "
                    + "then (\(field) #>> '{}') collate \"C\" \(sign) $\(string)::text end")
        default: return "false"
        }
    }

    private mutating func membership(_ path: FieldPath, _ operands: [PayloadValue]) throws(VectorStoreError) -> String {
        for operand in operands { try check(operand) }
        let field = value(path)
        let values = operands.filter { !$0.isNull }
        let wanted = "$\(parameters.jsons(values))::jsonb[]"
        var isOne = "\(field) = any(\(wanted))"
        if indexes.contains(IndexName.key(of: path)) {
            let hashes = "select \(Self.hash("items.item")) from unnest(\(wanted)) as items(item)"
            isOne = "\(Self.hash(field)) = any(array(\(hashes))) and \(isOne)"
        }
        isOne = truth(isOne)
        guard values.count < operands.count else { return isOne }
        return "(\(isOne) or coalesce(\(field) = 'null'::jsonb, true))"
    }

    private mutating func element(_ path: FieldPath, _ operand: PayloadValue) throws(VectorStoreError) -> String {
        try check(operand)
        let field = value(path)
        let element = "$\(parameters.json(operand))::jsonb"
        let isHeld =
            switch operand {
            // Containment of arrays and objects is wider than equality; of all else it is the same.
            case .array, .object:
                "exists (select from jsonb_array_elements(\(field)) as items(item) where items.item = \(element))"
            default: "\(field) @> \(element)"
            }
        return truth("case when jsonb_typeof(\(field)) = 'array' then \(isHeld) end")
    }

    /// Refuses what has no form in JSON.
    private func check(_ operand: PayloadValue) throws(VectorStoreError) {
        switch operand {
        case .rich: throw .pgvector(.unsupportedFilter, "a value in the filter needs a codec that knows it")
        case .double(let number):
            guard number.isFinite else { throw .pgvector(.unsupportedFilter, "a number in the filter is not finite") }
        case .array(let values): for value in values { try check(value) }
        case .object(let members): for value in members.values { try check(value) }
        default: break
        }
    }
}

extension PayloadValue {
    /// Whether it is neither an array nor an object.
    fileprivate var isScalar: Bool {
        switch self {
        case .array, .object: false
        default: true
        }
    }
}
#endif
