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
