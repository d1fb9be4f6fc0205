#if PgVector
import MiniORM
import MiniORMPgVector
import Synchronization
import TestSupport
import Testing

/// The contract's section 2, query: min(topK, matches), also through an index that finds fewer.
@Suite(.serialized, .dropsSchemas) struct IndexTests {
    private static func records(_ count: Int, dimension: Int) -> [VectorRecord] {
        var state: UInt64 = 7
        func next() -> Float {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
        }
        return (0..<count).map { number in
            let isZero = number % 1000 == 999
            return VectorRecord(
                id: "r\(number)", vector: (0..<dimension).map { _ in isZero ? 0 : next() },
                payload: ["hundredth": .bool(number % 100 == 0), "number": .int(Int64(number))])
        }
    }

    static let indexes: [(PgVectorIndex, VectorMetric)] = [
        (.hnsw(efSearch: 10), .cosine), (.hnsw(m: 8, efConstruction: 32, efSearch: 10), .l2),
        (.hnsw(efSearch: 10, precision: .half), .dot), (.ivfflat(lists: 40), .cosine),
        (.ivfflat(lists: 40, precision: .half), .l2),
    ]

    @Test(arguments: Server.both)
    func aFilteredQueryNeverUnderReturnsAndZeroVectorsAreFound(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        let records = Self.records(4000, dimension: 12)
        for (index, metric) in Self.indexes {
            let repository = try VectorRepository(store, "approximate", dimension: 12, metric: metric, overwrite: true)
            try repository.upsert(records)
            try store.createIndex("approximate", index)
            let query = records[17].vector
            let rare = try repository.query(query, topK: 60, filter: ["hundredth": true])
            #expect(rare.count == 40)
            #expect(try repository.query(query, topK: 25, filter: ["hundredth": true]).count == 25)
            let all = try repository.query(query, topK: 4000)
            #expect(all.count == 4000)
            #expect(all.count { records[Int($0.id.dropFirst()) ?? 0].vector.allSatisfy { $0 == 0 } } == 4)
            if metric == .cosine { #expect(all.count { $0.score == 0 } >= 4) }
            let batch = try repository.queryBatch([query, records[99].vector], topK: 5)
            #expect(batch.map(\.count) == [5, 5])
            #expect(batch[0].first?.id == "r17" || metric == .dot)
        }
        try store.dropIndex("approximate")
        try store.dropCollection("approximate")
    }

    @Test func buildingTellsItsProgressAndMayLetOthersWrite() throws {
        let store = try Server.pg16.store()
        defer { store.close() }
        let repository = try VectorRepository(store, "progress", dimension: 64, overwrite: true)
        try repository.upsert(Self.records(6000, dimension: 64))
        let phases = Mutex<[String]>([])
        try store.createIndex("progress", .hnsw(efConstruction: 200), concurrently: true) { progress in
            phases.withLock { $0.append(progress.phase) }
        }
        #expect(phases.withLock { $0.contains { $0.hasPrefix("building index") } })
        try store.setSearchEffort("progress", 200)
        #expect(try repository.query(Self.records(1, dimension: 64)[0].vector, topK: 3).first?.id == "r0")
        try repository.dropCollection()
    }

    @Test(arguments: Server.both)
    func parametersOutOfRangeChangeNothing(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        let repository = try VectorRepository(store, "ranges", dimension: 2, metric: .l2, overwrite: true)
        try repository.upsert(Self.records(50, dimension: 2))
        let definition =
            "select indexdef from pg_indexes where indexname like 'mini_orm_vector%' and tablename = 'ranges'"
        try store.createIndex("ranges", .hnsw(m: 8, efSearch: 30))
        let before = try store.execute(definition).rows
        #expect(before.count == 1)
        for index: PgVectorIndex in [
            .hnsw(m: 1), .hnsw(m: 101), .hnsw(efConstruction: 3), .hnsw(efConstruction: 1001),
            .hnsw(m: 50, efConstruction: 99), .hnsw(efSearch: 0), .hnsw(efSearch: 1001), .hnsw(efSearch: -1),
            .ivfflat(lists: 0), .ivfflat(lists: 32_769), .ivfflat(lists: 2, probes: 0),
            .ivfflat(lists: 2, probes: 32_769),
        ] {
            expect(.invalidArgument) { try store.createIndex("ranges", index) }
        }
        for effort in [0, -1, 1001, 5000, .max] {
            expect(.invalidArgument) { try store.setSearchEffort("ranges", effort) }
        }
        #expect(try store.execute(definition).rows == before)
        #expect(try repository.query([1, 1], topK: 7).count == 7)
        try store.createIndex("ranges", .ivfflat(lists: 2))
        for effort in [0, 32_769] { expect(.invalidArgument) { try store.setSearchEffort("ranges", effort) } }
        try store.setSearchEffort("ranges", 32_768)
        #expect(try repository.query([1, 1], topK: 7).count == 7)
        try repository.dropCollection()
    }

    /// The indexes of a table beside its primary key, and whether each is complete.
    private func indexes(_ table: String, _ store: PgVectorStore) throws -> [[String?]] {
        try store.execute(
            """
            select c.relname, i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid
            where i.indrelid = $1::regclass and not i.indisprimary order by 1
            """, [.text("\(Server.schema).\(table)")]
        ).rows
    }

    /// A build that is cancelled leaves what was there, and nothing else.
    @Test(arguments: Server.both)
    func aBuildThatIsCancelledLeavesNothing(_ server: Server) async throws {
        let (store, other) = (try server.store(), try server.store())
        defer {
            store.close()
            other.close()
        }
        let repository = try await AsyncVectorRepository(store, "stopped", dimension: 2, metric: .l2, overwrite: true)
        try await repository.upsert(Self.records(50, dimension: 2))
        try await store.createIndex("stopped", .hnsw(m: 8))
        let before = try indexes("stopped", other)
        let lock = "lock table \(Server.schema).stopped in row exclusive mode"
        let locked = try Server.Locked(other, lock)
        let build = Task { try await store.createIndex("stopped", .hnsw(m: 9), concurrently: true) }
        while try indexes("stopped", other).count < 2 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try await repository.query([1, 1], topK: 7).count == 7)
        build.cancel()
        try await Task.sleep(for: .milliseconds(200))
        locked.release()
        #expect(await build.result.storeError?.code == .cancelled)
        #expect(try indexes("stopped", other) == before)
        try await repository.dropCollection()
    }

