#if Faiss
import MiniORM
import MiniORMFaiss
import TestSupport
import Testing

/// The flat index against a search that compares every record in double precision.
@Suite struct ExactTests {
    /// Infinite where a score is beyond single precision.
    private func isClose(_ lhs: Float, _ rhs: Float) -> Bool {
        lhs == rhs || abs(lhs - rhs) <= 1e-5 * max(1, abs(rhs))
    }

    private func same(_ lhs: [VectorSearchResult], _ rhs: [VectorSearchResult]) -> Bool {
        lhs.count == rhs.count
            && zip(lhs, rhs).allSatisfy {
                $0.id == $1.id && isClose($0.score, $1.score) && $0.payload == $1.payload
            }
    }

    @Test(arguments: VectorMetric.allCases)
    func `answers are the exact ones after any writes, ties ordered by id`(_ metric: VectorMetric) throws {
        var random = Seeded(7)
        let faiss = try FaissVectorStore()
        let model = InMemoryVectorStore()
        for store in [faiss, model] as [any VectorStorePort] { try store.make("exact", 12, metric) }
        for round in 0..<60 {
            let records = (0..<40).map { _ in
                // Few different vectors, so that many tie; some of them zero.
                let kind = Int.random(in: 0..<30, using: &random)
                var own = Seeded(UInt64(kind))
                return VectorRecord(
                    id: "r\(Int.random(in: 0..<700, using: &random))",
                    vector: kind == 0 ? [Float](repeating: 0, count: 12) : own.vector(12),
                    payload: ["kind": .int(Int64(kind)), "round": .int(Int64(round))])
            }
            let ids = (0..<12).map { _ in "r\(Int.random(in: 0..<700, using: &random))" }
            var counts: [Int] = []
            for store in [faiss, model] as [any VectorStorePort] {
                try store.put("exact", records)
                counts.append(try store.delete(DeleteRequest(collection: "exact", ids: ids)))
            }
            #expect(counts[0] == counts[1])
            let query = round % 10 == 9 ? [Float](repeating: 0, count: 12) : random.vector(12)
            for filter: VectorFilter? in [nil, .field("kind") < 10, .field("round") == .int(Int64(round))] {
                for topK in [1, 3, 10, 500] {
                    let request = QueryRequest(
                        collection: "exact", vector: query, options: QueryOptions(topK: topK, filter: filter))
                    let (ours, theirs) = (try faiss.query(request), try exactAnswers(model, request))
                    #expect(same(ours, theirs), "round \(round), topK \(topK)")
                }
            }
            #expect(try faiss.all("exact") == model.all("exact"))
        }
    }

    @Test(arguments: VectorMetric.allCases)
    func `scores stay the contract's for near-duplicates far from the origin and for extreme norms`(
        _ metric: VectorMetric
    ) throws {
        var random = Seeded(3)
        let faiss = try FaissVectorStore()
        let model = InMemoryVectorStore()
        let records = (0..<3_000).map { number in
            let scale: Float = [1, 1e-3, 1e-15, 1e15][number % 4]
            let offset: Float = number % 3 == 0 ? 1_000 : 0
            return VectorRecord(id: "r\(number)", vector: random.vector(20).map { $0 * scale + offset })
        }
        for store in [faiss, model] as [any VectorStorePort] {
            try store.make("far", 20, metric)
            try store.put("far", records)
        }
        for number in [0, 1, 2, 3, 300] {
            let request = QueryRequest(
                collection: "far", vector: records[number].vector, options: QueryOptions(topK: 10))
            let (ours, theirs) = (try faiss.query(request), try exactAnswers(model, request))
            #expect(same(ours, theirs), "query \(number)")
        }
    }

