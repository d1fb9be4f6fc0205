import Synchronization
import Testing

@testable import MiniORM

/// When fields are indexed, what that may take, and what `explain` says of it.
@Suite struct FieldPlanTests {
    private func explain(_ store: InMemoryVectorStore, _ filter: VectorFilter) throws -> FilterPlan {
        try store.explain(ExplainRequest(collection: "c", filter: filter))
    }

    private func records(_ range: Range<Int>) -> [VectorRecord] {
        range.map { index in
            VectorRecord(
                id: "r\(index)", vector: [Float(index)],
                payload: [
                    "n": .int(Int64(index)), "kind": index % 2 == 0 ? "even" : "odd",
                    "tags": ["a", .int(Int64(index % 5))],
                ])
        }
    }

    @Test func explainSaysWhatIsIndexedAndHowRowsAreFound() throws {
        let store = try FieldIndexTests.store()
        try store.upsert(UpsertRequest(collection: "c", records: records(0..<10_000)))
        let few: VectorFilter = .field("n") < 100
        #expect(
            try explain(store, few)
                == FilterPlan(
                    pushedDown: nil, finished: few,
                    native:
                        "a scan of 10000 of 10000 rows; the rest of the filter after the score, for rows in the top k; "
                        + "no index on n yet"))
        // Filtered on once, it is not indexed; twice, it is.
        #expect(try store.count(CountRequest(collection: "c", filter: few)) == 100)
        #expect(try store.fieldIndexes(in: "c").isEmpty)
        #expect(try store.count(CountRequest(collection: "c", filter: few)) == 100)
        #expect(try store.fieldIndexes(in: "c").map(\.path) == ["n"])
        #expect(
            try store.fieldIndexes(in: "c").allSatisfy { $0.bytes > 20_000 && $0.bytes < 300_000 && !$0.isDeclared })
        #expect(
            try explain(store, few)
                == FilterPlan(pushedDown: few, finished: nil, native: "direct scoring of 100 of 10000 rows; index on n")
        )
        try store.indexFields(["kind", "tags"], in: "c")
        let half: VectorFilter = .field("kind") == "odd"
        #expect(try explain(store, half).native == "a scan with a bitmap of 5000 of 10000 rows; index on kind")
        #expect(try explain(store, .field("n") >= 0).native == "a scan of 10000 of 10000 rows; index on n")
        let mixed: VectorFilter = half && .field("tags") == ["a", 3] && .field("x") == 1
        #expect(
            try explain(store, mixed)
                == FilterPlan(
                    pushedDown: half, finished: .field("tags") == ["a", 3] && .field("x") == 1,
                    native:
                        "a scan with a bitmap of 5000 of 10000 rows; the rest of the filter after the score, for rows in "
                        + "the top k; index on kind; index on tags; no index on x yet"))
        #expect(try explain(store, .field("tags").contains(3) && few).native.hasPrefix("direct scoring of 20 of"))
        #expect(throws: VectorStoreError.self) { try store.indexFields(["n"], in: "none") }
        #expect(throws: VectorStoreError.self) { try store.fieldIndexes(in: "none") }
    }

    @Test func smallCollectionsAreNotIndexedUnasked() throws {
        let store = try FieldIndexTests.store()
        try store.upsert(UpsertRequest(collection: "c", records: records(0..<2000)))
        for _ in 0..<5 { #expect(try store.count(CountRequest(collection: "c", filter: .field("n") < 7)) == 7) }
        #expect(try store.fieldIndexes(in: "c").isEmpty)
    }

    @Test func indexesThatNobodyDeclaredAreBoundedInNumberAndMemory() throws {
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 1, metric: .dot))
        try collection.upsert(records(0..<5000))
        var limits = FieldIndexes.Limits(width: 16)
        limits.automatic = 2
        limits.bytesPerRow = 8
        limits.fewestBytes = 0
        let fields = FieldIndexes(limits)
        let snapshot = collection.snapshot
        let live = { Set(snapshot.parts.map(\.serial)) }
        // Distinct numbers take about 23 bytes a row, two texts about 3.
        for _ in 0..<4 { _ = fields.columns(["n"], snapshot, latest: live) }
        #expect(fields.status("n") == .tooLarge)
        for _ in 0..<4 { #expect(fields.columns(["kind"], snapshot, latest: live).count <= 1) }
        #expect(fields.status("kind") == .indexed)
        for _ in 0..<4 { _ = fields.columns(["x"], snapshot, latest: live) }
        for _ in 0..<4 { _ = fields.columns(["y"], snapshot, latest: live) }
        #expect(fields.status("x") == .indexed)
        #expect(fields.status("y") == .tooMany)
        #expect(fields.all.reduce(0) { $0 + $1.index.current.bytes } <= 8 * 5000)
        fields.declare("n", snapshot, latest: live)
        fields.declare("y", snapshot, latest: live)
        _ = fields.columns(["n", "y"], snapshot, latest: live)
        #expect(fields.status("n") == .indexed && fields.status("y") == .indexed)
        #expect(fields.all.count == 4)
    }

    /// Long texts and long arrays are left to the evaluator, so that their index stays small.
    @Test func largeValuesDoNotSwellAnIndex() throws {
        let store = try FieldIndexTests.store()
        let records = (0..<4096).map { index in
            VectorRecord(
                id: "r\(index)", vector: [1],
                payload: [
                    "s": .string(String(repeating: "\(index) ", count: 100)),
                    "t": .array((0..<40).map { .int(Int64(index * 40 + $0)) }),
                ])
        }
        try store.upsert(UpsertRequest(collection: "c", records: records))
        try store.indexFields(["s", "t"], in: "c")
        #expect(try store.fieldIndexes(in: "c").allSatisfy { $0.bytes < 4096 * 2 + 1024 })
        for (index, record) in records.enumerated() where index % 500 == 0 {
            for filter in [.field("s") == (record.payload?["s"] ?? .null), .field("t").contains(index * 40)] {
                #expect(try store.count(CountRequest(collection: "c", filter: filter)) == 1)
                #expect(try explain(store, filter).finished == filter)
            }
        }
    }

    /// Section 6: readers build indexes while a writer writes, and every answer is of one moment.
    @Test func filtersAreExactWhileAWriterRuns() async throws {
        let store = try FieldIndexTests.store()
        let count = 3000
        @Sendable func write(_ generation: Int, _ ids: Range<Int>) throws {
            let records = ids.map {
                VectorRecord(
                    id: "r\($0)", vector: [Float(generation)],
                    payload: ["g": .int(Int64(generation)), "half": .bool($0 % 2 == 0), "i": .int(Int64($0))])
            }
            try store.upsert(UpsertRequest(collection: "c", records: records))
        }
        try write(0, 0..<count)
        let isOver = InMemoryStoreTests.Flag()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for generation in 1..<60 {
                    // Whole generations, so that any moment has one alone.
                    try write(generation, 0..<count)
                    await Task.yield()
                }
                isOver.set()
            }
            for reader in 0..<4 {
                group.addTask {
                    var rounds = 0
                    while !isOver.isSet || rounds < 3 {
                        rounds += 1
                        switch reader {
                        case 0:
                            let filter: VectorFilter = .field("half") == true && .field("i") < 1000
                            #expect(try store.count(CountRequest(collection: "c", filter: filter)) == 500)
                        case 1:
                            let filter: VectorFilter = .field("i") >= 2900
                            let options = QueryOptions(topK: .max, filter: filter)
                            let found = try store.query(QueryRequest(collection: "c", vector: [1], options: options))
                            #expect(found.count == 100 && Set(found.map(\.score)).count == 1)
                        case 2:
                            let filter: VectorFilter = .field("g") >= 0 && !(.field("half") == true)
                            #expect(try store.count(CountRequest(collection: "c", filter: filter)) == count / 2)
                        default:
                            try store.indexFields(["g", "i"], in: "c")
                            let generations = try (0..<60).map {
                                try store.count(CountRequest(collection: "c", filter: .field("g") == $0))
                            }
                            #expect(generations.allSatisfy { $0 == 0 || $0 == count })
                        }
                        await Task.yield()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try store.count(CountRequest(collection: "c", filter: .field("g") == 59)) == count)
    }
}
