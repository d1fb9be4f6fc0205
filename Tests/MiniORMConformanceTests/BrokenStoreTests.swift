import MiniORM
import MiniORMConformance
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The kit can fail: each of these stores is wrong in one way, and the check named beside it says so.
@Suite struct BrokenStoreTests {
    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let check: String
        let store: @Sendable () -> ConformanceStore

        init(_ description: String, caughtBy check: String, _ breaking: @escaping @Sendable (inout BrokenStore) -> Void)
        {
            self.init(description, caughtBy: check) { .blocking(BrokenStore(breaking)) }
        }

        init(_ description: String, caughtBy check: String, store: @escaping @Sendable () -> ConformanceStore) {
            testDescription = description
            self.check = check
            self.store = store
        }
    }

    static let faults: [Fault] = [
        Fault("the score's sign is flipped", caughtBy: "l2 scores are those of double arithmetic") {
            $0.search = { base, request throws(VectorStoreError) in
                try base.query(request).map { hit in
                    VectorSearchResult(id: hit.id, score: -hit.score, payload: hit.payload, vector: hit.vector)
                }
            }
        },
        Fault("the distance is squared", caughtBy: "l2 scores are those of double arithmetic") {
            $0.search = { base, request throws(VectorStoreError) in
                let isL2 = try base.describeCollection(request.collection)?.metric == .l2
                return try base.query(request).map { hit in
                    let score = isL2 ? -hit.score * hit.score : hit.score
                    return VectorSearchResult(id: hit.id, score: score, payload: hit.payload, vector: hit.vector)
                }
            }
        },
        Fault("the filter is dropped", caughtBy: "random filters match what the specification matches") {
            $0.search = { base, request throws(VectorStoreError) in
                var request = request
                request.options.filter = nil
                return try base.query(request)
            }
        },
        Fault(
            "the filter comes after the cut",
            caughtBy: "a filter that one record in a hundred matches is filled up to topK"
        ) {
            $0.search = { base, request throws(VectorStoreError) in
                var wide = request
                wide.options.filter = nil
                return try base.query(wide).filter { request.options.filter?.matches($0.payload) ?? true }
            }
        },
        Fault("payloads are merged", caughtBy: "upsert replaces whole records") {
            $0.write = { base, request throws(VectorStoreError) in
                var request = request
                for index in request.records.indices {
                    let record = request.records[index]
                    let old = try base.fetch(FetchRequest(collection: request.collection, ids: [record.id])).first
                    guard let payload = record.payload, let before = old?.payload else { continue }
                    request.records[index].payload = before.merging(payload) { $1 }
                }
                try base.upsert(request)
            }
        },
        Fault("ties are cut in the wrong order", caughtBy: "ties are ordered by id, at the cut too") {
            $0.search = { base, request throws(VectorStoreError) in
                var all = request
                all.options.topK = 10_000
                let hits = try base.query(all).sorted { $0.score != $1.score ? $0.score > $1.score : $0.id > $1.id }
                return Array(hits.prefix(max(0, request.options.topK)))
            }
        },
        Fault(
            "fetch gives the records in the order asked for each other's ids",
            caughtBy: "fetch answers in the order asked for"
        ) {
            $0.read = { base, request throws(VectorStoreError) in
                let records = try base.fetch(request).sorted { $0.id < $1.id }
                guard request.ids != nil else { return records }
                return zip(records, records.reversed()).map {
                    VectorRecord(id: $0.id, vector: $1.vector, payload: $1.payload)
                }
            }
        },
        Fault("fetch finds only the first page", caughtBy: "fetch of nil is every record, ordered by id") {
            $0.read = { base, request throws(VectorStoreError) in Array(try base.fetch(request).prefix(100)) }
        },
        Fault(
            "fetch of no id forgets the missing collection", caughtBy: "a bare port says that a collection is missing"
        ) {
            $0.read = { base, request throws(VectorStoreError) in
                request.ids?.isEmpty == true ? [] : try base.fetch(request)
            }
        },
        Fault("delete counts the ids", caughtBy: "delete counts what was there, repeats once") {
            $0.remove = { base, request throws(VectorStoreError) in
                _ = try base.delete(request)
                return request.ids.count
            }
        },
        Fault("integers become doubles", caughtBy: "types come back, 1 is not 1.0") {
            $0.write = { base, request throws(VectorStoreError) in
                try base.upsert(
                    request.mapping { record in
                        record.payload = record.payload?.mapValues { value in
                            if case .int(let number) = value { .double(Double(number)) } else { value }
                        }
                    })
            }
        },
        Fault("an empty payload becomes none", caughtBy: "an empty payload is not a missing one") {
            $0.write = { base, request throws(VectorStoreError) in
                try base.upsert(request.mapping { if $0.payload?.isEmpty == true { $0.payload = nil } })
            }
        },
        Fault("null members are dropped", caughtBy: "types come back, 1 is not 1.0") {
            $0.write = { base, request throws(VectorStoreError) in
                try base.upsert(request.mapping { $0.payload = $0.payload?.filter { !$0.value.isNull } })
            }
        },
        Fault("text ends at NUL", caughtBy: "text comes back byte for byte") {
            $0.write = { base, request throws(VectorStoreError) in
                try base.upsert(
                    request.mapping { record in
                        record.payload = record.payload?.mapValues { value in
                            guard case .string(let text) = value else { return value }
                            return .string(String(text.unicodeScalars.prefix { $0.value != 0 }))
                        }
                    })
            }
        },
        Fault("a batch answers in reverse", caughtBy: "a batch answers as its queries one by one") {
            $0.declared = .queryBatch
            $0.batch = { base, request throws(VectorStoreError) in try base.queryBatch(request).reversed() }
        },
        Fault(
            "ids are folded by canonical equivalence", caughtBy: "ids that differ only in normalisation are two records"
        ) {
            $0.write = { base, request throws(VectorStoreError) in
                let present = try base.fetch(FetchRequest(collection: request.collection, ids: nil)).map(\.id)
                var byID: [String: String] = [:]
                for id in present { byID[id] = id }
                try base.upsert(
                    request.mapping { record in
                        if let known = byID[record.id] { record.id = known } else { byID[record.id] = record.id }
                    })
            }
        },
        Fault("ensure ignores another dimension", caughtBy: "opening with another dimension is a mismatch") {
            $0.create = { base, request throws(VectorStoreError) in
                do throws(VectorStoreError) { try base.createCollection(request) } catch {
                    if error.code != .collectionMismatch { throw error }
                }
            }
        },
        Fault("ensure empties the collection", caughtBy: "opening again with the same arguments keeps the data") {
            $0.create = { base, request throws(VectorStoreError) in
                var request = request
                if request.mode == .ensure { request.mode = .overwrite }
                try base.createCollection(request)
            }
        },
        Fault("vectors are rounded", caughtBy: "a fetched vector equals the stored one") {
            $0.write = { base, request throws(VectorStoreError) in
                try base.upsert(
                    request.mapping {
                        $0.vector = $0.vector.map { Float(Int16(clamping: Int(clamping($0) * 1000))) / 1000 }
                    })
            }
        },
        Fault("long names are cut", caughtBy: "portable names work and stay apart") {
            $0.create = { base, request throws(VectorStoreError) in
                var request = request
                request.collection.name = String(request.collection.name.prefix(62))
                try base.createCollection(request)
            }
        },
        Fault("an empty collection is no collection", caughtBy: "an empty collection answers nothing") {
            $0.search = { base, request throws(VectorStoreError) in
                let records = try base.fetch(FetchRequest(collection: request.collection, ids: nil))
                guard !records.isEmpty else { throw VectorStoreError(.backend, "nothing to search") }
                return try base.query(request)
            }
        },
        Fault("an operation is declared and not forwarded", caughtBy: "every operation that is declared is there") {
            $0.declared = .count
        },
        Fault("the list is empty", caughtBy: "collections are listed, ordered by their bytes") {
            .blocking(ListingNothing())
        },
        Fault("an asynchronous store blocks its thread", caughtBy: "no call blocks a thread of Swift's pool") {
            .suspending(BlockingAsyncStore())
        },
        Fault("an asynchronous store suspends, and then blocks", caughtBy: "no call blocks a thread of Swift's pool") {
            .suspending(BlockingAsyncStore(suspendsFirst: true))
        },
    ]

    @Test(arguments: faults)
    func aFaultIsCaught(_ fault: Fault) async throws {
        let check = try #require(ConformanceCheck.all.first { $0.name == fault.check })
        guard case .failed(let failure) = await check.run(Harness(make: fault.store)) else {
            return #expect(Bool(false), "not caught by \(fault.check)")
        }
        #expect("\(failure)".contains(check.hint))
    }

    /// The order of what a port fetches is the repository's business.
    @Test func aStoreThatFetchesInAnyOrderConforms() async throws {
        for check in ConformanceCheck.all where check.name.contains("fetch") {
            try await check(
                Harness {
                    .blocking(
                        BrokenStore {
                            $0.read = { base, request throws(VectorStoreError) in
                                try base.fetch(request).sorted { $0.id > $1.id }
                            }
                        })
                })
        }
    }
}

