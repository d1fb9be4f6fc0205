#if PgVector
import MiniORM
import MiniORMPgVector
import Testing

/// The contract's section 5: filters become SQL whole, with every name and value bound.
@Suite(.serialized, .dropsSchemas) struct FilterTests {
    @Test func explainShowsTheSQLWithoutNamesAndValues() throws {
        let store = try Server.pg16.store()
        defer { store.close() }
        let repository = try VectorRepository(store, "explained", dimension: 2, overwrite: true)
        let filter: VectorFilter = .field("secret.name") == "O'Hara" && !(.field("links") >= 5)
        let plan = try repository.explain(filter)
        #expect(plan.pushedDown == filter)
        #expect(plan.finished == nil)
        #expect(
            plan.native == """
                (("payload" @> $1::jsonb) and not coalesce(case when \
                jsonb_typeof(("payload" -> $2::text)) = 'number' then ("payload" -> $2::text) >= $3::jsonb end, false))
                """)
        try repository.dropCollection()
    }

    /// Numbers around the places where decimal, double and integer part ways, each compared with each.
    @Test(arguments: Server.both)
    func numbersCompareExactly(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        let repository = try VectorRepository(store, "numbers", dimension: 1, metric: .l2, overwrite: true)
        var numbers: [PayloadValue] = [
            0, 0.0, .double(-0.0), 1, 1.0, 0.1, 0.3, .double(0.1 + 0.2), .int(.max), .int(.min), .int(.max - 1),
            .double(0x1p63), .double(-0x1p63), .double(.leastNonzeroMagnitude), .double(1e300), .double(-1e300),
            .double(1e22),
            .double(0x1p63.nextDown),
        ]
        for power in [52, 53, 54, 62] {
            let integer = Int64(1) << power
            for offset in [-3, -2, -1, 0, 1, 2, 3, 22, 1024] as [Int64] {
                numbers.append(.int(integer + offset))
                numbers.append(.double(Double(integer + offset)))
            }
        }
        try repository.upsert(
            numbers.enumerated().map { VectorRecord(id: "\($0)", vector: [1], payload: ["n": $1]) })
        for number in numbers {
            for comparison in VectorFilter.Comparison.allCases {
                let filter = VectorFilter.compare("n", comparison, number)
                let expected = numbers.count { filter.matches(["n": $0]) }
                #expect(try repository.count(matching: filter) == expected, "\(filter)")
            }
        }
        try repository.dropCollection()
    }

    /// With indexes on payloads the conditions have another form, and mean the same.
    @Test func payloadIndexesAreUsedAndChangeNoAnswer() throws {
        let store = try Server.pg18.store()
        defer { store.close() }
        let repository = try VectorRepository(store, "indexed", dimension: 1, metric: .l2, overwrite: true)
        try repository.upsert(
            (0..<5000).map { number in
                VectorRecord(
                    id: "\(number)", vector: [Float(number)],
                    payload: ["n": .int(Int64(number)), "o": ["tag": .array([.string("t\(number % 700)")])]])
            })
        let filters: [VectorFilter] = [
            ["n": 42], ["n": 42.0], .field("n") != 42, .field("o.tag") == ["t1"],
            !(.field("n") == 3 || .field("n") == 4),
            .field("n").in([1, 2, nil]), .field("o.tag").contains("t5"),
        ]
        let before = try filters.map { try repository.count(matching: $0) }
        try store.createPayloadIndex("indexed")
        try store.createFieldIndex("indexed", "n", concurrently: true)
        #expect(try filters.map { try repository.count(matching: $0) } == before)
        #expect(before == [1, 1, 4999, 8, 4998, 2, 8])
        let table = "\(Server.schema).indexed"
        try store.execute("analyze \(table)")
        // The store's own conditions, with the values that it binds.
        func plan(_ filter: VectorFilter, _ values: [PgValue]) throws -> String {
            let condition = try repository.explain(filter).native
            let rows = try store.execute("explain select from \(table) where \(condition)", values).rows
            return rows.compactMap { $0[0] }.joined(separator: "\n")
        }
        #expect(try plan(["n": 42], ["n", "42", "{\"n\": 42}"]).contains("Index"))
        #expect(try plan(.field("n").in([1, 2]), ["n", "{1,2}"]).contains("mini_orm_field"))
        #expect(
            try plan(.field("o.tag") == ["t1"], ["o", "tag", "[\"t1\"]", "{\"o\": {\"tag\": [\"t1\"]}}"])
                .contains("mini_orm_payload"))
        #expect(try plan(.field("n") > 42, ["n", "42"]).contains("Seq Scan"))
        // A value of a field with an index may be of any length.
        let bytes = (0..<20_000).map { _ in UInt8.random(in: 32...126) }
        let long = PayloadValue.string(String(decoding: bytes, as: UTF8.self))
        try repository.upsert([VectorRecord(id: "long", vector: [1], payload: ["n": long])])
        #expect(try repository.count(matching: .field("n") == long) == 1)
        let gin = try store.execute(
            "explain select from \(table) where payload @> '{\"o\": {\"tag\": [\"t1\"]}}'::jsonb")
        #expect(gin.rows.contains { $0[0]?.contains("mini_orm_payload") == true })
        try repository.dropCollection()
    }
}
#endif
