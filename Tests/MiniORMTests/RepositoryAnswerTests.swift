import MiniORM
import TestSupport
import Testing

/// A store that answers what it is told to.
private struct AnsweringStore: VectorStorePort {
    var results: [VectorSearchResult] = []
    var batch: [[VectorSearchResult]] = []
    /// Its pages; `nil` is one that cannot be read.
    var pages: [[VectorRecord]?] = []

    let name = "answering"
    var capabilities: StoreCapabilities {
        var capabilities = StoreCapabilities()
        capabilities.nativeOperations = [.queryBatch, .scan]
        return capabilities
    }
    func createCollection(_ request: CreateCollectionRequest) {}
    func upsert(_ request: UpsertRequest) {}
    func query(_ request: QueryRequest) -> [VectorSearchResult] { results }
    func queryBatch(_ request: QueryBatchRequest) -> [[VectorSearchResult]] { batch }
    func fetch(_ request: FetchRequest) -> [VectorRecord] { pages.compactMap { $0 }.flatMap { $0 } }
    func delete(_ request: DeleteRequest) -> Int { 0 }
    func scan(_ request: ScanRequest) throws(VectorStoreError) -> ScanPage {
        let number = request.cursor?.state as? Int ?? 0
        guard let page = pages[number] else { throw VectorStoreError(.timeout, "the page did not come") }
        return ScanPage(records: page, next: number + 1 < pages.count ? ScanCursor(number + 1) : nil)
    }
}

/// A codec of somebody's, which makes of a payload or a filter what no store takes.
private struct HostileCodec: VectorPayloadCodec {
    let value: PayloadValue
    var levels = 0

    func encode(_ payload: [String: PayloadValue]) -> [String: PayloadValue] { payload.mapValues { _ in value } }
    func decode(_ payload: [String: PayloadValue]) -> [String: PayloadValue] { payload }
    func encode(_ filter: VectorFilter) -> VectorFilter {
        (0..<levels).reduce(.field("k") == value) { filter, _ in .not(filter) }
    }
}

/// The contract's sections 2 and 6: what a repository does to what a store answers, whatever the store.
@Suite struct RepositoryAnswerTests {
    private func hit(_ id: String, _ score: Float, vector: [Float]? = nil) -> VectorSearchResult {
        VectorSearchResult(id: id, score: score, payload: ["id": .string(id)], vector: vector)
    }

    private func repository(_ store: AnsweringStore) throws -> VectorRepository {
        try VectorRepository(store, "c", dimension: 1, payloadCodec: JsonVectorPayloadCodec())
    }