/// A number that an integer of 64 bits holds a thousand times.
private func clamping(_ value: Float) -> Float { max(-1e9, min(1e9, value)) }

/// A store that lists nothing.
private struct ListingNothing: VectorStorePort {
    let base = BrokenStore { _ in }
    var name: String { base.name }
    var capabilities: StoreCapabilities { base.capabilities }
    func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        try base.createCollection(request)
    }
    func upsert(_ request: UpsertRequest) throws(VectorStoreError) { try base.upsert(request) }
    func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] { try base.query(request) }
    func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] { try base.fetch(request) }
    func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int { try base.delete(request) }
    func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        try base.describeCollection(name)
    }
    func listCollections() throws(VectorStoreError) -> [String] { [] }
    func dropCollection(_ name: String) throws(VectorStoreError) { try base.dropCollection(name) }
}

/// A store that calls itself asynchronous, and sleeps on the thread it is called on.
private struct BlockingAsyncStore: AsyncVectorStorePort {
    let base = BrokenStore { _ in }
    var suspendsFirst = false

    private func block() async {
        if suspendsFirst { await Task.yield() }
        usleep(200)
    }

    var name: String { base.name }
    var capabilities: StoreCapabilities { base.capabilities }
    func createCollection(_ request: CreateCollectionRequest) async throws(VectorStoreError) {
        try base.createCollection(request)
    }
    func upsert(_ request: UpsertRequest) async throws(VectorStoreError) { try base.upsert(request) }
    func query(_ request: QueryRequest) async throws(VectorStoreError) -> [VectorSearchResult] {
        await block()
        return try base.query(request)
    }
    func fetch(_ request: FetchRequest) async throws(VectorStoreError) -> [VectorRecord] { try base.fetch(request) }
    func delete(_ request: DeleteRequest) async throws(VectorStoreError) -> Int { try base.delete(request) }
    func describeCollection(_ name: String) async throws(VectorStoreError) -> CollectionDescription? {
        try base.describeCollection(name)
    }
    func listCollections() async throws(VectorStoreError) -> [String] { try base.listCollections() }
    func dropCollection(_ name: String) async throws(VectorStoreError) { try base.dropCollection(name) }
}
