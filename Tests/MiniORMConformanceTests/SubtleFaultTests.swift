import MiniORM
import MiniORMConformance
import Synchronization
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The kit can fail for what is easily missed: each of these stores is wrong in one small way, and the check named
/// beside it says so.
@Suite struct SubtleFaultTests {
    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let check: String
        let harness: Harness

        init(
            _ description: String, caughtBy check: String,
            _ breaking: @escaping @Sendable (inout BrokenNativeStore) -> Void
        ) {
            self.init(description, caughtBy: check, Harness { .blocking(BrokenNativeStore(breaking)) })
        }

        init(_ description: String, caughtBy check: String, _ harness: Harness) {
            testDescription = description
            self.check = check
            self.harness = harness
        }
    }

    private static func refuse(_ filter: VectorFilter?) throws(VectorStoreError) {
        var refuses = false
        _ = filter?.mappingLeaves { leaf in
            if case .contains = leaf { refuses = true }
            return leaf
        }
        if refuses { throw VectorStoreError(.unsupportedFilter, "no contains today") }
    }

    /// Matches all where a leaf has a text, or a field, that some language would read as its own.
    private static func injected(_ filter: VectorFilter, _ isHostile: (VectorFilter) -> Bool) -> VectorFilter {
        filter.mappingLeaves { isHostile($0) ? .and([]) : $0 }
    }

    private static let filterFaults: [Fault] = [
        Fault(
            "a filter whose operators are declared is refused",
            caughtBy: "equality of arrays and objects is deep, elements are found with contains"
        ) {
            $0.search = { base, request throws(VectorStoreError) in
                try refuse(request.options.filter)
                return try base.query(request)
            }
        },
        Fault(
            "one operation refuses a declared operator", caughtBy: "delete by filter means what every operator means"
        ) {
            $0.sweep = { base, request throws(VectorStoreError) in
                try refuse(request.filter)
                return try base.deleteMatching(request)
            }
        },
        Fault("counting refuses declared operators", caughtBy: "random operations do what they do to a plain model") {
            $0.tally = { base, request throws(VectorStoreError) in
                if let filter = request.filter, filter != [:] { throw VectorStoreError(.unsupportedFilter, "no") }
                return try base.count(request)
            }
        },
        Fault("deleting drops what it does not know", caughtBy: "delete by filter means what every operator means") {
            $0.sweep = { base, request throws(VectorStoreError) in
                var request = request
                request.filter = request.filter.mappingLeaves { leaf in
                    if case .exists = leaf { .and([]) } else { leaf }
                }
                return try base.deleteMatching(request)
            }
        },
        Fault(
            "explain loses a part of the filter", caughtBy: "explain cuts a filter into parts that mean the same"
        ) {
            $0.plan = { _, request throws(VectorStoreError) in
                if case .and(let terms) = request.filter, terms.count > 1 {
                    return FilterPlan(pushedDown: terms[0], finished: nil, native: "")
                }
                return FilterPlan(pushedDown: request.filter, finished: nil, native: "")
            }
        },
        Fault(
            "an operator is pushed down that is not declared",
            caughtBy: "explain cuts a filter into parts that mean the same"
        ) {
            $0.declare = { $0.pushedDownOperators = [.equal, .and] }
            $0.plan = { _, request throws(VectorStoreError) in
                FilterPlan(pushedDown: request.filter, finished: nil, native: "")
            }
        },
        Fault("nothing declared is pushed down", caughtBy: "the operators that are declared are pushed down") {
            $0.plan = { _, request throws(VectorStoreError) in
                FilterPlan(pushedDown: nil, finished: request.filter, native: "")
            }
        },
        Fault("a field's name is a part of the query", caughtBy: "hostile field names reach no query language") {
            $0.search = { base, request throws(VectorStoreError) in
                var request = request
                request.options.filter = request.options.filter.map {
                    injected($0) { leaf in
                        if case .exists(let path) = leaf { path.parts.contains { $0.contains("'") } } else { false }
                    }
                }
                return try base.query(request)
            }
        },
        Fault("a value is a part of the query", caughtBy: "hostile values reach no query language") {
            $0.search = { base, request throws(VectorStoreError) in
                var request = request
                request.options.filter = request.options.filter.map {
                    injected($0) { leaf in
                        guard case .compare(_, .equal, .string(let text)) = leaf else { return false }
                        return text.contains("' OR ")
                    }
                }
                return try base.query(request)
            }
        },
    ]

    private static let valueFaults: [Fault] = [
        Fault("minus zero of a vector loses its sign", caughtBy: "a fetched vector equals the stored one") {
            $0.write = { base, request throws(VectorStoreError) in
                try base.upsert(request.mapping { $0.vector = $0.vector.map { $0 + 0 } })
            }
        },
        Fault(
            "minus zero of a payload loses its sign", caughtBy: "numbers come back at the ends of their ranges"
        ) {
            $0.write = { base, request throws(VectorStoreError) in
                try base.upsert(
                    request.mapping { record in
                        record.payload = record.payload?.mapValues { value in
                            if case .double(let number) = value { .double(number + 0) } else { value }
                        }
                    })
            }
        },
        Fault(
            "minus zero in an array loses its sign", caughtBy: "random payloads come back"
        ) {
            $0.write = { base, request throws(VectorStoreError) in
                try base.upsert(
                    request.mapping { record in
                        record.payload = record.payload?.mapValues { value in
                            guard case .array(let values) = value else { return value }
                            return .array(
                                values.map { if case .double(let number) = $0 { .double(number + 0) } else { $0 } })
                        }
                    })
            }
        },
        Fault(
            "long vectors lose their end", caughtBy: "vectors of one dimension and of two thousand work"
        ) {
            $0.write = { base, request throws(VectorStoreError) in
                try base.upsert(
                    request.mapping { for index in $0.vector.indices.dropFirst(1536) { $0.vector[index] = 0 } })
            }
        },
        Fault("one dimension is too few", caughtBy: "vectors of one dimension and of two thousand work") {
            $0.create = { base, request throws(VectorStoreError) in
                guard request.collection.dimension > 1 else { throw VectorStoreError(.backend, "too few") }
                try base.createCollection(request)
            }
        },
    ]

    private static func tied(
        _ precedes: @escaping @Sendable (String, String) -> Bool
    ) -> @Sendable (inout BrokenNativeStore) -> Void {
        {
            $0.search = { base, request throws(VectorStoreError) in
                var all = request
                all.options.topK = 10_000
                let hits = try base.query(all).sorted {
                    $0.score != $1.score ? $0.score > $1.score : precedes($0.id, $1.id)
                }
                return Array(hits.prefix(max(0, request.options.topK)))
            }
        }
    }

    private static let queryFaults: [Fault] = [
        Fault(
            "ties are cut without regard to case",
            caughtBy: "ties are ordered by the bytes of ids, not by a collation",
            tied { $0.lowercased() < $1.lowercased() }),
        Fault(
            "ties are cut in the order of UTF-16", caughtBy: "ties are ordered by the bytes of ids, not by a collation",
            tied { $0.utf16.lexicographicallyPrecedes($1.utf16) }),
        Fault("minScore leaves an equal score out", caughtBy: "minScore leaves lower scores out") {
            $0.search = { base, request throws(VectorStoreError) in
                try base.query(request).filter { $0.score > request.options.minScore ?? -.infinity }
            }
        },
        Fault("minScore is compared with the squared distance", caughtBy: "minScore leaves lower scores out") {
            $0.search = { base, request throws(VectorStoreError) in
                guard try base.describeCollection(request.collection)?.metric == .l2 else {
                    return try base.query(request)
                }
                let least = request.options.minScore ?? -.infinity
                return try base.query(request).filter { -$0.score * $0.score >= least }
            }
        },
        Fault("a batch has a minScore of its own", caughtBy: "a batch answers as its queries one by one") {
            $0.batch = { base, request throws(VectorStoreError) in
                guard let least = request.options.minScore else { return try base.queryBatch(request) }
                return try base.queryBatch(request).map { $0.filter { $0.score > least + 0.2 } }
            }
        },
        Fault("a batch has no vectors", caughtBy: "a batch answers as its queries one by one") {
            $0.batch = { base, request throws(VectorStoreError) in
                var request = request
                request.options.includeVectors = false
                return try base.queryBatch(request)
            }
        },
        Fault("vectors come back normalised", caughtBy: "includeVectors gives the stored vectors") {
            $0.search = { base, request throws(VectorStoreError) in
                var hits = try base.query(request)
                for index in hits.indices {
                    guard let vector = hits[index].vector else { continue }
                    let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
                    hits[index].vector = vector.map { norm > 0 ? $0 / norm : $0 }
                }
                return hits
            }
        },
        Fault(
            "collections are listed without regard to case", caughtBy: "collections are listed, ordered by their bytes"
        ) {
            $0.list = { $0.sorted { $0.lowercased() < $1.lowercased() } }
        },
    ]

    private static let many = "many records in one call are all there"

    private static let limitFaults: [Fault] = [
        Fault("fetching all stops at 1,000", caughtBy: many) {
            $0.read = { base, request throws(VectorStoreError) in
                let records = try base.fetch(request)
                return request.ids == nil ? Array(records.prefix(1000)) : records
            }
        },
        Fault("fetching by id stops at 100", caughtBy: many) {
            $0.read = { base, request throws(VectorStoreError) in
                var request = request
                request.ids = request.ids.map { Array($0.prefix(100)) }
                return try base.fetch(request)
            }
        },
        Fault("deleting by id stops at 100", caughtBy: many) {
            $0.remove = { base, request throws(VectorStoreError) in
                var request = request
                request.ids = Array(request.ids.prefix(100))
                return try base.delete(request)
            }
        },
        Fault("deleting by filter stops at 1,000", caughtBy: many) {
            $0.sweep = { base, request throws(VectorStoreError) in
                let records = try base.fetch(FetchRequest(collection: request.collection, ids: nil))
                let ids = records.filter { request.filter.matches($0.payload) }.map(\.id).prefix(1000)
                return try base.delete(DeleteRequest(collection: request.collection, ids: Array(ids)))
            }
        },
        Fault("a batch stops at 50 queries", caughtBy: many) {
            $0.batch = { base, request throws(VectorStoreError) in
                var request = request
                request.vectors = Array(request.vectors.prefix(50))
                return try base.queryBatch(request)
            }
        },
        Fault("queries beyond 50 have no answer", caughtBy: many) {
            $0.batch = { base, request throws(VectorStoreError) in
                try base.queryBatch(request).enumerated().map { $0 < 50 ? $1 : [] }
            }
        },
        Fault(
            "pages are counted from the start",
            caughtBy: "records are read once each while those that were read are deleted"
        ) {
            $0.page = { base, request throws(VectorStoreError) in
                let offset = request.cursor?.state as? Int ?? 0
                let records = try base.fetch(FetchRequest(collection: request.collection, ids: nil))
                let left = records.filter { request.filter?.matches($0.payload) ?? true }.dropFirst(offset)
                let page = Array(left.prefix(max(1, request.pageSize)))
                return ScanPage(
                    records: page, next: left.count > page.count ? ScanCursor(offset + page.count) : nil)
            }
        },
        Fault("a page begins with the last record", caughtBy: "records are read once each, whatever the page size") {
            $0.page = { base, request throws(VectorStoreError) in
                let start = request.cursor?.state as? Int ?? 0
                let records = try base.fetch(FetchRequest(collection: request.collection, ids: nil))
                    .filter { request.filter?.matches($0.payload) ?? true }
                let end = min(records.count, start + min(1000, request.pageSize))
                let from = max(0, start - (request.pageSize == 7 ? 1 : 0))
                return ScanPage(
                    records: Array(records[from..<end]), next: end < records.count ? ScanCursor(end) : nil)
            }
        },
    ]

    private static func inParts(of size: Int) -> @Sendable (inout BrokenNativeStore) -> Void {
        {
            let readers = Readers()
            $0.write = { base, request throws(VectorStoreError) in
                for start in stride(from: 0, to: request.records.count, by: size) {
                    var part = request
                    part.records = Array(request.records[start..<min(start + size, request.records.count)])
                    try base.upsert(part)
                    readers.waitForOne()
                }
            }
            $0.read = { base, request throws(VectorStoreError) in
                let number = readers.begin()
                defer { readers.end(number) }
                return try base.fetch(request)
            }
            $0.tally = { base, request throws(VectorStoreError) in
                let number = readers.begin()
                defer { readers.end(number) }
                return try base.count(request)
            }
        }
    }

    /// Who reads while something is written in parts. A machine that is busy lets a writer finish before any reader has
    /// its turn.
    private final class Readers: Sendable {
        private let reads = Mutex((begun: 0, lastEnded: 0, isWaitingOver: false))

        func begin() -> Int {
            reads.withLock { reads in
                reads.begun += 1
                return reads.begun
            }
        }

        func end(_ number: Int) { reads.withLock { $0.lastEnded = max($0.lastEnded, number) } }

        /// Waits for a read that begins now or later, once; for two seconds where nobody reads.
        func waitForOne() {
            let begun = reads.withLock { $0.begun }
            for _ in 0..<400 {
                let isOver = reads.withLock { reads in
                    if reads.lastEnded > begun { reads.isWaitingOver = true }
                    return reads.isWaitingOver
                }
                if isOver { return }
                usleep(5000)
            }
        }
    }

    private static let storeFaults: [Fault] = [
        Fault(
            "an upsert is written in two halves", caughtBy: "readers see an upsert whole or not at all",
            inParts(of: 20)),
        Fault(
            "an upsert is written in batches of 500",
            caughtBy: "readers see an upsert of many records whole or not at all", inParts(of: 500)),
        Fault(
            "a cancelled call fails in another way",
            caughtBy: "a task that is cancelled gets the error cancelled, and the store goes on",
            Harness { .suspending(BlockingOnce(.none, hidesCancellation: true)) }),
        Fault(
            "a store describes itself with its password",
            caughtBy: "no secret, vector or payload shows in a description",
            Harness(
                make: { .blocking(TalkativeStore(password: "s3cret")) }, secrets: ["s3cret"])),
        Fault(
            "an error of the connection shows the password",
            caughtBy: "no secret, vector or payload shows in a description",
            Harness(
                make: { .blocking(InMemoryVectorStore()) },
                unreachable: .blocking(
                    BrokenNativeStore {
                        $0.create = { _, _ throws(VectorStoreError) in
                            throw VectorStoreError(.unavailable, "no connection to db://user:s3cret@host")
                        }
                    }), secrets: ["s3cret"])),
        Fault(
            "the cause of an error shows the password",
            caughtBy: "no secret, vector or payload shows in a description",
            Harness(
                make: { .blocking(InMemoryVectorStore()) },
                unreachable: .blocking(
                    BrokenNativeStore {
                        $0.create = { _, _ throws(VectorStoreError) in
                            let cause = VectorStoreError(.backend, "s3cret")
                            throw VectorStoreError(.unavailable, "no connection", cause: cause)
                        }
                    }), secrets: ["s3cret"])),
    ]

    private static let reopeningFaults: [Fault] = [
        (JournaledStore.Loss.everything, "everything is lost"), (.deletions, "deleted records return"),
        (.drops, "dropped collections return"), (.metrics, "the metric is forgotten"),
        (.replacements, "what was replaced returns"),
    ].map { loss, description in
        Fault(
            "after reopening, \(description)", caughtBy: "another store value finds what the first one kept",
            reopening(losing: loss))
    }

    private static func reopening(losing loss: JournaledStore.Loss) -> Harness {
        Harness(
            make: { .blocking(JournaledStore()) },
            reopening: { store in
                guard case .blocking(let store) = store, let journaled = store as? JournaledStore else { return nil }
                return .blocking(try journaled.reopened(losing: loss))
            })
    }

    private static let blockingFaults: [Fault] = [
        BlockingOnce.Operation.create, .describe, .list, .drop, .deleteMatching,
    ].map { operation in
        Fault(
            "\(operation) blocks its thread", caughtBy: "no call blocks a thread of Swift's pool",
            Harness { .suspending(BlockingOnce(operation)) })
    }

    private static let foreign = "overwriting drops the data, and may change dimension and metric"

    /// A collection that is made behind the store's back.
    @Sendable private static func plant(_ name: String, _ store: ConformanceStore) throws -> ForeignCollection? {
        guard case .blocking(let port) = store, let broken = port as? BrokenNativeStore else { return nil }
        let base = broken.base
        try base.createCollection(
            CreateCollectionRequest(
                collection: CollectionDescription(name: name, dimension: 1, metric: .dot), mode: .overwrite))
        return ForeignCollection {
            try base.describeCollection(name)?.dimension == 1
        } remove: {
            if try base.describeCollection(name) != nil { try base.dropCollection(name) }
        }
    }

    /// A store that leaves alone, or not, the collections whose names end with the number that the kit plants.
    private static func guarded(overwriting: Bool, dropping: Bool) -> Harness {
        let foreign = VectorStoreError(.backend, "the collection is not one of this library's")
        return Harness(
            make: {
                .blocking(
                    BrokenNativeStore {
                        $0.create = { base, request throws(VectorStoreError) in
                            let isForeign = try base.describeCollection(request.collection.name)?.dimension == 1
                            if isForeign, !overwriting { throw foreign }
                            try base.createCollection(request)
                        }
                        $0.drop = { base, name throws(VectorStoreError) in
                            if try base.describeCollection(name)?.dimension == 1, !dropping { throw foreign }
                            try base.dropCollection(name)
                        }
                    })
            }, planting: plant)
    }

    private static let foreignFaults: [Fault] = [
        Fault("overwriting takes any collection", caughtBy: foreign, guarded(overwriting: true, dropping: false)),
        Fault("dropping takes any collection", caughtBy: foreign, guarded(overwriting: false, dropping: true)),
    ]

    static let faults =
        filterFaults + valueFaults + queryFaults + limitFaults + storeFaults + reopeningFaults + blockingFaults
        + foreignFaults

    @Test(arguments: faults)
    func aFaultIsCaught(_ fault: Fault) async throws {
        let check = try #require(ConformanceCheck.all.first { $0.name == fault.check })
        let outcome = await check.run(fault.harness)
        guard case .failed(let failure) = outcome else {
            return #expect(Bool(false), "not caught by \(fault.check): \(outcome)")
        }
        #expect("\(failure)".contains(check.hint) && !"\(failure)".contains("the harness failed"))
    }

    /// What the faults are made of is sound without them.
    @Test(arguments: ConformanceCheck.all)
    func withoutAFaultTheStoresConform(_ check: ConformanceCheck) async throws {
        try await check(Harness { .blocking(BrokenNativeStore()) })
        try await check(Harness { .suspending(BlockingOnce(.none)) })
        try await check(Self.reopening(losing: .nothing))
    }

    @Test func aStoreThatLeavesForeignCollectionsAloneConforms() async throws {
        let check = try #require(ConformanceCheck.all.first { $0.name == Self.foreign })
        let outcome = try await check(Self.guarded(overwriting: false, dropping: false))
        guard case .passed = outcome else { return #expect(Bool(false), "\(outcome)") }
    }
}

/// A store that tells everybody how it logs in.
private struct TalkativeStore: VectorStorePort, CustomStringConvertible {
    let base = InMemoryVectorStore()
    let password: String

    var description: String { "a store with the password \(password)" }
    var name: String { base.name }
    var capabilities: StoreCapabilities {
        var capabilities = base.capabilities
        capabilities.nativeOperations = [.dropCollection]
        return capabilities
    }
    func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        try base.createCollection(request)
    }
    func upsert(_ request: UpsertRequest) throws(VectorStoreError) { try base.upsert(request) }
    func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] { try base.query(request) }
    func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] { try base.fetch(request) }
    func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int { try base.delete(request) }
    func dropCollection(_ name: String) throws(VectorStoreError) { try base.dropCollection(name) }
}
