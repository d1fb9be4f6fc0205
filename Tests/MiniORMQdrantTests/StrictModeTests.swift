#if Qdrant
import MiniORM
import TestSupport
import Testing

@testable import MiniORMQdrant

extension ServerTests {
    /// Strict mode, which Qdrant Cloud has on by default: what it refuses is asked in another way, or finished here.
    @Suite(.onTheService) struct StrictModeTests {
        private func options(_ change: (inout QdrantOptions) -> Void) -> QdrantOptions {
            var options = QdrantOptions()
            change(&options)
            return options
        }

        /// A collection of 120 records under strict mode, opened by a store that learns of it at once.
        private func withStrict(
            _ strict: [String: PayloadValue], _ options: QdrantOptions = QdrantOptions(),
            _ body: (AsyncVectorRepository, [VectorRecord]) async throws -> Void
        ) async throws {
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service(options), metric: .dot) { repository in
                let records = (0..<120).map(Self.tenantRecord)
                try await repository.upsert(records)
                let name = try await repository.describe().name
                try await Server.control("/strict", strict.merging(["collection": .string(name)]) { $1 })
                let fresh = try Server.service(options)
                let strict = try await AsyncVectorRepository(fresh, name, dimension: 4, metric: .dot)
                try await body(strict, records)
                try await fresh.close()
            }
        }

        private static func tenantRecord(_ number: Int) -> VectorRecord {
            let payload: [String: PayloadValue] = [
                "tenant": .string(number % 2 == 0 ? "a" : "b"), "n": .double(Double(number) / 2),
                "tags": ["x", .string("\(number)")], "a b": .bool(number < 3),
            ]
            return VectorRecord(id: "\(number)", vector: [Float(number), 1, 0, 0], payload: payload)
        }

