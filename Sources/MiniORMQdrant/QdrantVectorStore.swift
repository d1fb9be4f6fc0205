#if Qdrant
public import MiniORM
internal import SwiftProtobuf
internal import Synchronization

/// Collections of a Qdrant server or cluster, over gRPC.
///
/// ```swift
/// let store = try QdrantVectorStore(url: "qdrant://localhost:6334")
/// let users = try await AsyncVectorRepository(store, "users", dimension: 3)
/// ```
///
/// - Ids: a point's id is a version 5 UUID of the record's id, which travels in the payload under the reserved key
///   `__miniorm`. In collections that other programs made, integers and UUIDs are ids as they are.
/// - Payloads: kept as exact text under the reserved key, and beside it as fields for the engine's filters. Records are
///   to be changed through this library; what another program changes in the fields alone is not seen.
/// - Filters: pushed down where the engine's meaning is the contract's, narrowed where it is close or where strict mode
///   allows no more, and finished here; ``explain(_:)`` says which. What is finished here costs a transfer of the
///   candidates. So do numbers in a field of which any record holds a double that the engine keeps only nearly, as it
///   does with most of 16 digits or more.
/// - Upserts: sent in batches, several at a time, not atomic; see `VectorStoreError.Code.partialWrite`.
/// - Collections that this library did not create can be opened, if they hold one unnamed dense vector for each point,
///   and are never dropped. On old servers, which keep no collection metadata, one whose creation was cut off
///   between two calls counts as such. One that is dropped and created anew by another program, with another metric or
///   policy for ids, is noticed when a call fails, not before.
/// - Deletes count what was there when they began: where two delete the same record at once, both may count it.
///
/// A store is one HTTP/2 connection, opened when the store is made, in the background; share it between repositories and
/// tasks.
public final class QdrantVectorStore: AsyncVectorStorePort {
    static let name = "qdrant"

    let options: QdrantOptions
    let connection: QdrantConnection
    private let known = Mutex<[UTF8Key: QdrantCollection]>([:])

    /// A store for a server. It connects in the background, and a server that is not there is an error of the first call.
    ///
    /// - Parameters:
    ///   - url: `qdrant://host:port`, or `qdrants://host:port` for TLS; the port is 6334 unless given.
    ///   - apiKey: The server's API key, if it wants one. Without TLS it can be read on the way.
    ///   - options: How to connect, write, search and create collections.
    ///
    /// Throws `VectorStoreError.Code.invalidArgument` for an address or an option that makes no sense.
    public init(
        url: String, apiKey: String? = nil, options: QdrantOptions = QdrantOptions()
    ) throws(VectorStoreError) {
        try options.check()
        self.options = options
        var secret: Secret?
        if let apiKey { secret = try Secret(apiKey: apiKey) }
        connection = try QdrantConnection(
            QdrantAddress(url), apiKey: secret, options: options.connection,
            repeatsLostWrites: options.write.repeatsLostWrites)
    }

    /// `qdrant`.
    public var name: String { Self.name }

    /// Persistent, not atomic, exact where ``QdrantSearchOptions/exact`` is set.
    public var capabilities: StoreCapabilities {
        var capabilities = StoreCapabilities()
        capabilities.pushedDownOperators = .all
        capabilities.idPolicy = options.idPolicy
        capabilities.isExact = options.search.exact
        capabilities.isPersistent = true
        capabilities.keepsVectorBits = false
        capabilities.maximumDimension = 65_536
        capabilities.nativeOperations = .all
        return capabilities
    }

    /// What is known of a collection, asked for once: dimension and metric never change.
    func collection(_ name: String) async throws(VectorStoreError) -> QdrantCollection {
        if let collection = known.withLock({ $0[UTF8Key(name)] }) { return collection }
        guard let info = try await info(name) else { throw Self.notFound(name) }
        return try learn(name, info)
    }

    /// What the server's description says of a collection, kept for later calls.
    @discardableResult
    func learn(_ name: String, _ info: Qdrant_CollectionInfo) throws(VectorStoreError) -> QdrantCollection {
        guard let collection = QdrantCollection(info) else { throw Self.foreign(name) }
        // On servers without metadata another process of ours may be about to mark the collection that it just made.
        let isSettled = collection.isOurs || info.pointsCount > 0
        remember(name, isSettled ? collection : nil)
        return collection
    }

    func remember(_ name: String, _ collection: QdrantCollection?) {
        known.withLock { $0[UTF8Key(name)] = collection }
    }

    /// The server's own description; `nil` for a collection that is not there.
    func info(_ name: String) async throws(VectorStoreError) -> Qdrant_CollectionInfo? {
        try Self.check(name: name)
        do {
            return try await connection.call(QdrantMethods.info, .with { $0.collectionName = name }).result
        } catch {
            remember(name, nil)
            if error.code == .collectionNotFound { return nil }
            throw error.adding(collection: name)
        }
    }

