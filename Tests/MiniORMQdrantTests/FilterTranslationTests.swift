#if Qdrant
import MiniORM
import SwiftProtobuf
import Testing

@testable import MiniORMQdrant

/// What is pushed down, what only narrows and what stays here. That the engine means the same by it is checked on the
/// engine, by the conformance kit.
@Suite struct FilterTranslationTests {
    private func collection(
        isOurs: Bool = true, indexes: [String: Qdrant_PayloadSchemaType] = [:]
    ) throws -> QdrantCollection {
        var info = Qdrant_CollectionInfo()
        info.config.params.vectorsConfig.params.size = 3
        info.config.params.vectorsConfig.params.distance = .cosine
        if isOurs {
            info.config.metadata["miniorm"] = .with { $0.structValue.fields["ids"] = .with { $0.stringValue = "any" } }
        }
        info.payloadSchema = indexes.mapValues { type in .with { $0.dataType = type } }
        return try #require(QdrantCollection(info))
    }

    private func plan(
        _ filter: VectorFilter, isOurs: Bool = true, isSmooth: Bool = true,
        indexes: [String: Qdrant_PayloadSchemaType] = [:]
    ) throws -> FilterTranslation.Plan {
        FilterTranslation(collection: try collection(isOurs: isOurs, indexes: indexes), isSmooth: isSmooth).plan(filter)
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
        for number in [0.1, 1.5, -2.25, 1e15, 123.456, 9.5, 0.10000000000000002, 1e22] { #expect(number.isKeptExactly) }
        for number in [9.223372036854775e18, 2.7715077941825975e-163, 0.09999999999999999, 1e300] {
            #expect(!number.isKeptExactly)
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
