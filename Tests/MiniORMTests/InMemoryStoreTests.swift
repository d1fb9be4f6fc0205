import Synchronization
import TestSupport
import Testing

@testable import MiniORM

/// The embedded store against the slow and obvious one, and what only it promises.
@Suite struct InMemoryStoreTests {
    struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    static func record(_ id: String, dimension: Int, _ random: inout Random) -> VectorRecord {
        // Small integers: sums are exact, so ties are ties in both stores.
        let vector = (0..<dimension).map { _ in Float(Int.random(in: -3...3, using: &random)) }
        let payload: [String: PayloadValue]? =
            Bool.random(using: &random) ? ["n": .int(.random(in: 0..<4, using: &random)), "s": .string(id)] : nil
        return VectorRecord(id: id, vector: vector, payload: payload)
    }

    /// Sections 2, 3 and 5: any operations, in any order, have the model's answers.
    @Test(arguments: VectorMetric.allCases, [1, 5, 40])
    func randomOperationsAnswerAsTheModel(metric: VectorMetric, dimension: Int) throws {
        var random = Random(state: UInt64(dimension))
        let (store, model) = (InMemoryVectorStore(threads: 3), ModelVectorStore())
        let create = CreateCollectionRequest(
            collection: CollectionDescription(name: "c", dimension: dimension, metric: metric))
        try store.createCollection(create)
        try model.createCollection(create)
        for _ in 0..<300 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let records = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                    Self.record("id\(Int.random(in: 0..<300, using: &random))", dimension: dimension, &random)
                }
                try store.upsert(UpsertRequest(collection: "c", records: records))
                try model.upsert(UpsertRequest(collection: "c", records: records))
            case 5:
                let ids = (0..<Int.random(in: 0..<30, using: &random)).map { _ in
                    "id\(Int.random(in: 0..<300, using: &random))"
                }
                let request = DeleteRequest(collection: "c", ids: ids)
                #expect(try store.delete(request) == model.delete(request))
            case 6 where Int.random(in: 0..<4, using: &random) == 0:
                let request = DeleteMatchingRequest(
                    collection: "c", filter: .field("n") == .int(.random(in: 0..<4, using: &random)))
                #expect(try store.deleteMatching(request) == model.deleteMatching(request))
            default:
                try compare(store, model, metric, dimension, &random)
            }
        }
        let all = try store.fetch(FetchRequest(collection: "c", ids: nil))
        let expected = try model.fetch(FetchRequest(collection: "c", ids: nil))
        #expect(all.sorted { UTF8Key($0.id) < UTF8Key($1.id) } == expected.sorted { UTF8Key($0.id) < UTF8Key($1.id) })
    }

    private func compare(
        _ store: InMemoryVectorStore, _ model: ModelVectorStore, _ metric: VectorMetric, _ dimension: Int,
        _ random: inout Random
    ) throws {
        let filters: [VectorFilter?] = [
            nil, .field("n") >= 2, .field("n") == 1, !(.field("n") == 1), .field("x").exists,
        ]
        let options = QueryOptions(
            topK: [0, -1, 1, 3, 10, 1000, .max].randomElement(using: &random) ?? 1,
            filter: filters.randomElement(using: &random) ?? nil,
            minScore: [nil, nil, 0, 0.5, -3].randomElement(using: &random) ?? nil,
            includeVectors: true)
        let vectors = (0..<Int.random(in: 1..<21, using: &random)).map { _ in
            Self.record("", dimension: dimension, &random).vector
        }
        let expected = try vectors.map {
            try model.query(QueryRequest(collection: "c", vector: $0, options: options))
        }
        let batch = try store.queryBatch(QueryBatchRequest(collection: "c", vectors: vectors, options: options))
        let single = try vectors.map { try store.query(QueryRequest(collection: "c", vector: $0, options: options)) }
        #expect(batch == single)
        #expect(batch == expected)
        let count = CountRequest(collection: "c", filter: options.filter)
        #expect(try store.count(count) == model.count(count))
        var scanned: [String] = []
        var request = ScanRequest(collection: "c", filter: options.filter, pageSize: 7)
        repeat {
            let page = try store.scan(request)
            scanned += page.records.map(\.id)
            request.cursor = page.next
        } while request.cursor != nil
        let matching = try model.fetch(FetchRequest(collection: "c", ids: nil))
            .filter { options.filter?.matches($0.payload) ?? true }
        #expect(scanned.sorted() == matching.map(\.id).sorted())
    }

    /// Section 3: the same number everywhere, also by kernel and by the number of threads.
    @Test(arguments: VectorMetric.allCases)
    func threadsAndKernelsChangeNoBit(metric: VectorMetric) throws {
        var random = Random(state: 7)
        let dimension = 100
        let description = CollectionDescription(name: "c", dimension: dimension, metric: metric)
        let collection = InMemoryCollection(description)
        func vector() -> [Float] { (0..<dimension).map { _ in Float.random(in: -1...1, using: &random) } }
        try collection.upsert((0..<12_000).map { VectorRecord(id: "r\($0)", vector: vector()) })
        let queries = PreparedQueries((0..<19).map { _ in vector() }, metric: metric, dimension: dimension)
        let options = QueryOptions(topK: 25)
        let one = ScanThreads(1)
        let expected = ExactSearch(threads: one).search(collection.snapshot, queries, options)
        #expect(expected.allSatisfy { $0.count == 25 })
        for kernel in VectorKernel.available {
            let found = ExactSearch(threads: one, kernel: kernel).search(collection.snapshot, queries, options)
            #expect(found == expected)
        }
        for threads in [2, 5, 16] {
            let search = ExactSearch(threads: ScanThreads(threads))
            #expect(search.search(collection.snapshot, queries, options) == expected)
        }
    }

    /// Section 3: scores of vectors whose products do not fit a float.
    @Test(arguments: VectorMetric.allCases)
    func extremeVectorsHaveFiniteAndCorrectScores(metric: VectorMetric) throws {
        let (store, model) = (InMemoryVectorStore(), ModelVectorStore())
        let scales: [Float] = [
            0, Float.leastNonzeroMagnitude, 0x1p-126, 1e-30, 1e-20, 1e-10, 1, 1e10, 1e18, 1e20, 1e30, 1e38,
        ]
        let directions: [[Float]] = [[1, 0, 0], [0.6, 0.8, 0], [-1, 0, 0], [0, 0, 1], [0.5, -0.5, 0.25]]
        var records: [VectorRecord] = []
        for scale in scales {
            for direction in directions {
                records.append(VectorRecord(id: "\(records.count)", vector: direction.map { $0 * scale }))
            }
        }
        let create = CreateCollectionRequest(collection: CollectionDescription(name: "c", dimension: 3, metric: metric))
        for store in [store, model] as [any VectorStorePort] {
            try store.createCollection(create)
            try store.upsert(UpsertRequest(collection: "c", records: records))
        }
        for query in records.map(\.vector) {
            let request = QueryRequest(collection: "c", vector: query, options: QueryOptions(topK: .max))
            let found = try store.query(request)
            #expect(found.count == records.count)
            let expected = Dictionary(uniqueKeysWithValues: try model.query(request).map { ($0.id, $0.score) })
            for answer in found {
                #expect(answer.score.isFinite)
                let wanted = max(-.greatestFiniteMagnitude, min(.greatestFiniteMagnitude, expected[answer.id] ?? .nan))
                let close = abs(answer.score - wanted) <= max(abs(wanted) * 1e-5, 10 * .leastNonzeroMagnitude)
                #expect(close || (metric == .cosine && abs(answer.score - wanted) < 1e-6))
            }
        }
    }

    @Test func tiesAreCutById() throws {
        let repository = try VectorRepository(InMemoryVectorStore(), "c", dimension: 2)
        let ids = (0..<500).map { "t\($0)" }.shuffled()
        try repository.upsert(ids.enumerated().map { VectorRecord(id: $1, vector: [Float($0 % 49 + 1), 0]) })
        let found = try repository.query([7, 0], topK: 20)
        #expect(found.map(\.id) == Array(ids.sorted().prefix(20)))
        #expect(found.allSatisfy { $0.score == 1 })
    }

    @Test func aComponentThatIsNotFiniteIsFoundWhereverItIs() {
        let (most, least) = (Float.greatestFiniteMagnitude, Float.leastNonzeroMagnitude)
        let extremes = [0, -0.0, most, -most, least, -least]
        for count in 0..<70 {
            let vector = (0..<count).map { extremes[$0 % extremes.count] }
            #expect(vector.isFinite)
            for place in 0..<count {
                for component in [Float.infinity, -.infinity, .nan, -.nan, .signalingNaN] {
                    var vector = vector
                    vector[place] = component
                    #expect(!vector.isFinite)
                }
            }
        }
    }

    /// Section 6: no trap on any input, also without a repository in front.
    @Test func aBareStoreIsSafe() throws {
        let store = InMemoryVectorStore(threads: -5)
        for dimension in [0, -1, .min, .max, 1 << 21] {
            expect(.invalidArgument) {
                try store.createCollection(
                    CreateCollectionRequest(
                        collection: CollectionDescription(name: "", dimension: dimension, metric: .dot)))
            }
        }
        try store.createCollection(
            CreateCollectionRequest(collection: CollectionDescription(name: "", dimension: 2, metric: .dot)))
        for vector in [[], [1], [1, 2, 3], [1, .nan], [.infinity, 0]] as [[Float]] {
            expect(.invalidVector) { _ = try store.query(QueryRequest(collection: "", vector: vector)) }
            expect(.invalidVector) {
                try store.upsert(
                    UpsertRequest(
                        collection: "",
                        records: [VectorRecord(id: "good", vector: [1, 2]), VectorRecord(id: "", vector: vector)]))
            }
        }
        #expect(try store.count(CountRequest(collection: "")) == 0)
        let twice = [VectorRecord(id: "a", vector: [1, 2]), VectorRecord(id: "a", vector: [3, 4])]
        try store.upsert(UpsertRequest(collection: "", records: twice))
        #expect(try store.fetch(FetchRequest(collection: "", ids: ["a", "b"])).map(\.vector) == [[3, 4]])
        #expect(try store.delete(DeleteRequest(collection: "", ids: ["a", "a"])) == 1)
        #expect(try store.queryBatch(QueryBatchRequest(collection: "", vectors: [])).isEmpty)
        expect(.invalidArgument) {
            _ = try store.scan(ScanRequest(collection: "", pageSize: 1, cursor: ScanCursor(1)))
        }
        for operation in ["query", "fetch", "scan"] {
            expect(.collectionNotFound) {
                switch operation {
                case "query": _ = try store.query(QueryRequest(collection: "no", vector: []))
                case "fetch": _ = try store.fetch(FetchRequest(collection: "no", ids: []))
                default: _ = try store.scan(ScanRequest(collection: "no", pageSize: 1))
                }
            }
        }
    }

    final class Flag: Sendable {
        private let value = Mutex(false)
        var isSet: Bool { value.withLock { $0 } }
        func set() { value.withLock { $0 = true } }
    }

    /// Section 6: an upsert is atomic, and a scan is of one moment.
    @Test func readersSeeWholeUpsertsWhileAWriterRuns() async throws {
        let store = InMemoryVectorStore(threads: 2)
        try store.createCollection(
            CreateCollectionRequest(collection: CollectionDescription(name: "c", dimension: 1, metric: .dot)))
        let ids = (0..<100).map { "r\($0)" }
        @Sendable func write(_ generation: Int) throws {
            let records = ids.map {
                VectorRecord(id: $0, vector: [Float(generation)], payload: ["g": .int(Int64(generation))])
            }
            try store.upsert(UpsertRequest(collection: "c", records: records))
        }
        try write(1)
        let isOver = Flag()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for generation in 2..<300 {
                    try write(generation)
                    if generation % 50 == 0 {
                        _ = try store.deleteMatching(DeleteMatchingRequest(collection: "c", filter: ["none": 1]))
                    }
                }
                isOver.set()
            }
            for reader in 0..<3 {
                group.addTask {
                    while !isOver.isSet {
                        switch reader {
                        case 0:
                            let found = try store.query(
                                QueryRequest(collection: "c", vector: [1], options: QueryOptions(topK: .max)))
                            #expect(found.count == 100 && Set(found.map(\.score)).count == 1)
                        case 1:
                            let found = try store.fetch(FetchRequest(collection: "c", ids: ids))
                            #expect(found.count == 100 && Set(found.map(\.vector)).count == 1)
                        default:
                            var request = ScanRequest(collection: "c", pageSize: 9)
                            var found: [VectorRecord] = []
                            repeat {
                                let page = try store.scan(request)
                                found += page.records
                                request.cursor = page.next
                                await Task.yield()
                            } while request.cursor != nil
                            #expect(found.count == 100 && Set(found.map(\.vector)).count == 1)
                        }
                        await Task.yield()
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func deadRowsGiveTheirMemoryBack() throws {
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 4, metric: .l2))
        for round in 0..<200 {
            try collection.upsert(
                (0..<500).map { VectorRecord(id: "r\($0)", vector: [Float(round), 0, 0, Float($0)]) })
        }
        let snapshot = collection.snapshot
        #expect(snapshot.liveCount == 500)
        #expect(snapshot.parts.reduce(0) { $0 + $1.count } <= 500 * 9 / 8 + 512)
        #expect(try collection.delete(matching: [:]) == 500)
        #expect(collection.snapshot.parts.isEmpty)
    }

    @Test func threadsShareTheCopyingOfManyVectors() throws {
        let dimension = 500
        let count = 3_000
        let vectors: [[Float]] = (0..<count).map { row in
            (0..<dimension).map { component -> Float in Float((row * 31 + component * 7) % 101) - 50 }
        }
        let records = vectors.enumerated().map { VectorRecord(id: "r\($0.offset)", vector: $0.element) }
        let description = CollectionDescription(name: "c", dimension: dimension, metric: .dot)
        let collection = InMemoryCollection(description)
        // Behind rows that are there, so that the first chunk is not empty.
        try collection.upsert(Array(records.prefix(10)))
        try collection.upsert(records, ScanThreads(3))
        let found = try collection.fetch(nil)
        #expect(found.count == count)
        for record in found {
            let row = try #require(Int(record.id.dropFirst()))
            #expect(record.vector == vectors[row])
        }
        let snapshot = collection.snapshot
        for part in snapshot.parts {
            for row in 0..<part.count {
                #expect(part.chunk.inverseNorm(row) == RowChunk.inverseNorm(of: part.chunk.vector(row)))
            }
        }
    }

    @Test func oneVectorThatDoesNotFitLeavesEverythingOutWhoeverCopies() throws {
        let dimension = 500
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: dimension, metric: .dot))
        try collection.upsert([VectorRecord(id: "first", vector: [Float](repeating: 1, count: dimension))])
        let good = (0..<3_000).map { VectorRecord(id: "r\($0)", vector: [Float](repeating: 2, count: dimension)) }
        for (place, vector) in [
            (2_999, [Float](repeating: .infinity, count: dimension)), (1_500, [Float](repeating: 3, count: 499)),
            (0, [Float](repeating: .nan, count: dimension)),
        ] {
            var records = good
            records[place] = VectorRecord(id: "bad", vector: vector)
            records[2_999].vector[0] = .nan
            for threads in [nil, ScanThreads(3)] {
                let error = #expect(throws: VectorStoreError.self) { try collection.upsert(records, threads) }
                #expect(error?.code == .invalidVector)
                // The first of those that do not fit, whichever thread came upon one first.
                #expect(error?.recordID == records[place].id)
                #expect(try collection.fetch(nil).map(\.id) == ["first"])
            }
        }
        try collection.upsert(good, ScanThreads(3))
        #expect(collection.snapshot.liveCount == 3_001)
    }
}
