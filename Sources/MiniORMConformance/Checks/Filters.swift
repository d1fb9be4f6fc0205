import MiniORM

// The contract's section 5: a filter means what `matches(_:)` says.
extension ConformanceCheck {
    static let filters: [ConformanceCheck] = [
        filterCheck(
            "a field that is absent or null has no value", clause: "5.1",
            hint: "== null matches absent and null; any other comparison with no value is false",
            [nil, [:], ["a": nil], ["a": 0], ["a": ""], ["a": false], ["a": []], ["a": [nil]], ["b": 1]],
            [
                ["a": nil], .field("a") != nil, .field("a") == 0, .field("a") < 1, .field("a") >= "", .exists("a"),
                .not(.exists("a")), .isIn("a", [nil]), .isIn("a", [nil, 0]), .isIn("a", []), .contains("a", nil),
                .compare("a", .less, nil), .compare("a", .greaterOrEqual, nil), .not(.field("a") > 0),
            ]),
        filterCheck(
            "!=, not in and not are exact complements", clause: "5.2",
            hint: "a record without the field matches !=; SQL's three truth values are not these two",
            [
                nil, [:], ["a": nil], ["a": 1], ["a": 1.0], ["a": 2], ["a": "1"], ["a": true], ["a": [1]],
                ["a": ["b": 1]],
            ],
            [
                .field("a") != 1, .field("a") != "x", .not(.field("a") == 1), .field("a").notIn([1, "1"]),
                .field("a").notIn([]), .not(.field("a") < 5), .not(.contains("a", 1)), .not(.not(.field("a") == 1)),
                .not(.and([.field("a") == 1, .exists("a")])), .not(.or([.field("a") == 1, .field("a") == nil])),
                .field("a.b") != 1, .not(.exists("a.b")), .field("a") != true,
            ]),
        filterCheck(
            "numbers compare by value, exactly", clause: "5.3",
            hint: "int with double by value; above 2^53 and near the ends of Int64 neither fits the other",
            RandomValues.numbers.map { ["a": $0] } + [["a": true], ["a": "1"], ["a": nil]],
            RandomValues.numbers.flatMap { number in
                VectorFilter.Comparison.allCases.map { .compare("a", $0, number) } + [.isIn("a", [number, "x"])]
            } + [["a": true], ["a": false], .field("a") < 1.5, .field("a") >= 0.5, .field("a").in([1.5, 5])]),
        filterCheck(
            "strings compare by their bytes", clause: "5.3, 5.4",
            hint: "no collation, no normalisation, no case folding, in order as in equality",
            RandomValues.strings.map { ["a": .string($0)] } + [["a": 1], ["a": ["a"]]],
            RandomValues.strings.flatMap { text in
                VectorFilter.Comparison.allCases.map { .compare("a", $0, .string(text)) } + [
                    .isIn("a", [.string(text)])
                ]
            }),
        filterCheck(
            "values of different types never match", clause: "5.3, 5.4",
            hint: "true is not 1, \"1\" is not 1; an order holds between numbers or between strings only",
            [
                ["a": 1], ["a": true], ["a": false], ["a": 0], ["a": "1"], ["a": "true"], ["a": [1]], ["a": ["b": 1]],
                ["a": "null"], ["a": nil],
            ],
            [1, 1.0, true, false, "1", "true", [1], ["b": 1], "null", nil, []].flatMap { (value: PayloadValue) in
                VectorFilter.Comparison.allCases.map { .compare("a", $0, value) } + [.isIn("a", [value])]
            }),
        filterCheck(
            "equality of arrays and objects is deep, elements are found with contains", clause: "5.5",
            hint: "== with an element does not match an array; engines that match elements need a second look",
            [
                ["a": [1, 2]], ["a": [1.0, 2]], ["a": [2, 1]], ["a": []], ["a": [[1, 2]]], ["a": ["x", nil, "y"]],
                ["a": ["b": [1]]], ["a": ["b": [1.0]]], ["a": ["b": [1], "c": nil]], ["a": [["b": 1]]], ["a": 1],
                ["a": "x"], ["a": [true]], ["a": ["1"]], ["a": ["caf\u{e9}"]], ["a": [9_007_199_254_740_993]], nil,
            ],
            [
                ["a": [1, 2]], ["a": [1]], ["a": 1], ["a": []], ["a": ["b": [1]]], ["a": [:]], .field("a") != [1, 2],
                .contains("a", 1), .contains("a", 1.0), .contains("a", "x"), .contains("a", nil),
                .contains("a", [1, 2]),
                .contains("a", true), .contains("a", ["b": 1]), .contains("a", "cafe\u{301}"), .contains("a", []),
                .contains("a", 9_007_199_254_740_992.0), .isIn("a", [[1, 2], 1]), .field("a") < [3],
            ]),
        filterCheck(
            "a path leads into objects, a key may hold a dot", clause: "5.6",
            hint: "a path is its parts: do not join them with dots; it does not lead into arrays",
            [
                ["a": ["b": 1]], ["a.b": 1], ["a": ["b": ["c": 1]]], ["a": ["b.c": 1]], ["a": [["b": 1]]], ["a": 1],
                ["": 1], ["": ["": 1]], ["a": ["": 1]], ["a": nil], ["a": ["b": nil]], ["0": 1, "a": [1]],
            ],
            [
                ["a.b": 1], .compare(FieldPath(parts: ["a.b"]), .equal, 1), ["a.b.c": 1], ["a": ["b": 1]],
                .compare(FieldPath(parts: ["a", "b.c"]), .equal, 1), .exists("a.b"), .not(.exists("a.b")), ["a.b": nil],
                .compare(FieldPath(parts: [""]), .equal, 1), .compare(FieldPath(parts: ["", ""]), .equal, 1),
                ["a.": 1], .exists("a.0"), .field("a.b") != 1,
            ]),
        filterCheck(
            "hostile field names reach no query language", clause: "5, injection",
            hint: "bind names and values or escape them; a name of the filter is never a part of a query's text",
            RandomValues.keys.map { [$0[0]: 1] } + [nil, ["safe": 1]],
            RandomValues.keys.flatMap { parts -> [VectorFilter] in
                let path = FieldPath(parts: [parts[0]])
                return [
                    .compare(path, .equal, 1), .exists(path), .compare(path, .notEqual, 1), .isIn(path, [1, "x"]),
                    .compare(path, .less, 5), .compare(path, .equal, "' OR 1=1 --"),
                ]
            } + [
                .exists(FieldPath(parts: ["a') OR ('1'='1"])),
                .compare(FieldPath(parts: ["x' = '1' OR 'a"]), .equal, 1),
                .compare(FieldPath(parts: ["payload", "safe"]), .equal, 1),
                .compare(FieldPath(parts: ["$.safe"]), .equal, 1), .compare(FieldPath(parts: ["{safe}"]), .equal, 1),
                .exists(FieldPath(parts: ["safe,x"])),
            ]),
        filterCheck(
            "hostile values reach no query language", clause: "5, injection",
            hint: "bind names and values or escape them",
            RandomValues.strings.map { ["a": .string($0), "t": [.string($0)]] },
            RandomValues.strings.flatMap { text -> [VectorFilter] in
                [.field("a") == .string(text), .field("a").in([.string(text), "zzz"]), .contains("t", .string(text))]
            } + [.field("a") == "' OR '1'='1", .field("a") != "\") || true", .contains("t", "%")]),
        filterCheck(
            "and, or and not of none and of many", clause: "5",
            hint: "and of nothing is everything, or of nothing is nothing; hundreds of terms are no error",
            (0..<8).map { ["n": .int($0), "e": .bool($0 % 2 == 0)] } + [nil],
            [
                [:], .and([]), .or([]), .not(.and([])), .not(.or([])), .and([.and([])]), .or([.or([]), .and([])]),
                .and([["n": 1]]), .or([["n": 1]]), ["n": 2, "e": true], ["n": 2, "e": false],
                .or((0..<300).map { ["n": .int($0 * 2)] }), .and((10..<300).map { .field("n") != .int($0) }),
                .isIn("n", (3..<1000).map { .int($0) }), .not(.isIn("n", (3..<1000).map { .int($0) })),
                (0..<30).reduce(["n": 1]) { inner, _ in .not(.or([inner, .or([])])) },
            ]),
        ConformanceCheck(
            "random filters match what the specification matches", clause: "5", needs: [.filters],
            hint: "push down only what means the same, finish the rest on our side; the message has the filter"
        ) { kit in
            var random = RandomValues(seed: 41)
            let payloads = (0..<120).map { _ in random.payload() }
            let filters = (0..<100).map { _ in random.filter(for: payloads) }
            try await expectMatches(payloads, filters, kit, "seed 41")
        },
        ConformanceCheck(
            "a filter that is too deep or not finite is refused", clause: "5; 6 unsupportedFilter", needs: [.filters],
            hint: "the repository checks this"
        ) { kit in
            let repository = try await kit.open()
            let deep = (0..<200).reduce(VectorFilter.exists("a")) { inner, _ in .not(inner) }
            for filter in [
                deep, .compare("a", .equal, .double(.nan)), .isIn("a", [.double(.infinity)]),
                .compare("a", .equal, .rich(.timeOfDay("12:00"))),
            ] {
                try await expectError(.unsupportedFilter, what: "a query") {
                    _ = try await repository.query([1, 2, 3], filter: filter)
                }
                try await expectError(.unsupportedFilter, what: "a delete") {
                    _ = try await repository.delete(matching: filter)
                }
            }
        },
        ConformanceCheck(
            "explain cuts a filter into parts that mean the same", clause: "5, explain", needs: [.filters],
            hint: "what is pushed down, and what is finished, together match what the filter matches"
        ) { kit in
            var random = RandomValues(seed: 42)
            let payloads = (0..<60).map { _ in random.payload() }
            let repository = try await kit.open()
            for _ in 0..<30 {
                let filter = random.filter(for: payloads)
                guard let plan = try await kit.unlessRefused(filter, { try await repository.explain(filter) }) else {
                    continue
                }
                for payload in payloads {
                    let parts = (plan.pushedDown?.matches(payload) ?? true) && (plan.finished?.matches(payload) ?? true)
                    try expect(
                        parts == filter.matches(payload),
                        "seed 42: \(filter) is cut into parts that match something else")
                }
                let pushed = plan.pushedDown?.operators ?? []
                try expect(
                    kit.capabilities.pushedDownOperators.isSuperset(of: pushed),
                    "seed 42: of \(filter) an operator is pushed down that pushedDownOperators does not have")
            }
        },
    ]