    @Test func answersAreOrderedAndCut() throws {
        let store = AnsweringStore(
            results: [hit("b", 1), hit("z", 3), hit("e\u{301}", 1), hit("\u{e9}", 1), hit("B", 1), hit("c", 2)])
        let repository = try repository(store)
        #expect(
            try repository.query([1]).map { Array($0.id.unicodeScalars) }
                == ["z", "c", "B", "b", "e\u{301}", "\u{e9}"].map { Array($0.unicodeScalars) })
        #expect(try repository.query([1], topK: 2).map(\.id) == ["z", "c"])
    }

    @Test func lowScoresAreLeftOutAndTheLeastOneStays() throws {
        let repository = try repository(AnsweringStore(results: [hit("a", 0.5), hit("b", 0.25), hit("c", 0.125)]))
        #expect(try repository.query([1], minScore: 0.25).map(\.id) == ["a", "b"])
        #expect(try repository.query([1], minScore: Float(0.5).nextUp).isEmpty)
    }

    @Test func aScoreBeyondAFloatIsTheLargest() throws {
        let repository = try repository(AnsweringStore(results: [hit("b", .infinity), hit("a", -.infinity)]))
        let most = Float.greatestFiniteMagnitude
        #expect(try repository.query([1], minScore: -most).map(\.score) == [most, -most])
    }

    @Test func vectorsComeOnlyWhereTheyWereAskedFor() throws {
        let repository = try repository(AnsweringStore(results: [hit("a", 1, vector: [7])]))
        #expect(try repository.query([1]).map(\.vector) == [nil])
        #expect(try repository.query([1], includeVectors: true).map(\.vector) == [[7]])
    }

    @Test(arguments: [Float.nan, -Float.nan, Float.signalingNaN])
    func aScoreThatIsNoNumberIsTheStoresFault(_ score: Float) throws {
        let store = AnsweringStore(results: [hit("a", 1), hit("b", score)], batch: [[hit("b", score)]])
        let repository = try repository(store)
        let error = expect(.backend) { _ = try repository.query([1]) }
        #expect(error?.recordID == "b" && error?.store == "answering" && error?.collection == "c")
        expect(.backend) { _ = try repository.queryBatch([[1]]) }
    }

    @Test func aBatchHasAnAnswerToEachQuery() throws {
        let repository = try repository(AnsweringStore(batch: [[hit("b", 1), hit("a", 1)], [hit("c", 1)]]))
        expect(.backend) { _ = try repository.queryBatch([[1]]) }
        expect(.backend) { _ = try repository.queryBatch([[1], [2], [3]]) }
        #expect(try repository.queryBatch([[1], [2]], topK: 1).map { $0.map(\.id) } == [["a"], ["c"]])
    }

    /// A distance of zero has either sign, depending on the engine.
    @Test func zeroHasOneSign() async throws {
        let store = AnsweringStore(results: [hit("b", -0.0), hit("a", 0)], batch: [[hit("a", -0.0)]])
        let found = try repository(store).query([1])
        #expect(found.map(\.id) == ["a", "b"])
        #expect(found.allSatisfy { $0.score.bitPattern == 0 })
        #expect(try repository(store).queryBatch([[1]])[0].map(\.score.bitPattern) == [0])
        let memory = try await AsyncVectorRepository(InMemoryVectorStore(), "c", dimension: 2, metric: .l2)
        try await memory.upsert([VectorRecord(id: "a", vector: [1, 2])])
        #expect(try await memory.query([1, 2]).map(\.score.bitPattern) == [0])
    }

    private static let broken = "__miniorm_json__:{"

    private func record(_ id: String, isBroken: Bool = false) -> VectorRecord {
        VectorRecord(id: id, vector: [1], payload: ["k": .string(isBroken ? Self.broken : "good")])
    }

    @Test func aMalformedRecordFailsTheCallAndIsNamed() throws {
        var bad = hit("bad", 0.5)
        bad.payload = ["k": .string(Self.broken)]
        let repository = try repository(
            AnsweringStore(
                results: [hit("a", 1), bad], batch: [[hit("a", 1)], [bad]],
                pages: [[record("a"), record("bad", isBroken: true)]]))
        let errors = [
            expect(.payloadDecoding) { _ = try repository.query([1]) },
            expect(.payloadDecoding) { _ = try repository.queryBatch([[1], [1]]) },
            expect(.payloadDecoding) { _ = try repository.fetch() },
        ]
        for error in errors { #expect(error?.recordID == "bad" && error?.message.contains("\"k\"") == true) }
        // What is cut off is not decoded.
        #expect(try repository.query([1], topK: 1).map(\.id) == ["a"])
    }

    private var pages: [[VectorRecord]?] {
        [
            [record("a"), record("bad", isBroken: true), record("b")], [], [record("worse", isBroken: true)],
            [record("c")], nil, [record("never")],
        ]
    }

    private static let expected = ["a", "payloadDecoding bad", "b", "payloadDecoding worse", "c", "timeout none"]

    private func shown(_ result: Result<VectorRecord, VectorStoreError>) -> String {
        switch result {
        case .success(let record): record.id
        case .failure(let error): "\(error.code.rawValue) \(error.recordID ?? "none")"
        }
    }

    /// The sequence goes on past a malformed record, and ends with a page that cannot be read.
    @Test func recordsGoOnPastAMalformedOne() throws {
        #expect(try repository(AnsweringStore(pages: pages)).records().map(shown) == Self.expected)
    }

    @Test func recordsGoOnPastAMalformedOneInTasks() async throws {
        let repository = try await AsyncVectorRepository(
            AnsweringStore(pages: pages), "c", dimension: 1, payloadCodec: JsonVectorPayloadCodec())
        var iterator = try repository.records().makeAsyncIterator()
        var found: [String] = []
        while found.count < 20 {
            do throws(VectorStoreError) {
                guard let record = try await iterator.next() else { break }
                found.append(shown(.success(record)))
            } catch { found.append(shown(.failure(error))) }
        }
        #expect(found == Self.expected)
    }

    /// What a codec makes of a payload or a filter is held to what was asked of these.
    @Test func whatACodecMakesIsCheckedToo() throws {
        let deep = (0..<65).reduce(PayloadValue.int(1)) { value, _ in [value] }
        let store = RecordingStore()
        for value in [deep, .double(.nan), [["a": .double(.infinity)]], .rich(.calendarDate("2026-11-23"))] {
            let repository = try VectorRepository(
                store, "c", dimension: 1, payloadCodec: HostileCodec(value: value))
            let error = expect(.unsupportedPayload) {
                try repository.upsert([VectorRecord(id: "x", vector: [1], payload: ["k": 1])])
            }
            #expect(error?.recordID == "x")
            expect(.unsupportedFilter) { _ = try repository.count(matching: ["k": 1]) }
        }
        let wrapping = try VectorRepository(
            store, "c", dimension: 1, payloadCodec: HostileCodec(value: 1, levels: 65))
        expect(.unsupportedFilter) { _ = try wrapping.query([1], filter: ["k": 1]) }
        expect(.unsupportedFilter) { _ = try wrapping.delete(matching: ["k": 1]) }
        #expect(Set(store.calls) == ["create"])
    }

    /// Scores stay within the contract's 1e-4 up to the longest vector, and longer ones are refused.
    @Test(arguments: VectorMetric.allCases)
    func theLongestVectorsHaveExactScores(_ metric: VectorMetric) throws {
        let dimension = 65_536
        let store = InMemoryVectorStore()
        #expect(store.capabilities.maximumDimension == dimension)
        expect(.invalidArgument) { _ = try VectorRepository(store, "c", dimension: dimension + 1, metric: metric) }
        expect(.invalidArgument) {
            try store.createCollection(
                CreateCollectionRequest(
                    collection: CollectionDescription(name: "c", dimension: dimension + 1, metric: metric)))
        }
        let repository = try VectorRepository(store, "c", dimension: dimension, metric: metric)
        // Equal components round the same way at every step: the worst case, or nearly.
        let values: [Float] = [0.1, 0.3, 0.7, 1.1, 0.333_333_34, 3.3]
        try repository.upsert(
            values.enumerated().map { number, value in
                VectorRecord(id: "\(number)", vector: [Float](repeating: value, count: dimension))
            })
        for query: Float in [0.1, 0.9, 1.7] {
            for found in try repository.query([Float](repeating: query, count: dimension)) {
                let value = Double(values[Int(found.id) ?? 0])
                let expected =
                    switch metric {
                    case .cosine: 1.0
                    case .dot: Double(query) * value * Double(dimension)
                    case .l2: -(Double(query) - value).magnitude * Double(dimension).squareRoot()
                    }
                #expect((Double(found.score) - expected).magnitude <= 1e-4 * expected.magnitude)
            }
        }
    }
}
