#if Qdrant
import MiniORM
import SwiftProtobuf
import Testing

@testable import MiniORMQdrant

/// What is pushed down, what only narrows and what stays here. That the engine means the same by it is checked on the
/// engine, by the conformance kit.
@Suite struct FilterTranslationTests {
    private func collection(
        isOurs: Bool = true, indexes: [String: Qdrant_PayloadSchemaType] = [:], strict: Qdrant_StrictModeConfig? = nil
    ) throws -> QdrantCollection {
        var info = Qdrant_CollectionInfo()
        info.config.params.vectorsConfig.params.size = 3
        info.config.params.vectorsConfig.params.distance = .cosine
        if isOurs {
            info.config.metadata["miniorm"] = .with { $0.structValue.fields["ids"] = .with { $0.stringValue = "any" } }
        }
        info.payloadSchema = indexes.mapValues { type in .with { $0.dataType = type } }
        if var strict {
            strict.enabled = true
            info.config.strictModeConfig = strict
        }
        return try #require(QdrantCollection(info))
    }

    private func plan(
        _ filter: VectorFilter, isOurs: Bool = true, isSmooth: Bool = true,
        indexes: [String: Qdrant_PayloadSchemaType] = [:], strict: Qdrant_StrictModeConfig? = nil
    ) throws -> FilterTranslation.Plan {
        let collection = try collection(isOurs: isOurs, indexes: indexes, strict: strict)
        return FilterTranslation(
            collection: collection, isSmooth: isSmooth, takesUnindexed: collection.limits.readsUnindexed
        ).plan(filter)
    }

    @Test func equalityExcludesTheElementsOfArrays() throws {
        let plan = try plan(.field("a") == "x")
        #expect(plan.finished == nil)
        #expect(plan.pushed?.must.first?.field.key == "a")
        #expect(plan.pushed?.must.first?.field.match.keyword == "x")
        #expect(plan.pushed?.mustNot.first?.field.key == "a[]")
    }

    @Test func aNumberIsARangeOfOneValue() throws {
        for filter in [VectorFilter.field("a") == 2, .field("a") == 2.0] {
            let plan = try plan(filter)
            #expect(plan.finished == nil)
            #expect(plan.pushed?.must.first?.field.range.gte == 2)
            #expect(plan.pushed?.must.first?.field.range.lte == 2)
        }
    }

    @Test(
        arguments: [
            .field("a") == .int(1 << 53), .field("a") > .int(.max), .field("a") <= 9_007_199_254_740_993,
            .field("a") == 1e300, .field("a") != "x" && .field("a") < "m",
        ] as [VectorFilter])
    func whatTheEngineCannotDecideIsFinishedHere(_ filter: VectorFilter) throws {
        let plan = try plan(filter)
        #expect(plan.pushed != nil)
        #expect(plan.finished != nil)
    }

    @Test(
        arguments: [
            .field("a") < "m", .field("a") == [1, 2], .field("a") == ["b": 1], .field(FieldPath(parts: ["a\"b"])) == 1,
            .field(FieldPath(parts: ["a\\b"])) == 1, .field("__miniorm.id") == "x", .field("__miniorm") == "x",
            !(.field("a") == .int(1 << 60)), .field("a") < "m" || .field("b") == 1, .field("a.b.c.d.e.f.g.h.i") == 1,
            .field("a").contains([1]),
        ] as [VectorFilter])
    func whatTheEngineCannotSeeIsNotPushed(_ filter: VectorFilter) throws {
        let plan = try plan(filter)
        #expect(plan.pushed == nil)
        #expect(plan.finished == filter)
    }

    @Test(
        arguments: [
            .field("a") == nil, .field("a").exists, .field("a") != 1, .field("a").in(["x", nil, 2, true]),
            .field("a").contains("x"), !(.field("a") == "x" || .field("b") > 1.5), .and([]), .or([]), !(.and([])),
            .field("a").notIn(["x"]), .field("a.b") == true,
        ] as [VectorFilter])
    func whatMeansTheSameIsPushedWhole(_ filter: VectorFilter) throws {
        #expect(try plan(filter).finished == nil)
    }

