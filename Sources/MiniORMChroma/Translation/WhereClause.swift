#if Chroma
internal import MiniORM

/// What the server is asked to match: all that a filter matches, and perhaps more.
struct WhereClause: Hashable {
    /// The part of the filter that it stands for.
    let filter: VectorFilter
    /// The server's text, JSON.
    let json: [UInt8]

    /// The clause of a filter; `nil` where the server has to give every record.
    ///
    /// Whatever it asks for, records that are not indexed whole are asked for too.
    init?(_ filter: VectorFilter, _ indexed: IndexedKeys, _ limits: ChromaLimits) {
        guard indexed.fields != .none else { return nil }
        // One condition is for the records that are not indexed whole.
        var budget = Budget(
            conditions: limits.conditions - 1, operands: limits.operands, ordersNumbers: limits.ordersNumbers)
        guard let node = Node(filter, indexed, &budget, depth: 0) else { return nil }
        self.filter = node.filter
        var json = Array("{\"$or\":[".utf8)
        node.append(to: &json)
        json.append(contentsOf: ",{\"\(MetadataFields.partial)\":{\"$eq\":\"\(MetadataFields.isPartial)\"}}]}".utf8)
        self.json = json
    }

    /// What the server may still be asked.
    private struct Budget {
        var conditions: Int
        var operands: Int
        var ordersNumbers: Bool

        /// False, and nothing is spent, where it is not enough.
        mutating func spend(conditions: Int, operands: Int = 0) -> Bool {
            guard conditions <= self.conditions, operands <= self.operands else { return false }
            self.conditions -= conditions
            self.operands -= operands
            return true
        }
    }

    private indirect enum Node {
        case condition(VectorFilter, key: String, operation: String, operands: [MetadataFields.Scalar], isList: Bool)
        case element(VectorFilter, key: String, String)
        case all([Node])
        case any([Node])

        /// The server reads JSON of at most 128 levels, and each `$and` is two.
        private static let maximumDepth = 24

        init?(_ filter: VectorFilter, _ indexed: IndexedKeys, _ budget: inout Budget, depth: Int) {
            guard depth < Self.maximumDepth else { return nil }
            switch filter {
            case .compare(let path, let comparison, let operand):
                guard let key = indexed.key(path.parts), let scalar = MetadataFields.Scalar(operand),
                    let operation = Self.operation(comparison, operand),
                    comparison == .equal || budget.ordersNumbers, budget.spend(conditions: 1)
                else { return nil }
                self = .condition(filter, key: key, operation: operation, operands: [scalar], isList: false)
            case .isIn(let path, let operands):
                self.init(filter, path, operands, indexed, &budget)
            case .contains(let path, let operand):
                guard indexed.fields == .scalarsAndElements, let key = indexed.elementsKey(path.parts),
                    let scalar = MetadataFields.Scalar(operand), budget.spend(conditions: 1)
                else { return nil }
                self = .element(filter, key: key, scalar.element)
            case .and(let terms):
                var nodes: [Node] = []
                for term in terms {
                    var left = budget
                    guard let node = Node(term, indexed, &left, depth: depth + 1) else { continue }
                    budget = left
                    nodes.append(node)
                }
                guard !nodes.isEmpty else { return nil }
                self = nodes.count == 1 ? nodes[0] : .all(nodes)
            case .or(let terms):
                var nodes: [Node] = []
                for term in terms {
                    guard let node = Node(term, indexed, &budget, depth: depth + 1) else { return nil }
                    nodes.append(node)
                }
                guard !nodes.isEmpty else { return nil }
                self = nodes.count == 1 ? nodes[0] : .any(nodes)
            // A key that stayed from an earlier version of the record would hide it from a negation.
            case .exists, .not: return nil
            }
        }

        private init?(
            _ filter: VectorFilter, _ path: FieldPath, _ operands: [PayloadValue], _ indexed: IndexedKeys,
            _ budget: inout Budget
        ) {
            guard let key = indexed.key(path.parts), !operands.isEmpty, operands.count <= 1_000 else {
                return nil
            }
            // The operands of one list are of one type.
            var texts: [MetadataFields.Scalar] = [], numbers = texts, bools = texts
            for operand in operands {
                guard let scalar = MetadataFields.Scalar(operand) else { return nil }
                switch scalar {
                case .text: texts.append(scalar)
                case .number: numbers.append(scalar)
                case .bool: bools.append(scalar)
                }
            }
            let nodes = [texts, numbers, bools].filter { !$0.isEmpty }.map {
                Node.condition(filter, key: key, operation: "$in", operands: $0, isList: true)
            }
            // The server compares each number as an integer and as a double.
            guard budget.spend(conditions: nodes.count, operands: operands.count + numbers.count) else { return nil }
            self = nodes.count == 1 ? nodes[0] : .any(nodes)
        }

        private static func operation(_ comparison: VectorFilter.Comparison, _ operand: PayloadValue) -> String? {
            if comparison == .equal { return "$eq" }
            // The server orders numbers only.
            guard comparison != .notEqual, OrderedNumber.key(operand) != nil else { return nil }
            // Numbers that share a key with the operand may be on either side of it.
            let isExact = OrderedNumber.isExact(operand)
            return switch comparison {
            case .less: isExact ? "$lt" : "$lte"
            case .greater: isExact ? "$gt" : "$gte"
            case .lessOrEqual: "$lte"
            default: "$gte"
            }
        }

        var filter: VectorFilter {
            switch self {
            case .condition(let filter, _, _, _, _), .element(let filter, _, _): filter
            case .all(let nodes): .and(nodes.map(\.filter))
            case .any(let nodes): .or(nodes.map(\.filter))
            }
        }

        func append(to json: inout [UInt8]) {
            switch self {
            case .condition(_, let key, let operation, let operands, let isList):
                json.append(UInt8(ascii: "{"))
                JSONWriter.append(quoted: key, to: &json)
                json.append(contentsOf: ":{\"\(operation)\":".utf8)
                if isList { json.append(UInt8(ascii: "[")) }
                for (index, operand) in operands.enumerated() {
                    if index > 0 { json.append(UInt8(ascii: ",")) }
                    operand.append(to: &json)
                }
                if isList { json.append(UInt8(ascii: "]")) }
                json.append(contentsOf: "}}".utf8)
            case .element(_, let key, let element):
                json.append(UInt8(ascii: "{"))
                JSONWriter.append(quoted: key, to: &json)
                json.append(contentsOf: ":{\"$contains\":".utf8)
                JSONWriter.append(quoted: element, to: &json)
                json.append(contentsOf: "}}".utf8)
            case .all(let nodes): Self.append("$and", nodes, to: &json)
            case .any(let nodes): Self.append("$or", nodes, to: &json)
            }
        }

        private static func append(_ operation: String, _ nodes: [Node], to json: inout [UInt8]) {
            json.append(contentsOf: "{\"\(operation)\":[".utf8)
            for (index, node) in nodes.enumerated() {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                node.append(to: &json)
            }
            json.append(contentsOf: "]}".utf8)
        }
    }
}
#endif
