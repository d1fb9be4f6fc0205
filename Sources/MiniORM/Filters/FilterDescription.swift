// A filter as text, the inverse of its parser.

extension VectorFilter: CustomStringConvertible {
    /// The filter in the syntax of ``init(parsing:)``, which reads the same tree back from it.
    ///
    /// Only NaN, infinity and ``PayloadValue/rich(_:)`` have no form in that syntax; they are shown between angle
    /// brackets, which do not parse. The text holds the filter's values: think before it goes to a log.
    public var description: String {
        var writer = FilterWriter()
        writer.write(self)
        return writer.text
    }
}

/// Writes without recursion, so that no depth of a tree exhausts the stack.
private struct FilterWriter {
    private enum Item {
        case text(String)
        case filter(VectorFilter)
        case value(PayloadValue)
    }

    private(set) var text = ""
    /// What is still to be written, the next one last.
    private var items: [Item] = []

    mutating func write(_ filter: VectorFilter) {
        items = [.filter(filter)]
        while let item = items.popLast() {
            switch item {
            case .text(let next): text += next
            case .filter(let filter): expand(filter)
            case .value(let value): expand(value)
            }
        }
    }

    private mutating func push(_ next: [Item]) { items.append(contentsOf: next.reversed()) }

    private mutating func expand(_ filter: VectorFilter) {
        switch filter {
        case .compare(let path, let comparison, let operand):
            push([.text("\(path) \(comparison.rawValue) "), .value(operand)])
        case .isIn(let path, let operands): push([.text("\(path) in "), .value(.array(operands))])
        case .contains(let path, let operand): push([.text("\(path) contains "), .value(operand)])
        case .exists(let path): text += "\(path) exists"
        case .and(let terms): expand(terms, none: "true", one: "and(", between: " && ")
        case .or(let terms): expand(terms, none: "false", one: "or(", between: " || ")
        case .not(.isIn(let path, let operands)): push([.text("\(path) not in "), .value(.array(operands))])
        case .not(let term): push([.text("!("), .filter(term), .text(")")])
        }
    }

    private mutating func expand(_ terms: [VectorFilter], none: String, one: String, between: String) {
        guard let first = terms.first else { return text += none }
        if terms.count == 1 { return push([.text(one), .filter(first), .text(")")]) }
        var next: [Item] = []
        for term in terms {
            if !next.isEmpty { next.append(.text(between)) }
            next += term.isChain ? [.text("("), .filter(term), .text(")")] : [.filter(term)]
        }
        push(next)
    }

    private mutating func expand(_ value: PayloadValue) {
        switch value {
        case .null: text += "null"
        case .bool(let value): text += "\(value)"
        case .int(let value): text += "\(value)"
        case .double(let value): text += value.isFinite ? "\(value)" : "<\(value)>"
        case .string(let value): text += value.escaped(between: "\"")
        case .array(let values):
            push(
                [.text("[")]
                    + values.enumerated().flatMap { index, value in
                        [.text(index == 0 ? "" : ", "), .value(value)]
                    } + [.text("]")])
        case .object(let members):
            let sorted = members.sorted { UTF8Key($0.key) < UTF8Key($1.key) }
            push(
                [.text("{")]
                    + sorted.enumerated().flatMap { index, member in
                        [
                            .text((index == 0 ? "" : ", ") + member.key.escaped(between: "\"") + ": "),
                            .value(member.value),
                        ]
                    } + [.text("}")])
        case .rich: text += "<rich>"
        }
    }
}

extension VectorFilter {
    /// Whether its text holds `&&` or `||` outside of parentheses.
    fileprivate var isChain: Bool {
        switch self {
        case .and(let terms), .or(let terms): terms.count > 1
        default: false
        }
    }
}

extension FieldPath: CustomStringConvertible {
    /// The path as it stands in a filter's text: keys between dots, those that are no plain names in backticks.
    public var description: String {
        parts.map { FilterSyntax.isPlainName($0) ? $0 : $0.escaped(between: "`") }.joined(separator: ".")
    }
}

extension String {
    /// The string between quotes, with JSON's escapes.
    fileprivate func escaped(between quote: Unicode.Scalar) -> String {
        var text = String(quote)
        for scalar in unicodeScalars {
            if scalar == quote || scalar == "\\" {
                text += "\\\(scalar)"
            } else if scalar == "\"" {
                text += "\""
            } else {
                text += scalar.escaped(asASCII: false)
            }
        }
        return text + String(quote)
    }
}
