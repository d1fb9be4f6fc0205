// A filter from text.

extension VectorFilter {
    /// A filter from its text.
    ///
    /// ```swift
    /// let filter = try VectorFilter(parsing: #"pos == "verb" && links >= 5"#)
    /// ```
    ///
    /// | text | filter |
    /// |---|---|
    /// | `a == 1`, `a != 1`, `a < 1`, `a <= 1`, `a > 1`, `a >= 1` | ``compare(_:_:_:)`` |
    /// | `a in [1, "x", null]`, `a not in [1]` | ``isIn(_:_:)``, and ``not(_:)`` of it |
    /// | `words contains "run"` | ``contains(_:_:)`` |
    /// | `topic exists` | ``exists(_:)`` |
    /// | `x && y`, `x and y` | ``and(_:)``; a chain is one of all its terms |
    /// | `x \|\| y`, `x or y` | ``or(_:)``; a chain is one of all its terms |
    /// | `!x`, `not x` | ``not(_:)`` of the comparison or the parentheses that follow |
    /// | `true`, `false` | everything, nothing: `and` and `or` of no terms |
    /// | `and(x)`, `or(x, y)` | `and` and `or` with their terms in a list, be it of one |
    ///
    /// `!` binds closer than `&&`, which binds closer than `||`; parentheses group, and stay in the tree.
    ///
    /// Values are JSON: a number with a fraction or an exponent is a double, any other an integer of 64 bits. Text may
    /// stand in single quotes too. A field is `[A-Za-z_][A-Za-z0-9_]*`, with dots between the keys of a path; any
    /// other key (and a word of this syntax) goes in backticks, with JSON's escapes:
    ///
    ///     `a.b`.c == 1
    ///
    /// `description` writes this syntax, and parsing that gives the same tree again.
    ///
    /// - Throws: ``VectorStoreError/Code/invalidArgument`` with the column, and a mark below it; also for text that is
    ///   nested deeper than 256 levels, or values deeper than ``RepositoryLimits/payloadDepth``.
    public init(parsing text: String) throws(VectorStoreError) {
        var parser = FilterParser(text)
        self = try parser.filter()
    }
}

/// Reads without recursion: what is open is on a stack of its own.
private struct FilterParser {
    /// How deep text may be nested. More than twice ``RepositoryLimits/filterDepth``, so that every filter that a
    /// repository takes can be written down.
    private static let nesting = 256

    /// What a parenthesis opened.
    private enum Kind { case group, all, any }

    /// A parenthesis, or the whole text.
    private struct Level {
        let kind: Kind
        /// Complements that wait for the term that follows.
        var complements = 0
        /// The terms of the conjunction that is being read.
        var and: [VectorFilter] = []
        /// The terms of the disjunction around it.
        var or: [VectorFilter] = []
        /// The elements of the list around that.
        var list: [VectorFilter] = []

        mutating func endConjunction() {
            or.append(and.count == 1 ? and[0] : .and(and))
            and = []
        }

        mutating func endDisjunction() {
            list.append(or.count == 1 ? or[0] : .or(or))
            or = []
        }
    }

    private var scanner: FilterScanner
    private var level = Level(kind: .group)
    private var outer: [Level] = []
    /// Parentheses and complements that are open.
    private var depth = 0

    init(_ text: String) { scanner = FilterScanner(text) }

    mutating func filter() throws(VectorStoreError) -> VectorFilter {
        while true {
            guard var term = try operand() else { continue }
            operators: while true {
                while level.complements > 0 {
                    term = .not(term)
                    level.complements -= 1
                    depth -= 1
                }
                level.and.append(term)
                if scanner.take("&&") || scanner.takeWord("and") { break operators }
                level.endConjunction()
                if scanner.take("||") || scanner.takeWord("or") { break operators }
                level.endDisjunction()
                let isList = level.kind != .group
                if isList, scanner.take(",") { break operators }
                guard let around = outer.last else {
                    guard scanner.isAtEnd() else { throw scanner.expected("&& or || or the end") }
                    return level.list[0]
                }
                guard scanner.take(")") else {
                    throw scanner.expected(isList ? "&& or || or \",\" or \")\"" : "&& or || or \")\"")
                }
                term = closed()
                level = around
                outer.removeLast()
                depth -= 1
            }
        }
    }

    private func closed() -> VectorFilter {
        switch level.kind {
        case .group: level.list[0]
        case .all: .and(level.list)
        case .any: .or(level.list)
        }
    }

    /// A comparison or a constant; `nil` where a parenthesis or a complement was opened, or a list ended at once.
    private mutating func operand() throws(VectorStoreError) -> VectorFilter? {
        if scanner.take("!") || scanner.takeWord("not") {
            try deepen()
            level.complements += 1
            return nil
        }
        if scanner.take("(") { return try open(.group) }
        if scanner.takeCall("and") { return try open(.all) }
        if scanner.takeCall("or") { return try open(.any) }
        if scanner.takeWord("true") { return .and([]) }
        if scanner.takeWord("false") { return .or([]) }
        return try comparison()
    }

    private mutating func open(_ kind: Kind) throws(VectorStoreError) -> VectorFilter? {
        try deepen()
        outer.append(level)
        level = Level(kind: kind)
        return nil
    }

    private mutating func deepen() throws(VectorStoreError) {
        depth += 1
        guard depth <= Self.nesting else {
            throw scanner.failure("the filter is nested deeper than \(Self.nesting) levels")
        }
    }

    private mutating func comparison() throws(VectorStoreError) -> VectorFilter {
        let path = try scanner.path()
        // Longer symbols first.
        if scanner.take("==") { return .compare(path, .equal, try scanner.value()) }
        if scanner.take("!=") { return .compare(path, .notEqual, try scanner.value()) }
        if scanner.take("<=") { return .compare(path, .lessOrEqual, try scanner.value()) }
        if scanner.take(">=") { return .compare(path, .greaterOrEqual, try scanner.value()) }
        if scanner.take("<") { return .compare(path, .less, try scanner.value()) }
        if scanner.take(">") { return .compare(path, .greater, try scanner.value()) }
        if scanner.takeWord("in") { return .isIn(path, try scanner.list()) }
        if scanner.takeWord("contains") { return .contains(path, try scanner.value()) }
        if scanner.takeWord("exists") { return .exists(path) }
        if scanner.takeWord("not") {
            guard scanner.takeWord("in") else { throw scanner.expected("in after not") }
            return .not(.isIn(path, try scanner.list()))
        }
        throw scanner.expected("==, !=, <, <=, >, >=, in, not in, contains or exists")
    }
}
