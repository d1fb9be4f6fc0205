import MiniORM

// The contract's section 3: ids.
extension ConformanceCheck {
    private static let hostileIDs: [String] = [
        "a", "A", " a", "a ", " ", "a b", "a/b", "../a", "a%2Fb", "a?b=c&d#e", "a\\b", "a'b", "a\"b", "a`b", "a;b",
        "'; DROP TABLE records; --", "\" OR \"\"=\"", "{\"$gt\": \"\"}", "$where", "%", "_", "*", "null", "true", "0",
        "00", "1", "1.0", "-1", "18446744073709551616", "a\nb", "a\r\nb", "a\tb", "\u{1}", "\u{7f}", "\u{feff}a",
        "\u{200b}", "日本語", "👩‍👩‍👧‍👦", "🏳️‍🌈", "caf\u{e9}", "cafe\u{301}", "\u{212b}", "\u{e5}", "a\u{30a}", "ﬁ", "fi",
        "\u{ffff}", "\u{10ffff}", "ß", "SS", "İ", "i̇", "a,b", "a|b", "(a)", "[a]", "{a}", "<a>", "NaN", "a\u{2028}b",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479", "F47AC10B-58CC-4372-A567-0E02B2C3D479", "__proto__", "id", "@a", "+1",
        String(repeating: "x", count: 199) + "1", String(repeating: "x", count: 199) + "2",
        String(repeating: "é", count: 100),
    ]

    static let ids: [ConformanceCheck] = [
        ConformanceCheck(
            "any id works and comes back as it went in", clause: "3 ids", needs: [.anyID],
            hint: "up to 200 bytes of anything: bind ids, never put them into a query's text, a path or a URL unescaped"
        ) { kit in
            let repository = try await kit.open()
            let records = hostileIDs.enumerated().map { number, id in
                VectorRecord(id: id, vector: [1, Float(number), 2], payload: ["n": .int(Int64(number))])
            }
            try await repository.upsert(records)
            let order = hostileIDs.map(UTF8Key.init).sorted().map(\.string)
            try expectIDs(try await repository.fetch().map(\.id), order, "all ids, ordered by their bytes")
            let found = try await repository.fetch(hostileIDs)
            try expectIDs(found.map(\.id), hostileIDs, "fetched by id")
            for (found, record) in zip(found, records) {
                try expectRecord(found, record, "fetched by id", bits: kit.capabilities.keepsVectorBits)
            }
            let queried = try await repository.query([1, 2, 3], topK: 500).map(\.id)
            try expectIDs(queried.map(UTF8Key.init).sorted().map(\.string), order, "found by a query")
            let read = try await repository.records(pageSize: 10).map(\.id)
            try expectIDs(read.map(UTF8Key.init).sorted().map(\.string), order, "read page by page")
            for id in hostileIDs.prefix(30) {
                try expectEqual(try await repository.delete([id]), 1, "records deleted by the id \(id.quoted)")
            }
            try expectEqual(
                try await repository.delete(hostileIDs), hostileIDs.count - 30, "records deleted by the other ids")
        },
        ConformanceCheck(
            "ids that differ only in normalisation are two records", clause: "3 ids", needs: [.anyID],
            hint: "compare ids by UTF-8 bytes: Swift's String == is canonical equivalence, use UTF8Key"
        ) { kit in
            let repository = try await kit.open()
            let pairs = [("caf\u{e9}", "cafe\u{301}"), ("\u{212b}", "\u{c5}"), ("\u{ac00}", "\u{1100}\u{1161}")]
            for (first, second) in pairs {
                try await repository.upsert([
                    VectorRecord(id: first, vector: [1, 0, 0], payload: ["which": 1]),
                    VectorRecord(id: second, vector: [0, 1, 0], payload: ["which": 2]),
                ])
                let found = try await repository.fetch([second, first, second])
                try expectIDs(found.map(\.id), [second, first, second], "fetched")
                try expectEqual(
                    found.map { $0.payload?["which"] }, [2, 1, 2], "payloads of \(first.quoted) in two forms")
                try expectEqual(try await repository.delete([first]), 1, "records deleted")
                try expectIDs(try await repository.fetch().map(\.id), [second], "what is left")
                try expectEqual(try await repository.delete([first, second]), 1, "records deleted")
            }
        },
        ConformanceCheck(
            "an id that is empty or holds NUL is refused", clause: "3 ids", hint: "the repository checks this"
        ) { kit in
            let repository = try await kit.open()
            for id in ["", "\u{0}", "a\u{0}b"] {
                try await expectError(.invalidIdentifier, what: "an upsert of the id \(id.quoted)") {
                    try await repository.upsert([VectorRecord(id: id, vector: [1, 2, 3])])
                }
                try await expectError(.invalidIdentifier, what: "a delete of the id \(id.quoted)") {
                    _ = try await repository.delete([id])
                }
            }
        },
        ConformanceCheck(
            "the policy uuid takes UUIDs alone", clause: "3 ids", needs: [.uuidsOnly],
            hint: "the repository checks this"
        ) { kit in
            let repository = try await kit.open()
            try await expectError(.invalidIdentifier, what: "an id that is no UUID") {
                try await repository.upsert([VectorRecord(id: "a", vector: [1, 2, 3])])
            }
            try await repository.upsert([kit.record(1, [1, 2, 3])])
        },
    ]
}