    /// Builders of one index take turns, and the last one's stays.
    @Test(arguments: Server.both)
    func buildersOfOneIndexTakeTurns(_ server: Server) async throws {
        let store = try server.store()
        defer { store.close() }
        let repository = try await AsyncVectorRepository(store, "turns", dimension: 2, metric: .l2, overwrite: true)
        try await repository.upsert(Self.records(2000, dimension: 2))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<4 {
                group.addTask {
                    try await store.createIndex("turns", .hnsw(m: 8 + number), concurrently: number % 2 == 0)
                }
            }
            try await group.waitForAll()
        }
        let indexes = try indexes("turns", store)
        #expect(indexes.count == 1)
        #expect(indexes.first?.last == "t")
        #expect(try await repository.query([1, 1], topK: 7).count == 7)
        try await repository.dropCollection()
    }

    /// float16 ends at 65,504: such a query is answered exactly, and such a record refused by name.
    @Test(arguments: Server.both)
    func anIndexOfHalfPrecisionMeetsNumbersBeyondIt(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        for metric in VectorMetric.allCases {
            let repository = try VectorRepository(store, "narrow", dimension: 2, metric: metric, overwrite: true)
            try repository.upsert([
                VectorRecord(id: "a", vector: [1, 2]), VectorRecord(id: "b", vector: [65_504, 1]),
            ])
            try store.createIndex("narrow", .hnsw(precision: .half))
            #expect(try repository.query([1e6, 1], topK: 1).map(\.id) == ["b"])
            #expect(try repository.queryBatch([[1e6, 1], [1, 2]], topK: 2).map(\.count) == [2, 2])
            let wide = VectorRecord(id: "wide", vector: [1, -65_520])
            let error = expect(.invalidVector) {
                try repository.upsert([VectorRecord(id: "c", vector: [1, 1]), wide])
            }
            #expect(error?.recordID == "wide")
            #expect(try repository.count() == 2)
            let many = (0..<3000).map { VectorRecord(id: "\($0)", vector: [1, $0 == 2500 ? 1e9 : 1]) }
            #expect(expect(.invalidVector) { try repository.upsert(many) }?.recordID == "2500")
            try store.dropIndex("narrow")
            try repository.upsert([wide])
            expect(.invalidVector) { try store.createIndex("narrow", .hnsw(precision: .half)) }
            #expect(try repository.query([1, -1], topK: 3).count == 3)
        }
        try store.dropCollection("narrow")
    }

    /// Each call of the store's own has an asynchronous form.
    @Test(arguments: Server.both)
    func asynchronousCodeBuildsIndexesToo(_ server: Server) async throws {
        let store = try server.store { $0.maximumConnections = 2 }
        defer { store.close() }
        let repository = try await AsyncVectorRepository(store, "async", dimension: 2, metric: .l2, overwrite: true)
        try await repository.upsert(Self.records(300, dimension: 2))
        try await store.createIndex("async", .hnsw(m: 4))
        try await store.setSearchEffort("async", 300)
        try await store.createPayloadIndex("async")
        try await store.createFieldIndex("async", "number", concurrently: true)
        #expect(try indexes("async", store).count == 3)
        #expect(try await repository.count(matching: ["number": 7]) == 1)
        #expect(try await repository.count(matching: .field("number").in([7, 8, nil])) == 2)
        #expect(try await repository.count(matching: .field("number") != 7) == 299)
        #expect(try await repository.query([1, 1], topK: 300).count == 300)
        try await store.dropIndex("async")
        #expect(try indexes("async", store).count == 2)
        await expect(.invalidArgument) { try await store.setSearchEffort("async", 10) }
        let table = "\(Server.schema).async_mapped"
        try await store.execute("create table \(table) (id text primary key, v vector(2) not null, p jsonb)")
        try await store.mapTable("async_mapped", metric: .l2, id: "id", vector: "v", payload: "p")
        #expect(try await AsyncVectorRepository(store, "async_mapped", dimension: 2, metric: .l2).count() == 0)
        try await store.unmapTable("async_mapped")
        try await store.execute("drop table \(table)")
        try await repository.dropCollection()
    }

    /// The server knows for how many rows a field has a value, and so whether the index is worth asking.
    @Test(arguments: Server.both)
    func aFilterThatManyRowsMatchGoesThroughTheIndex(_ server: Server) throws {
        let store = try server.store()
        defer { store.close() }
        let repository = try VectorRepository(store, "planned", dimension: 64, overwrite: true)
        let records = Self.records(4000, dimension: 64).enumerated().map { number, record in
            var record = record
            record.payload = ["kind": number % 4 == 0 ? "rare" : "common", "nested": ["kind": .int(Int64(number % 3))]]
            return record
        }
        try repository.upsert(records)
        try store.createIndex("planned", .hnsw(efSearch: 40))
        let table = "\(Server.schema).planned"
        for (filter, value, count) in [
            (["kind": "rare"] as VectorFilter, "{\"kind\": \"rare\"}", 1000),
            (.field("nested.kind") == 1, "{\"nested\": {\"kind\": 1}}", 1333),
        ] {
            let condition = try repository.explain(filter).native
            let plan = try store.execute("explain select from \(table) where \(condition)", [.text(value)]).rows
            let guess = plan.first?[0].flatMap { $0.firstMatch(of: #/rows=(\d+)/#) }.flatMap { Int($0.1) } ?? 0
            #expect((count / 2...count * 2).contains(guess))
            let near = try store.execute(
                """
                explain select from \(table) where \(condition)
                order by embedding <=> (select embedding from \(table) limit 1) limit 10
                """, [.text(value)]
            ).rows.compactMap { $0[0] }
            #expect(near.contains { $0.contains("mini_orm_vector") }, "\(near)")
            #expect(try repository.count(matching: filter) == count)
            #expect(try repository.query(records[0].vector, topK: 10, filter: filter).count == 10)
        }
        try repository.dropCollection()
    }

    @Test func tooManyDimensionsAreAnErrorOfTheIndexAlone() throws {
        let store = try Server.pg18.store()
        defer { store.close() }
        let repository = try VectorRepository(store, "long", dimension: 2001, metric: .l2, overwrite: true)
        try repository.upsert([VectorRecord(id: "a", vector: [Float](repeating: 1, count: 2001))])
        expect(.invalidArgument) { try store.createIndex("long", .hnsw()) }
        try store.createIndex("long", .hnsw(precision: .half))
        #expect(try repository.query([Float](repeating: 1, count: 2001)).map(\.id) == ["a"])
        try repository.dropCollection()
    }
}
#endif
