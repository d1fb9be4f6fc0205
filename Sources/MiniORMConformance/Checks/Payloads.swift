import MiniORM

// The contract's section 4: every store returns what it was given.
extension ConformanceCheck {
    static let payloads: [ConformanceCheck] = [
        payloadCheck(
            "types come back, 1 is not 1.0",
            hint:
                "keep int apart from double, bool from number, null from absent; a flat metadata needs the exact form",
            [
                [
                    "int": 1, "double": 1.0, "bool": true, "string": "1", "null": nil, "zero": 0, "no": false,
                    "0.0": 0.0,
                ],
                ["list": [1, 1.0, true, "1", nil], "object": ["int": 1, "double": 1.0, "null": nil]],
            ]),
        payloadCheck(
            "an empty payload is not a missing one", hint: "keep one bit that says whether there was a payload",
            [nil, [:], ["only": nil], nil]),
        payloadCheck(
            "nested, empty and mixed values come back",
            hint: "where metadata is flat, or drops empty and mixed arrays, keep the exact form beside it",
            [
                ["array": [], "object": [:], "nested": [[], [[]], [:], ["a": []]]],
                ["mixed": [1, "a", 2.5, nil, false, ["x": [1, [2, [3]]]]]],
                ["a": ["b": ["c": ["d": [1, ["e": nil]]]]]],
            ]),
        payloadCheck(
            "numbers come back at the ends of their ranges",
            hint: "never through a double for an int, nor through decimal text that is too short for a double",
            [
                ["ints": .array([.int(.max), .int(.min), .int(.max - 1), .int(.min + 1)])],
                ["max": .int(.max), "min": .int(.min), "2^53": 9_007_199_254_740_992],
                ["2^53+1": 9_007_199_254_740_993, "2^53-1": 9_007_199_254_740_991, "-2^53-1": -9_007_199_254_740_993],
                ["huge": .double(.greatestFiniteMagnitude), "tiny": .double(.leastNonzeroMagnitude), "-0": -0.0],
                ["normal": .double(.leastNormalMagnitude), "0.1": 0.1, "1/3": .double(1.0 / 3), "2^63": 0x1p63],
                ["1e300": 1e300, "1e16": 1e16, "1e-7": 1e-7, "1e22": 1e22, "123456789.123": 123_456_789.123_456_78],
            ]),
        payloadCheck(
            "text comes back byte for byte",
            hint: "escape NUL and what else the engine cannot hold; do not normalise",
            [
                ["nul": "a\u{0}b", "only": "\u{0}", "escaped": "\\u0000", "control": "\u{1}\u{1f}\u{7f}\u{85}"],
                [
                    "composed": "caf\u{e9}", "decomposed": "cafe\u{301}", "angstrom": "\u{212b}",
                    "astral": "😀\u{10ffff}",
                ],
                ["empty": "", "space": "  a ", "lines": "a\r\nb\n", "bom": "\u{feff}a", "bidi": "\u{202e}abc"],
                ["quotes": "'\"`\\", "json": "{\"a\": [1, null]}", "sql": "'; DROP TABLE records; --", "num": "1e5"],
                ["date": "2026-11-23T00:00:00Z", "uuid": "F47AC10B-58CC-4372-A567-0E02B2C3D479", "null": "null"],
                ["long": .string(String(repeating: "añ😀", count: 5000))],
            ]),
        payloadCheck(
            "any key comes back",
            hint: "quote or escape keys; keep clear of the names that the adapter itself adds to the metadata",
            [
                ["": 1], ["a.b": 1, "a": ["b": 2]], ["$set": 1, "$or": [1], "#id": 2],
                ["'": 1, "\"": 2, "`": 3, "\\": 4],
                [
                    "__proto__": 1, "constructor": 2, "id": 3, "_id": "x", "vector": [1], "payload": ["id": 1],
                    "score": 1,
                ],
                ["document": "d", "embedding": 1, "metadata": [:], "collection": 1, "key": 1, "value": 2],
                ["x'; DROP TABLE records; --": 1, "a b": 1, "a\nb": 1, "a\tb": 2, "k\u{0}": 3, "[0]": 4, "a[]": 5],
                ["caf\u{e9}": 1], ["cafe\u{301}": 2], ["日本": 1, "👩‍👧": 2, "\u{feff}": 3], ["a": 1, "A": 2, " a": 3],
                [String(repeating: "k", count: 300): 1], ["chroma:document": 1, "miniorm": 1, "__miniorm__": 2],
            ]),
        ConformanceCheck(
            "a payload nested 60 levels deep comes back", clause: "4 payloads",
            hint: "levels are repository limits: 64; a parser or an engine with a lower limit needs another form"
        ) { kit in
            var arrays: PayloadValue = "leaf"
            var objects: PayloadValue = 1
            for _ in 0..<60 {
                arrays = [arrays]
                objects = ["o": objects]
            }
            try await expectRoundTrip([["arrays": arrays], ["objects": objects]], kit)
            let tooDeep = (0..<200).reduce(arrays) { value, _ in [value] }
            let repository = try await kit.open()
            try await expectError(.unsupportedPayload, what: "a payload of 260 levels") {
                try await repository.upsert([kit.record(1, [1, 2, 3], ["deep": tooDeep])])
            }
        },
        ConformanceCheck(
            "a payload with what no store can keep is refused", clause: "4 payloads; 6 unsupportedPayload",
            hint: "the repository checks this: NaN, infinity, rich values without a codec"
        ) { kit in
            let repository = try await kit.open()
            for value: PayloadValue in [
                .double(.nan), .double(-.infinity), ["a": [.double(.nan)]], .rich(.timeOfDay("12:00")),
                [["x": .rich(.calendarDate("2026-11-23"))]],
            ] {
                let error = try await expectError(.unsupportedPayload, what: "an upsert") {
                    try await repository.upsert([kit.record(1, [1, 2, 3], ["x": value])])
                }
                try expect(error.recordID == kit.id(1), "the error does not name the record: \(error)")
            }
        },
        ConformanceCheck(
            "random payloads come back", clause: "4 payloads", hint: "the message has the seed and the payload"
        ) { kit in
            var random = RandomValues(seed: 31)
            try await expectRoundTrip((0..<150).map { _ in random.payload() }, kit)
        },
    ]

    private static func payloadCheck(
        _ name: String, hint: String, _ payloads: [[String: PayloadValue]?]
    ) -> ConformanceCheck {
        ConformanceCheck(name, clause: "4 payloads", hint: hint) { kit in try await expectRoundTrip(payloads, kit) }
    }

    private static func expectRoundTrip(_ payloads: [[String: PayloadValue]?], _ kit: CheckContext) async throws {
        let repository = try await kit.open()
        let records = payloads.enumerated().map { kit.record($0, [1, Float($0 + 1), 1], $1) }
        try await repository.upsert(records)
        let fetched = try await repository.fetch()
        try expectEqual(fetched.count, records.count, "records")
        for (found, record) in zip(fetched, records) {
            try expectPayload(found.payload, record.payload, "fetched, payload \(record.id)")
        }
        for found in try await repository.query([1, 1, 1], topK: records.count) {
            let expected = records.first { $0.id == found.id }
            try expectPayload(found.payload, expected?.payload, "queried, payload \(found.id)")
        }
        for found in try await repository.records(pageSize: 64) {
            let expected = records.first { $0.id == found.id }
            try expectPayload(found.payload, expected?.payload, "read page by page, payload \(found.id)")
        }
    }
}