    @Test func collectionsOfOthersHaveEmptyArraysAndNestedOnes() throws {
        #expect(try plan(.field("a") == nil, isOurs: false).finished != nil)
        #expect(try plan(.field("a").contains("x"), isOurs: false).finished != nil)
        #expect(try plan(.field("a").exists, isOurs: false).pushed == nil)
        #expect(try plan(.field("a") == "x", isOurs: false).finished == nil)
    }

    @Test func anIndexOfAnotherTypeStandsInTheWay() throws {
        #expect(try plan(.field("a") == 1, indexes: ["a": .integer]).pushed == nil)
        #expect(try plan(.field("a") == "x", indexes: ["a[]": .text]).pushed == nil)
        #expect(try plan(.field("a b") > 1, indexes: ["\"a b\"": .keyword]).pushed == nil)
        #expect(try plan(.field("a") == 1, indexes: ["a": .float, "b": .integer]).finished == nil)
    }

    @Test func numbersOnlyNarrowWhereDoublesAreKeptNearly() throws {
        let plan = try plan(.field("a") == 0.1, isSmooth: false)
        #expect(plan.finished == (.field("a") == 0.1))
        #expect((plan.pushed?.must.first?.field.range.gte ?? 1) < 0.1)
        #expect(try self.plan(.field("a") != 0.1, isSmooth: false).pushed == nil)
        #expect(try self.plan(.field("a") != "x", isSmooth: false).finished == nil)
    }

    /// Found by putting the numbers into the engine and reading them back.
    @Test func doublesThatTheEngineKeepsOnlyNearlyAreKnown() {
        for number in [
            0, -0.0, 0.1, 1.5, -2.25, 1e15, 123.456, 9.5, 0.10000000000000002, 1e22, 1_801_439_850_948_198,
        ] as [Double] {
            #expect(number.isKeptExactly, "\(number)")
        }
        for number in [
            9.223372036854775e18, 2.7715077941825975e-163, 0.09999999999999999, 1e300, 1_801_439_850_948_199,
            1_801_445_186_561_875, -9_007_199_254_740_991,
        ] as [Double] {
            #expect(!number.isKeptExactly, "\(number)")
        }
    }

    @Test(
        arguments: [
            .field("a").in([]), .or([]), !(.and([])), .field("a") == 1 && .field("b").in([]),
            .or([.or([]), .field("a").in([])]), !(.field("a").notIn([])),
        ] as [VectorFilter])
    func whatMatchesNothingIsNotAsked(_ filter: VectorFilter) throws {
        let plan = try plan(filter)
        #expect(plan.isNothing && plan.pushed == nil && plan.finished == nil)
        #expect(plan.decided == filter)
    }

    @Test func partsThatDecideNothingAreLeftOut() throws {
        let expected = try plan(.field("a") == "x").pushed
        for filter in [
            .field("a") == "x" && .field("b").notIn([]), .field("a") == "x" || .field("b").in([]),
            .and([.field("a") == "x", .or([.and([]), .field("b") == 1])]),
        ] as [VectorFilter] {
            let plan = try plan(filter)
            #expect(plan.pushed?.must.map(\.field.key) == expected?.must.map(\.field.key), "\(filter): \(plan)")
            #expect(plan.finished == nil && !plan.isNothing)
        }
        #expect(try plan(.field("b").notIn([])).pushed == nil)
    }