    private static func filterCheck(
        _ name: String, clause: String, hint: String, _ payloads: [[String: PayloadValue]?], _ filters: [VectorFilter]
    ) -> ConformanceCheck {
        ConformanceCheck(name, clause: clause, needs: [.filters], hint: hint) { kit in
            try await expectMatches(payloads, filters, kit, name)
        }
    }

    /// Compares a query and, in turn, a count or a read by each filter with the specification; then deletes by one.
    private static func expectMatches(
        _ payloads: [[String: PayloadValue]?], _ filters: [VectorFilter], _ kit: CheckContext, _ what: String
    ) async throws {
        let repository = try await kit.open()
        try await repository.upsert(payloads.enumerated().map { kit.record($0, [1, 1, Float($0) / 10], $1) })
        func expectFound(_ ids: [String], _ filter: VectorFilter, _ call: String) throws {
            let found = Set(ids.map(UTF8Key.init))
            try expect(found.count == ids.count, "\(what): \(call) by \(filter) gave a record twice")
            for (number, payload) in payloads.enumerated() {
                let isFound = found.contains(UTF8Key(kit.id(number)))
                guard isFound != filter.matches(payload) else { continue }
                throw Unexpected(
                    "\(what): \(call) by \(filter) \(isFound ? "gave" : "did not give") the payload \(shown(payload))")
            }
        }
        for (number, filter) in filters.enumerated() {
            let matching = payloads.count { filter.matches($0) }
            try await kit.unlessRefused(filter) {
                let results = try await repository.query([1, 1, 1], topK: payloads.count + 5, filter: filter)
                try expectFound(results.map(\.id), filter, "a query")
                switch number % 4 {
                case 0:
                    try expectEqual(
                        try await repository.count(matching: filter), matching, "\(what): count by \(filter)")
                case 1:
                    let records = try await repository.records(matching: filter, pageSize: 16)
                    try expectFound(records.map(\.id), filter, "reading records")
                case 2:
                    let few = try await repository.query([1, 1, 1], topK: 2, filter: filter)
                    try expectEqual(few.count, min(2, matching), "\(what): answers to a query of 2 by \(filter)")
                default: break
                }
            }
        }
        guard let last = filters.last(where: { filter in payloads.contains { filter.matches($0) } }),
            let deleted = try await kit.unlessRefused(last, { try await repository.delete(matching: last) })
        else { return }
        try expectEqual(deleted, payloads.count { last.matches($0) }, "\(what): records deleted by \(last)")
        let left = try await repository.fetch().map(\.id)
        try expectIDs(
            left, payloads.indices.filter { !last.matches(payloads[$0]) }.map(kit.id), "\(what): left by \(last)")
    }
}
