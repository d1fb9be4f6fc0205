import MiniORM
import TestSupport
import Testing

/// The contract's section 2, where it does not depend on the engine: what a repository checks, defaults and orders.
@Suite struct RepositoryTests {
    @Test func contractExample() throws {
        let store = InMemoryVectorStore()
        let users = try VectorRepository(store, "users", dimension: 3, metric: .cosine)
        try users.upsert([VectorRecord(id: "u1", vector: [0.1, 0.2, 0.3], payload: ["name": "alice"])])
        let hits = try users.query([0.1, 0.2, 0.25], topK: 2, filter: ["name": "alice"])
        #expect(hits.map(\.id) == ["u1"])
    }

    @Test func contractExampleInTasks() async throws {
        let users = try await AsyncVectorRepository(InMemoryVectorStore(), "users", dimension: 3, metric: .cosine)
        try await users.upsert([VectorRecord(id: "u1", vector: [0.1, 0.2, 0.3], payload: ["name": "alice"])])
        let hits = try await users.query([0.1, 0.2, 0.25], topK: 2, filter: ["name": "alice"])
        #expect(hits.map(\.id) == ["u1"])
        var ids: [String] = []
        for try await record in try users.records() { ids.append(record.id) }
        #expect(ids == ["u1"])
    }

    @Test func restartWithTheSameArguments() throws {
        let store = InMemoryVectorStore()
        let first = try VectorRepository(store, "c", dimension: 2)
        try first.upsert([VectorRecord(id: "a", vector: [1, 0])])
        #expect(try VectorRepository(store, "c", dimension: 2).count() == 1)
        expect(.collectionMismatch) { _ = try VectorRepository(store, "c", dimension: 3) }
        expect(.collectionMismatch) { _ = try VectorRepository(store, "c", dimension: 2, metric: .dot) }
        expect(.collectionAlreadyExists) { try first.createCollection() }
        #expect(try VectorRepository(store, "c", dimension: 3, overwrite: true).count() == 0)
    }

    @Test func withoutAutoCreateNothingIsSent() throws {
        let store = InMemoryVectorStore()
        let repository = try VectorRepository(store, "c", dimension: 2, autoCreate: false)
        #expect(try repository.collectionExists() == false)
        expect(.collectionNotFound) { _ = try repository.describe() }
        expect(.collectionNotFound) { _ = try repository.query([1, 0]) }
        expect(.collectionNotFound) { try repository.dropCollection() }
        expect(.invalidArgument) {
            _ = try VectorRepository(store, "c", dimension: 2, autoCreate: false, overwrite: true)
        }
    }

    @Test func argumentsAreCheckedBeforeTheStoreIsAsked() throws {
        let store = RecordingStore()
        let repository = try VectorRepository(store, "c", dimension: 2)
        let good = VectorRecord(id: "good", vector: [1, 0])
        let bad: [(VectorStoreError.Code, VectorRecord)] = [
            (.invalidVector, VectorRecord(id: "x", vector: [1])),
            (.invalidVector, VectorRecord(id: "x", vector: [1, 0, 0])),
            (.invalidVector, VectorRecord(id: "x", vector: [1, .nan])),
            (.invalidVector, VectorRecord(id: "x", vector: [-.infinity, 0])),
            (.invalidIdentifier, VectorRecord(id: "", vector: [1, 0])),
            (.invalidIdentifier, VectorRecord(id: "a\0b", vector: [1, 0])),
            (.unsupportedPayload, VectorRecord(id: "x", vector: [1, 0], payload: ["n": .double(.nan)])),
            (.unsupportedPayload, VectorRecord(id: "x", vector: [1, 0], payload: ["n": [["m": .double(.infinity)]]])),
            (.unsupportedPayload, VectorRecord(id: "x", vector: [1, 0], payload: ["n": .rich(.calendarDate("x"))])),
            (.unsupportedPayload, VectorRecord(id: "x", vector: [1, 0], payload: ["n": nested(65)])),
        ]
        for (code, record) in bad {
            let error = expect(code) { try repository.upsert([good, record]) }
            #expect(error?.recordID == (record.id.isEmpty ? nil : record.id))
            #expect(error?.collection == "c" && error?.store == "recording")
        }
        expect(.invalidVector) { _ = try repository.query([1]) }
        expect(.invalidVector) { _ = try repository.queryBatch([[1, 0], [.nan, 0]]) }
        expect(.invalidVector) { _ = try repository.query([1], topK: 0) }
        expect(.invalidArgument) { _ = try repository.query([1, 0], minScore: .nan) }
        expect(.invalidIdentifier) { _ = try repository.fetch(["a", ""]) }
        expect(.invalidIdentifier) { try repository.delete(["a\0"]) }
        expect(.invalidArgument) { _ = try repository.records(pageSize: 0) }
        expect(.unsupportedFilter) { _ = try repository.count(matching: .field("n") == .double(.nan)) }
        expect(.unsupportedFilter) { _ = try repository.count(matching: .field("n").in([.rich(.calendarDate("x"))])) }
        expect(.unsupportedFilter) { _ = try repository.count(matching: (0..<65).reduce([:]) { filter, _ in !filter }) }
        expect(.invalidCollectionName) { _ = try VectorRepository(store, "", dimension: 2) }
        expect(.invalidCollectionName) { _ = try VectorRepository(store, "a\0b", dimension: 2) }
        expect(.invalidArgument) { _ = try VectorRepository(store, "c", dimension: 0) }
        #expect(store.calls == ["create"])
        try repository.upsert([VectorRecord(id: "x", vector: [1, 0], payload: ["n": nested(63)])])
        #expect(store.calls == ["create", "upsert"])
    }

