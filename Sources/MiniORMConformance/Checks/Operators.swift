import MiniORM

// The contract's section 5, operator by operator: what is declared, and what deletes.
extension ConformanceCheck {
    static let operators: [ConformanceCheck] = [
        ConformanceCheck(
            "the operators that are declared are pushed down", clause: "5, explain; capability pushedDownOperators",
            needs: [.filters, .explaining], through: [.async],
            hint: "of an operator in pushedDownOperators the engine evaluates a simple case at least"
        ) { kit in
            let repository = try await kit.open()
            // A store may index a field only once it is used, and where there is something to gain.
            try await repository.upsert(
                (0..<2500).map { number in
                    let text: PayloadValue = number % 40 == 2 ? "x" : "y"
                    return kit.record(
                        number, [1, Float(number), 1],
                        ["n": .int(Int64(number % 40)), "s": text, "u": text, "t": ["a", "b"]])
                })
            for (operation, filters) in simple where kit.capabilities.pushedDownOperators.contains(operation) {
                var isPushed = false
                for filter in filters where !isPushed {
                    for _ in 0..<3 { _ = try await repository.count(matching: filter) }
                    isPushed = try await repository.explain(filter).pushedDown?.operators.contains(operation) ?? false
                }
                try expect(
                    isPushed, "explain has none of these pushed down, whose operator is declared: \(filters)")
            }
        },
        ConformanceCheck(
            "delete by filter means what every operator means", clause: "2 delete(matching:); 5", needs: [.filters],
            hint: "never with a wider filter than the one asked for: finish it before deleting"
        ) { kit in
            let repository = try await kit.open()
            let payloads: [[String: PayloadValue]?] =
                (0..<10).map { ["n": .int($0), "t": $0 % 2 == 0 ? ["a", "b"] : ["b"], "s": $0 < 4 ? "x" : "y"] } + [
                    nil, [:], ["n": nil, "t": nil], ["s": "x", "u": "x"], ["n": 2.0, "t": "a"],
                    ["n": "2", "t": [["a"]]], ["n": true],
                ]
            let records = payloads.enumerated().map { kit.record($0, [1, Float($0), 1], $1) }
            let nested: [VectorFilter] = [
                .field("n") > 1.5 && .field("t").contains("a") || .field("n") == nil, !(.field("n") <= 7),
                .field("n") >= "", .field("n").notIn([2, "2", nil]), .field("t") != ["b"], .contains("t", ["a"]),
            ]
            for filter in simple.flatMap(\.1) + nested {
                try await repository.upsert(records)
                let gone = try await kit.unlessRefused(filter) { try await repository.delete(matching: filter) }
                guard let gone else { continue }
                try expectEqual(gone, payloads.count { filter.matches($0) }, "records deleted by \(filter)")
                try expectIDs(
                    try await repository.fetch().map(\.id),
                    payloads.indices.filter { !filter.matches(payloads[$0]) }.map(kit.id), "left by \(filter)")
            }
        },
    ]

    /// Simple filters for each operator, on an integer `n`, a text `s` and an array of texts `t`.
    private static let simple: [(FilterOperators, [VectorFilter])] = [
        (.equal, [.field("n") == 2, .field("s") == "x"]), (.notEqual, [.field("n") != 2, .field("s") != "x"]),
        (.order, [.field("n") < 5]), (.isIn, [.field("n").in([2, 3]), .field("s").in(["x", "z"])]),
        (.contains, [.contains("t", "a")]), (.exists, [.exists("n"), .exists("s")]),
        (.and, [.and([.field("n") == 2, .field("s") == "x"]), .and([.field("s") == "x", .field("u") == "x"])]),
        (.or, [.or([.field("n") == 2, .field("n") == 3]), .or([.field("s") == "x", .field("s") == "y"])]),
        (.not, [.not(.field("n") == 2), .not(.field("s") == "x")]),
    ]
}