    @Test(arguments: VectorMetric.allCases)
    func `a batch answers as one by one, and a filter on many rows as the specification`(_ metric: VectorMetric) throws
    {
        let records = randomRecords(12_000, dimension: 16, seed: 5)
        let faiss = try FaissVectorStore()
        let model = InMemoryVectorStore()
        for store in [faiss, model] as [any VectorStorePort] {
            try store.make("batch", 16, metric)
            try store.put("batch", records)
            _ = try store.delete(DeleteRequest(collection: "batch", ids: (0..<500).map { "r\($0 * 3)" }))
        }
        var random = Seeded(6)
        let queries = (0..<20).map { _ in random.vector(16) }
        for filter: VectorFilter? in [nil, .field("number") >= 4_000, .field("number") < 50] {
            let options = QueryOptions(topK: 7, filter: filter, includeVectors: true)
            let batch = try faiss.queryBatch(QueryBatchRequest(collection: "batch", vectors: queries, options: options))
            for (query, answers) in zip(queries, batch) {
                let request = QueryRequest(collection: "batch", vector: query, options: options)
                #expect(try faiss.query(request) == answers)
                #expect(same(answers, try exactAnswers(model, request)))
            }
        }
        let plan = try faiss.explain(ExplainRequest(collection: "batch", filter: .field("number") >= 4_000))
        #expect(plan.native.contains("selector") && plan.finished == nil)
    }

    @Test func `a bare port refuses what would be read beyond its end`() throws {
        let faiss = try FaissVectorStore()
        try faiss.make("bare", 3)
        for vector: [Float] in [[], [1], [1, 2, 3, 4], [1, .nan, 3], [.infinity, 0, 0]] {
            expect(.invalidVector) { try faiss.put("bare", [VectorRecord(id: "a", vector: vector)]) }
        }
        for vector: [Float] in [[], [1], [1, 2, 3, 4]] {
            expect(.invalidVector) { _ = try faiss.query(QueryRequest(collection: "bare", vector: vector)) }
        }
        try faiss.put("bare", [VectorRecord(id: "a", vector: [1, 2, 3]), VectorRecord(id: "a", vector: [3, 2, 1])])
        #expect(try faiss.all("bare") == [VectorRecord(id: "a", vector: [3, 2, 1])])
        for topK in [Int.min, -1, 0] {
            let request = QueryRequest(collection: "bare", vector: [1, 2, 3], options: QueryOptions(topK: topK))
            #expect(try faiss.query(request).isEmpty)
        }
        let request = QueryRequest(collection: "bare", vector: [1, 2, 3], options: QueryOptions(topK: .max))
        #expect(try faiss.query(request).count == 1)
        #expect(try faiss.query(QueryRequest(collection: "bare", vector: [.nan, 0, 0])).count <= 1)
    }

    @Test func `a scan sees the collection as it was when it began`() throws {
        let faiss = try FaissVectorStore()
        try faiss.make("scan", 4)
        let records = randomRecords(100, dimension: 4, seed: 1)
        try faiss.put("scan", records)
        var page = try faiss.scan(ScanRequest(collection: "scan", pageSize: 30))
        var seen = page.records
        try faiss.put("scan", randomRecords(150, dimension: 4, seed: 2))
        _ = try faiss.delete(DeleteRequest(collection: "scan", ids: ["r99"]))
        while let next = page.next {
            page = try faiss.scan(ScanRequest(collection: "scan", pageSize: 30, cursor: next))
            seen += page.records
        }
        #expect(seen == records)
    }

    @Test(arguments: VectorMetric.allCases)
    func `answers are exact where single precision overflows`(_ metric: VectorMetric) throws {
        var random = Seeded(8)
        let faiss = try FaissVectorStore()
        let model = InMemoryVectorStore()
        var records = (0..<40).map { VectorRecord(id: "small \($0)", vector: random.vector(4)) }
        records.append(VectorRecord(id: "A", vector: [1e18, 0, 0, 0]))
        records.append(VectorRecord(id: "B", vector: [1e20, 0, 0, 0]))
        // Products above the largest number of single precision that cancel each other.
        records.append(VectorRecord(id: "C", vector: [3e20, -3e20, 1e19, 0]))
        records.append(VectorRecord(id: "D", vector: [-3e20, 3e20, 2e19, 0]))
        for store in [faiss, model] as [any VectorStorePort] {
            try store.make("large", 4, metric)
            try store.put("large", records)
        }
        for vector: [Float] in [[1e20, 0, 0, 0], [1e19, 1e19, 1, 0], [3e20, 3e20, 1, 1], [1, 2, 3, 4]] {
            for topK in [1, 2, 10] {
                let request = QueryRequest(collection: "large", vector: vector, options: QueryOptions(topK: topK))
                let (ours, theirs) = (try faiss.query(request), try exactAnswers(model, request))
                #expect(same(ours, theirs), "\(vector), topK \(topK)")
            }
        }
    }
}
#endif