    @Test func emptyCallsAreNotSent() throws {
        let store = RecordingStore()
        let repository = try VectorRepository(store, "c", dimension: 2)
        try repository.upsert([])
        #expect(try repository.query([1, 0], topK: 0).isEmpty)
        #expect(try repository.query([1, 0], topK: -1).isEmpty)
        #expect(try repository.queryBatch([[1, 0], [0, 1]], topK: 0) == [[], []])
        #expect(try repository.queryBatch([]).isEmpty)
        #expect(try repository.fetch([]).isEmpty)
        #expect(try repository.delete([]) == 0)
        #expect(store.calls == ["create"])
    }

    @Test func theLastOfTwoRecordsWithOneIdWins() throws {
        let store = InMemoryVectorStore()
        let repository = try VectorRepository(store, "c", dimension: 1)
        try repository.upsert([
            VectorRecord(id: "a", vector: [1], payload: ["n": 1]), VectorRecord(id: "b", vector: [2]),
            VectorRecord(id: "a", vector: [3], payload: ["m": 2]),
        ])
        #expect(
            try repository.fetch() == [
                VectorRecord(id: "a", vector: [3], payload: ["m": 2]), VectorRecord(id: "b", vector: [2]),
            ])
    }

    @Test func idsAreComparedByTheirBytes() throws {
        let repository = try VectorRepository(InMemoryVectorStore(), "c", dimension: 1)
        let (one, two) = ("caf\u{E9}", "cafe\u{301}")
        #expect(one == two)
        try repository.upsert([VectorRecord(id: one, vector: [1]), VectorRecord(id: two, vector: [2])])
        #expect(try repository.count() == 2)
        #expect(try repository.fetch([two, one, two]).map(\.vector) == [[2], [1], [2]])
        #expect(try repository.delete([one, one]) == 1)
        #expect(try repository.fetch().map(\.vector) == [[2]])
    }

    @Test func uuidPolicy() throws {
        let store = RecordingStore(idPolicy: .uuid)
        let repository = try VectorRepository(store, "c", dimension: 1)
        for id in [
            "", "u1", "123e4567-e89b-12d3-a456-42661417400", "123e4567-e89b-12d3-a456-42661417400g",
            "123e4567e89b12d3a456426614174000",
        ] {
            expect(.invalidIdentifier) { try repository.upsert([VectorRecord(id: id, vector: [1])]) }
        }
        try repository.upsert([VectorRecord(id: "123e4567-E89B-12d3-a456-426614174000", vector: [1])])
        #expect(store.calls == ["create", "upsert"])
    }

    @Test func aStoreWithFiveCallsDoesAll() async throws {
        let store = FiveCalls()
        let repository = try VectorRepository(store, "c", dimension: 1, metric: .dot)
        try repository.upsert(
            (0..<10).map { VectorRecord(id: "r\($0)", vector: [Float($0)], payload: ["n": .int($0)]) })
        #expect(try repository.queryBatch([[1], [-1]], topK: 1).map { $0.map(\.id) } == [["r9"], ["r0"]])
        #expect(try repository.count(matching: .field("n") < 3) == 3)
        #expect(try repository.records(matching: .field("n") > 2, pageSize: 2).map { try $0.get() }.count == 7)
        #expect(try repository.delete(matching: .field("n") < 3) == 3)
        #expect(try repository.collectionExists())
        #expect(try repository.describe() == CollectionDescription(name: "c", dimension: 1, metric: .dot))
        expect(.invalidArgument) { _ = try repository.listCollections() }
        expect(.invalidArgument) { try repository.dropCollection() }
        #expect(try repository.explain(["n": 1]) == FilterPlan(pushedDown: nil, finished: ["n": 1], native: ""))
    }

    @Test func anOperationThatIsDeclaredAndMissingThrows() throws {
        let store = FiveCalls(declared: .all)
        let repository = try VectorRepository(store, "c", dimension: 1)
        expect(.backend) { _ = try repository.count() }
        expect(.backend) { _ = try repository.queryBatch([[1]]) }
        expect(.backend) { try repository.delete(matching: [:]) }
        expect(.backend) { _ = try repository.describe() }
        expect(.backend) { _ = try repository.listCollections() }
        expect(.backend) { try repository.dropCollection() }
        expect(.backend) { _ = try repository.explain([:]) }
        expect(.backend) { _ = try repository.records().map { try $0.get() } }
        expect(.backend) { try store.close() }
    }
}

/// Arrays within arrays, `depth` levels.
private func nested(_ depth: Int) -> PayloadValue {
    (0..<depth).reduce(1) { value, _ in .array([value]) }
}