    /// Runs calls on a collection. When the server refuses one, and what was known of the collection proves to be old,
    /// they run again: limits and indexes may have changed. What they have done by then does no harm when done again.
    func with<Value>(
        _ name: String, _ body: (QdrantCollection) async throws(VectorStoreError) -> Value
    ) async throws(VectorStoreError) -> Value {
        do throws(VectorStoreError) {
            return try await connection.use { () async throws(VectorStoreError) in
                let used = try await collection(name)
                do throws(VectorStoreError) {
                    return try await body(used)
                } catch {
                    if error.code == .collectionNotFound { remember(name, nil) }
                    guard QdrantFailure.isRefusal(error), let info = try await info(name) else { throw error }
                    let fresh = try learn(name, info)
                    guard fresh != used else { throw error }
                    return try await body(fresh)
                }
            }
        } catch {
            throw error.adding(collection: name)
        }
    }

    static func notFound(_ name: String) -> VectorStoreError {
        VectorStoreError(.collectionNotFound, "there is no such collection", store: Self.name, collection: name)
    }

    static func foreign(_ name: String) -> VectorStoreError {
        VectorStoreError(
            .collectionMismatch,
            "another program made it, with something else than one unnamed dense vector by cosine, dot or Euclid",
            store: Self.name, collection: name)
    }

    /// Qdrant keeps collections in folders of their names.
    static func check(name: String) throws(VectorStoreError) {
        let isRefused =
            name.isEmpty || name.utf8.count > 255 || name == "." || name == ".."
            || name.unicodeScalars.contains {
                $0.value < 0x20 || $0.value == 0x7F || "<>:\"/\\|?*".unicodeScalars.contains($0)
            }
        if isRefused {
            throw VectorStoreError(
                .invalidCollectionName,
                "a name has 1 to 255 bytes and none of the characters < > : \" / \\ | ? * or control characters",
                store: Self.name, collection: name)
        }
    }

    /// Says what a collection is, or `nil` if there is none of that name.
    public func describeCollection(_ name: String) async throws(VectorStoreError) -> CollectionDescription? {
        try await connection.use { () async throws(VectorStoreError) in
            guard let info = try await info(name) else { return nil }
            let collection = try learn(name, info)
            return CollectionDescription(name: name, dimension: collection.dimension, metric: collection.metric)
        }
    }

    /// The names of the collections that can be opened: with one unnamed dense vector by cosine, dot or Euclid, and a
    /// name that a collection may have.
    ///
    /// Costs a call for each collection of the server.
    public func listCollections() async throws(VectorStoreError) -> [String] {
        try await connection.use { () async throws(VectorStoreError) in
            let reply = try await connection.call(QdrantMethods.list, Qdrant_ListCollectionsRequest())
            // Old servers took names that no call of today's can use.
            let names = reply.collections.map(\.name).filter { (try? Self.check(name: $0)) != nil }
            let answers = try await inParallel(names, atOnce: 8) { store, name async throws(VectorStoreError) in
                guard let info = try await store.info(name) else { return false }
                return QdrantCollection(info) != nil
            }
            return zip(names, answers).filter(\.1).map { UTF8Key($0.0) }.sorted().map(\.string)
        }
    }

    /// A filter in two parts. Comparisons with numbers are left to the engine where no field that is compared holds a
    /// double that it keeps only nearly; that is asked for each time, of an index.
    func plan(
        _ filter: VectorFilter?, _ name: String, _ collection: QdrantCollection, forDeletion: Bool = false
    ) async throws(VectorStoreError) -> FilterTranslation.Plan {
        let keys = Set((filter?.numberFields ?? []).compactMap(FilterTranslation.key).map(UTF8Key.init))
        let limits = collection.limits
        let translation = FilterTranslation(
            collection: collection, isSmooth: try await areSmooth(keys, name, collection),
            takesUnindexed: limits.readsUnindexed && (limits.deletesUnindexed || !forDeletion))
        return translation.plan(filter)
    }

    /// Whether every double in these fields is kept exactly, as far as that is known.
    private func areSmooth(
        _ keys: Set<UTF8Key>, _ name: String, _ collection: QdrantCollection
    ) async throws(VectorStoreError) -> Bool {
        guard !keys.isEmpty else { return true }
        let limits = collection.limits
        guard collection.knowsRough, keys.count < limits.valueCount ?? .max, limits.conditionCount != 0 else {
            return false
        }
        var condition = Qdrant_FieldCondition()
        condition.key = QdrantCollection.roughKey
        condition.match.keywords.strings = [Reserved.anyField] + keys.sorted().map(\.string)
        // One record is enough to know, and strict mode may not let records be counted.
        var request = Qdrant_ScrollPoints()
        request.collectionName = name
        request.filter.must = [.with { $0.field = condition }]
        request.limit = 1
        request.withPayload.enable = false
        request.withVectors.enable = false
        if let consistency { request.readConsistency = consistency }
        return try await connection.call(QdrantMethods.scroll, request).points.isEmpty
    }