        @Test func strictModeTakesFiltersOnNamedFieldsAndItsLimitsAreKept() async throws {
            let options = options {
                $0.collection.tenantField = "tenant"
                $0.collection.payloadIndexes = [.init("n", .number), .init("tags", .keyword), .init("a b", .bool)]
            }
            try await Server.withCollection(Server.service(options), metric: .dot) { repository in
                let name = try await repository.describe().name
                try await Server.control(
                    "/strict",
                    [
                        "collection": .string(name), "unindexed_filtering_retrieve": false,
                        "unindexed_filtering_update": false, "search_allow_exact": false, "upsert_max_batchsize": 10,
                        "search_max_batchsize": 2, "max_query_limit": 50,
                    ])
                let fresh = try Server.service(options)
                let strict = try await AsyncVectorRepository(fresh, name, dimension: 4, metric: .dot)
                let records = (0..<120).map(Self.tenantRecord)
                try await strict.upsert(records)
                for filter in [
                    .field("tenant") == "a" && .field("n") < 10, .field("tags").contains("7"), .field("a b") == true,
                    .field("n") != 3.5, .field("tenant").notIn(["b"]), .field("n").exists,
                ] as [VectorFilter] {
                    let plan = try await strict.explain(filter)
                    #expect(plan.finished == nil, "\(filter): \(plan)")
                    let expected = records.filter { filter.matches($0.payload) }
                    #expect(try await strict.count(matching: filter) == expected.count)
                    let best = try await strict.query([1, 0, 0, 0], topK: 5, filter: filter).map(\.id)
                    #expect(best == expected.suffix(5).reversed().map(\.id))
                }
                // What needs an index that is not there is finished here.
                #expect(try await strict.count(matching: .field("other") == "x") == 0)
                #expect(
                    try await strict.queryBatch(Array(repeating: [1, 0, 0, 0], count: 5), topK: 100).map(\.count) == [
                        100, 100, 100, 100, 100,
                    ])
                #expect(try await strict.query([1, 0, 0, 0], topK: 1000).count == 120)
                #expect(try await strict.delete(matching: .field("tenant") == "a") == 60)
                try await fresh.close()
            }
        }

        /// No limit but that on exact searches, which exact counts are too.
        @Test func countsWithoutExactSearch() async throws {
            try await withStrict(["search_allow_exact": false]) { repository, records async throws in
                #expect(try await repository.count() == 120)
                for filter in [.field("n") < 10, .field("n") != 3.5, .field("tenant") == "a"] as [VectorFilter] {
                    #expect(try await repository.explain(filter).finished == nil)
                    let expected = records.count { filter.matches($0.payload) }
                    #expect(try await repository.count(matching: filter) == expected)
                }
                let best = try await repository.query([1, 0, 0, 0], topK: 50, filter: .field("n") < 10).map(\.id)
                #expect(best == (0..<20).reversed().map { "\($0)" })
                var scanned = 0
                for try await _ in try repository.records(matching: .field("n") < 10) { scanned += 1 }
                #expect(scanned == 20)
                #expect(try await repository.delete(matching: .field("n") < 10) == 20)
                #expect(try await repository.count() == 100)
            }
        }

        /// As Qdrant Cloud sets it up.
        @Test func filtersOnFieldsWithoutAnIndexAreFinishedHere() async throws {
            let options = options { $0.collection.payloadIndexes = [.init("n", .number)] }
            let strict: [String: PayloadValue] = [
                "unindexed_filtering_retrieve": false, "unindexed_filtering_update": false,
                "max_payload_index_count": 100,
            ]
            try await withStrict(strict, options) { repository, records async throws in
                for filter in [
                    .field("tenant") == "a", .field("tags").contains("7"), .field("a b") != true, .field("none") == nil,
                    .field("n") < 10 && .field("tenant") == "b", .field("a b").exists,
                ] as [VectorFilter] {
                    let expected = records.filter { filter.matches($0.payload) }
                    #expect(try await repository.count(matching: filter) == expected.count)
                    let best = try await repository.query([1, 0, 0, 0], topK: 5, filter: filter).map(\.id)
                    #expect(best == expected.suffix(5).reversed().map(\.id))
                    var scanned: Set<String> = []
                    for try await record in try repository.records(matching: filter) { scanned.insert(record.id) }
                    #expect(scanned == Set(expected.map(\.id)))
                }
                #expect(try await repository.explain(.field("n") < 10 && .field("tenant") == "b").pushedDown != nil)
                #expect(try await repository.delete(matching: .field("tenant") == "b") == 60)
                #expect(try await repository.count() == 60)
            }
        }

        @Test func whatMatchesNothingIsAnsweredWithoutACall() async throws {
            let options = options { $0.search.exact = true }
            try await withStrict(["unindexed_filtering_retrieve": false], options) { repository, _ async throws in
                let before = try await Server.control("/calls")
                for filter in [.field("tenant").in([]), .or([]), .field("n") == 1 && .or([])] as [VectorFilter] {
                    #expect(try await repository.count(matching: filter) == 0)
                    #expect(try await repository.query([1, 0, 0, 0], filter: filter).isEmpty)
                    #expect(
                        try await repository.queryBatch([[1, 0, 0, 0], [0, 1, 0, 0]], filter: filter) == [[], []])
                    for try await _ in try repository.records(matching: filter) { Issue.record("no record matches") }
                    #expect(try await repository.delete(matching: filter) == 0)
                }
                // Only what a number needs to be known of is asked.
                var after = try await Server.control("/calls").objectValue ?? [:]
                after["Scroll"] = before.objectValue?["Scroll"]
                #expect(.object(after) == before)
                #expect(try await repository.count() == 120)
            }
        }

        @Test func deletionHasALimitOfItsOwn() async throws {
            try await withStrict(["unindexed_filtering_update": false]) { repository, _ async throws in
                #expect(try await repository.explain(.field("tenant") == "a").finished == nil)
                #expect(try await repository.delete(matching: .field("tenant") == "a") == 60)
            }
        }

        @Test func filtersWithTooManyConditionsOrValuesAreFinishedHere() async throws {
            try await withStrict(["filter_max_conditions": 3, "condition_max_size": 2]) {
                repository, records async throws in
                for filter in [
                    .field("tenant").in(["a", "c", "d"]), .field("tenant") == "a" && .field("a b") == true,
                    .field("n") < 10 && .field("n") > 3, .or((0..<9).map { .field("n") == .int($0) }),
                    .field("tenant").in(["a", "c"]),
                ] as [VectorFilter] {
                    let expected = records.count { filter.matches($0.payload) }
                    #expect(try await repository.count(matching: filter) == expected)
                }
            }
        }

        @Test func aRestartIsNoFailureWhereThereAreAsManyIndexesAsMayBe() async throws {
            let options = options { $0.collection.payloadIndexes = [.init("n", .number), .init("tags", .keyword)] }
            try await withStrict(["max_payload_index_count": 1], options) { repository, _ async throws in
                #expect(try await repository.count() == 120)
            }
        }

        /// The limits change under a store that knows the old ones.
        @Test func limitsThatWereLoweredAreLearned() async throws {
            try await Server.control("/reset", [:])
            let store = try Server.service()
            try await Server.withCollection(store, metric: .dot) { repository in
                let records = (0..<120).map(Self.tenantRecord)
                try await repository.upsert(records)
                let name = try await repository.describe().name
                let steps: [([String: PayloadValue], () async throws -> Bool)] = [
                    (
                        ["upsert_max_batchsize": 7],
                        {
                            try await repository.upsert(records); return true
                        }
                    ),
                    (["max_query_limit": 9], { try await repository.fetch().count == 120 }),
                    (["search_allow_exact": false], { try await repository.count() == 120 }),
                    (["max_query_limit": 11], { try await repository.query([1, 0, 0, 0], topK: 20).count == 20 }),
                    (
                        ["unindexed_filtering_update": false],
                        { try await repository.delete(matching: .field("tenant") == "a") == 60 }
                    ),
                    (
                        ["unindexed_filtering_retrieve": false],
                        { try await repository.count(matching: .field("tenant") == "b") == 60 }
                    ),
                ]
                for (strict, step) in steps {
                    try await Server.control("/strict", strict.merging(["collection": .string(name)]) { $1 })
                    #expect(try await step(), "\(strict)")
                }
            }
        }
    }
}
#endif