    @Test func strictModeTakesIndexedFieldsOnly() throws {
        let strict = Qdrant_StrictModeConfig.with { $0.unindexedFilteringRetrieve = false }
        let indexes: [String: Qdrant_PayloadSchemaType] = ["a": .keyword, "a[]": .keyword, "n": .float, "é": .bool]
        for filter in [.field("a") == "x", .field("a").exists, .field("a").contains("x"), .field("n").exists]
            as [VectorFilter]
        {
            #expect(try plan(filter, indexes: indexes, strict: strict).finished == nil, "\(filter)")
        }
        // Of another type, without its elements, or not at all.
        for filter in [
            .field("a") == 1, .field("n") == 1, .field("b") == "x", .field("b").exists, .field("b").contains("x"),
            .field("é") == true, .field("a") == "x" || .field("b") == "x",
        ] as [VectorFilter] {
            let plan = try plan(filter, indexes: indexes, strict: strict)
            #expect(plan.pushed == nil && plan.finished == filter, "\(filter): \(plan)")
        }
        let both = try plan(.field("a") == "x" && .field("b") == "y", indexes: indexes, strict: strict)
        #expect(both.decided == (.field("a") == "x"))
        #expect(both.finished == (.field("b") == "y"))
    }

    @Test func strictModeTakesSoManyConditionsAndValues() throws {
        let three = Qdrant_StrictModeConfig.with { $0.filterMaxConditions = 3 }
        let plan = try plan(.field("a") == "x" && .field("b") == "y" && .field("c").exists, strict: three)
        #expect(plan.decided == (.field("a") == "x" && .field("c").exists))
        #expect(plan.finished == (.field("b") == "y"))
        let two = Qdrant_StrictModeConfig.with { $0.conditionMaxSize = 2 }
        #expect(try self.plan(.field("a").in(["x", "y"]), strict: two).finished == nil)
        #expect(try self.plan(.field("a").in(["x", "y", "z"]), strict: two).pushed == nil)
    }

    @Test(arguments: [
        ("a", "a"), ("a.b[]", "a.b[]"), ("é", "\"é\""), ("\"a b\".é[0].c", "\"a b\".\"é\"[0].c"),
        ("\"a.b\"", "\"a.b\""),
        ("\"\"", "\"\""), ("", ""), ("a[", "a["), ("\"a", "a"), ("a..b", "a..b"),
    ])
    func keysOfServersAreReadAsOurs(_ theirs: String, _ ours: String) {
        #expect(FilterTranslation.canonical(theirs) == ours)
    }

    @Test func theFieldsThatAreComparedWithNumbersAreKnown() {
        let filter: VectorFilter =
            .field("a") == "x" && (.field("b") > 1 || !(.field("c.d").in(["y", 2.5]))) && .field("e").exists
            && .field("f").contains(3)
        #expect(filter.numberFields == ["b", "c.d", "f"])
    }

    @Test func aCollectionLargerThanAnyIsNoneOfOurs() {
        var info = Qdrant_CollectionInfo()
        info.config.params.vectorsConfig.params.distance = .dot
        for (size, isTaken) in [(0, false), (1, true), (65_536, true), (65_537, false), (1 << 62, false)]
            as [(UInt64, Bool)]
        {
            info.config.params.vectorsConfig.params.size = size
            #expect((QdrantCollection(info) != nil) == isTaken)
        }
    }

    @Test func termsOfAConjunctionGoSeparateWays() throws {
        let plan = try plan(.field("a") == "x" && .field("b") < "m")
        #expect(plan.decided == (.field("a") == "x"))
        #expect(plan.finished == (.field("b") < "m"))
    }

    @Test(arguments: [
        ("a.b", "a.b"), ("a b", "\"a b\""), ("", "\"\""), ("é", "\"é\""), ("a[0]", "\"a[0]\""), ("a-b_1", "a-b_1"),
        ("a[]", "\"a[]\""),
    ])
    func pathsAreQuoted(_ path: String, _ key: String) {
        #expect(FilterTranslation.key(FieldPath(path)) == key)
    }

    @Test func aKeyWithADotIsOneKey() {
        #expect(FilterTranslation.key(FieldPath(parts: ["a.b", "c"])) == "\"a.b\".c")
    }

    @Test func filtersNestedDeeplyAreFinishedHere() throws {
        var filter: VectorFilter = .field("a") == 1
        for _ in 0..<60 { filter = !filter }
        #expect(try plan(filter).pushed == nil)
    }
}
#endif