    /// How a filter is evaluated; the native text is the filter sent, as JSON of its message.
    public func explain(_ request: ExplainRequest) async throws(VectorStoreError) -> FilterPlan {
        try await with(request.collection) { collection async throws(VectorStoreError) in
            let plan = try await plan(request.filter, request.collection, collection)
            let native = plan.pushed.flatMap { try? $0.jsonString() } ?? ""
            return FilterPlan(pushedDown: plan.decided, finished: plan.finished, native: native)
        }
    }

    /// Closes the connection when the calls under way have ended; returns at once. Later calls throw
    /// `VectorStoreError.Code.unavailable`.
    public func close() async throws(VectorStoreError) { connection.close() }

    /// Runs a call for each item, a few at once; answers in the items' order.
    func inParallel<Item: Sendable, Value: Sendable>(
        _ items: [Item], atOnce: Int,
        _ body: @escaping @Sendable (QdrantVectorStore, Item) async throws(VectorStoreError) -> Value
    ) async throws(VectorStoreError) -> [Value] {
        let outcome: Result<[Value], VectorStoreError> = await withTaskGroup(
            of: (Int, Result<Value, VectorStoreError>).self
        ) { group in
            var values = [Value?](repeating: nil, count: items.count)
            var following = 0
            func start() {
                guard following < items.count else { return }
                let (index, item) = (following, items[following])
                following += 1
                group.addTask {
                    do throws(VectorStoreError) { return (index, .success(try await body(self, item))) } catch {
                        return (index, .failure(error))
                    }
                }
            }
            for _ in 0..<max(1, atOnce) { start() }
            while let (index, result) = await group.next() {
                switch result {
                case .success(let value): values[index] = value
                case .failure(let error):
                    group.cancelAll()
                    return .failure(error)
                }
                start()
            }
            return .success(values.compactMap { $0 })
        }
        return try outcome.get()
    }
}

extension QdrantVectorStore: CustomStringConvertible, CustomReflectable {
    /// The address, without the API key.
    public var description: String { "QdrantVectorStore(\(connection.address))" }

    /// The address only.
    public var customMirror: Mirror { Mirror(self, children: ["address": connection.address.description]) }
}

extension QdrantOptions {
    fileprivate func check() throws(VectorStoreError) {
        let checks: [(Bool, String)] = [
            (connection.deadline > .zero, "a deadline is longer than nothing"),
            (connection.keepAlive > .zero, "keepAlive is longer than nothing"),
            (connection.maximumReplyBytes >= 1 << 20, "maximumReplyBytes is at least 1 MB"),
            (write.batchCount >= 1, "batchCount is at least 1"),
            (write.batchBytes >= 1, "batchBytes is at least 1"),
            ((1...8).contains(write.requestsInFlight), "requestsInFlight is 1 to 8"),
            (search.ef.map { $0 >= 1 } ?? true, "ef is at least 1"),
            (search.oversampling.map { $0 >= 1 && $0.isFinite } ?? true, "oversampling is at least 1"),
            (search.consistency.map(\.isValid) ?? true, "consistency takes 1 replica at least"),
            (collection.shards.map { $0 >= 1 } ?? true, "shards is at least 1"),
            (collection.replicationFactor.map { $0 >= 1 } ?? true, "replicationFactor is at least 1"),
            (collection.writeConsistencyFactor.map { $0 >= 1 } ?? true, "writeConsistencyFactor is at least 1"),
            (collection.hnswM.map { $0 >= 0 } ?? true, "hnswM is at least 0"),
            (collection.hnswEfConstruct.map { $0 >= 4 } ?? true, "hnswEfConstruct is at least 4"),
            (collection.hnswPayloadM.map { $0 >= 0 } ?? true, "hnswPayloadM is at least 0"),
            (collection.quantization.map(\.isValid) ?? true, "a quantile is 0.5 to 1"),
        ]
        if let failed = checks.first(where: { !$0.0 }) {
            throw VectorStoreError(.invalidArgument, failed.1, store: QdrantVectorStore.name)
        }
    }
}

extension QdrantSearchOptions.Consistency {
    fileprivate var isValid: Bool { if case .replicas(let count) = self { count >= 1 } else { true } }
}

extension QdrantCollectionOptions.Quantization {
    fileprivate var isValid: Bool {
        if case .scalar(let quantile?, _) = self { (0.5...1).contains(quantile) } else { true }
    }
}
#else
/// Enable the trait `Qdrant` of this package to use it.
@available(
    *, unavailable,
    message: "Enable the trait: .package(url: ..., traits: [\"Qdrant\"])"
)
public struct QdrantVectorStore {}
#endif
