import Foundation
import MiniORMConformance
import Synchronization
import Testing

@testable import MiniORM

/// The embedded store in a directory: section 6 of the contract for what outlives a process.
@Suite struct DurableStoreTests {
    typealias Random = InMemoryStoreTests.Random

    static let collection = CreateCollectionRequest(
        collection: CollectionDescription(name: "c", dimension: 5, metric: .l2), mode: .ensure)

    static func sorted(_ store: some VectorStorePort, _ collection: String = "c") throws -> [VectorRecord] {
        try store.fetch(FetchRequest(collection: collection, ids: nil)).sorted { UTF8Key($0.id) < UTF8Key($1.id) }
    }

    /// One call of the store and the same of the model.
    static func step(_ store: some VectorStorePort, _ model: some VectorStorePort, _ random: inout Random) throws {
        switch Int.random(in: 0..<12, using: &random) {
        case 0..<6:
            let records = (0..<Int.random(in: 1..<60, using: &random)).map { _ in
                InMemoryStoreTests.record("id\(Int.random(in: 0..<500, using: &random))", dimension: 5, &random)
            }
            try store.upsert(UpsertRequest(collection: "c", records: records))
            try model.upsert(UpsertRequest(collection: "c", records: records))
        case 6..<8:
            let ids = (0..<Int.random(in: 0..<30, using: &random)).map { _ in
                "id\(Int.random(in: 0..<500, using: &random))"
            }
            let request = DeleteRequest(collection: "c", ids: ids)
            #expect(try store.delete(request) == model.delete(request))
        case 8:
            let request = DeleteMatchingRequest(
                collection: "c", filter: .field("n") == .int(.random(in: 0..<4, using: &random)))
            if Int.random(in: 0..<4, using: &random) == 0 {
                #expect(try store.deleteMatching(request) == model.deleteMatching(request))
            }
        case 9:
            var request = collection
            if Int.random(in: 0..<10, using: &random) == 0 { request.mode = .overwrite }
            try store.createCollection(request)
            try model.createCollection(request)
        default:
            let ids = (0..<20).map { _ in "id\(Int.random(in: 0..<500, using: &random))" }
            let request = FetchRequest(collection: "c", ids: ids)
            #expect(try store.fetch(request) == model.fetch(request))
        }
    }

    /// Restarts and checkpoints at any moment change no answer.
    @Test(arguments: 0..<6) func restartsAnswerAsTheModel(seed: UInt64) throws {
        let folder = try SavingTests.Folder()
        var random = Random(state: seed)
        let model = ModelVectorStore()
        try model.createCollection(Self.collection)
        for _ in 0..<12 {
            let store = try InMemoryVectorStore(at: folder.path("store"))
            try store.createCollection(Self.collection)
            #expect(try Self.sorted(store) == Self.sorted(model))
            for _ in 0..<Int.random(in: 0..<40, using: &random) {
                try Self.step(store, model, &random)
                if Int.random(in: 0..<20, using: &random) == 0 { try store.checkpoint() }
            }
            #expect(try Self.sorted(store) == Self.sorted(model))
            let query = QueryRequest(
                collection: "c", vector: [1, 2, 0, -1, 1], options: QueryOptions(topK: 30, filter: .field("n") >= 1))
            #expect(try store.query(query).map(\.id) == model.query(query).map(\.id))
            if Bool.random(using: &random) { try store.close() }
        }
    }

    @Test(arguments: ConformanceCheck.all)
    func conforms(_ check: ConformanceCheck) async throws {
        try await check(DirectoryHarness(checkpoints: false), undeclared: ["idPolicy .uuid"])
    }

    @Test(arguments: ConformanceCheck.all)
    func conformsWithCheckpoints(_ check: ConformanceCheck) async throws {
        try await check(DirectoryHarness(checkpoints: true), undeclared: ["idPolicy .uuid"])
    }

    /// Ids, payloads and numbers of every kind, from the log and from a data file.
    @Test(arguments: [false, true]) func everyValueIsKept(checkpoint: Bool) throws {
        let folder = try SavingTests.Folder()
        let sample = try SavingTests.sample()
        let store = try InMemoryVectorStore(at: folder.path("a/b/store"))
        for name in try sample.listCollections() {
            let description = try #require(try sample.describeCollection(name))
            try store.createCollection(CreateCollectionRequest(collection: description))
            let records = try sample.fetch(FetchRequest(collection: name, ids: nil))
            try store.upsert(UpsertRequest(collection: name, records: records))
        }
        if checkpoint { try store.checkpoint() }
        try store.close()
        let opened = try InMemoryVectorStore(at: folder.path("a/b/store"))
        #expect(try SavingTests.contents(opened) == SavingTests.contents(sample))
        #expect(opened.openingReport?.replayedCalls == (checkpoint ? 0 : 5))
        #expect(opened.capabilities.isPersistent)
        let request = QueryRequest(collection: "first", vector: [1, 2, 2], options: QueryOptions(topK: 9))
        #expect(try opened.query(request) == sample.query(request))
        // The store is exported to one file as any other.
        try opened.save(to: folder.path("exported"))
        #expect(
            try SavingTests.contents(InMemoryVectorStore(opening: folder.path("exported")))
                == SavingTests.contents(sample))
    }
}

private final class DirectoryHarness: ConformanceHarness {
    private let folder: SavingTests.Folder
    private let checkpoints: Bool
    private let count = Mutex(0)

    init(checkpoints: Bool) throws {
        folder = try SavingTests.Folder()
        self.checkpoints = checkpoints
    }

    private var path: String { folder.path("store-\(count.withLock { $0 })") }

    func makeStore() async throws -> ConformanceStore {
        count.withLock { $0 += 1 }
        return .blocking(try InMemoryVectorStore(at: path))
    }

    func reopen(_ store: ConformanceStore) async throws -> ConformanceStore? {
        guard case .blocking(let blocking) = store, let memory = blocking as? InMemoryVectorStore else { return nil }
        if checkpoints { try memory.checkpoint() }
        // The kit goes on writing to the first one.
        return .blocking(try InMemoryVectorStore(at: path, readOnly: true))
    }
}
