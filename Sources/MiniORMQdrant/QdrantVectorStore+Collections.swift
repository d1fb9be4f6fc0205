#if Qdrant
public import MiniORM
internal import GRPCCore
internal import SwiftProtobuf

extension QdrantVectorStore {
    /// Creates a collection with the options of ``QdrantOptions/collection``, or makes sure that it is there.
    ///
    /// Overwriting refuses a collection that this library did not create, with
    /// `VectorStoreError.Code.collectionMismatch`.
    public func createCollection(_ request: CreateCollectionRequest) async throws(VectorStoreError) {
        let wanted = request.collection
        do throws(VectorStoreError) {
            try await connection.use { () async throws(VectorStoreError) in try await self.create(request) }
        } catch {
            throw error.adding(store: Self.name, collection: wanted.name)
        }
    }

    private func create(_ request: CreateCollectionRequest) async throws(VectorStoreError) {
        let wanted = request.collection
        guard (1...QdrantCollection.maximumDimension).contains(wanted.dimension) else {
            throw VectorStoreError(
                .invalidArgument, "a dimension is 1 to \(QdrantCollection.maximumDimension)", store: Self.name)
        }
        let indexes = try options.collection.indexRequests
        var failure = Self.exists(wanted.name)
        // Others may create and drop it meanwhile; whoever loses looks again.
        for attempt in 0..<32 {
            do throws(VectorStoreError) {
                if try await create(wanted, request.mode, indexes, isFirst: attempt == 0) { return }
            } catch {
                guard error.code == .collectionNotFound else { throw error }
                failure = error
            }
        }
        throw failure
    }

    /// Sees to it that there is a collection as wanted; false if another program came in between.
    private func create(
        _ wanted: CollectionDescription, _ mode: CreateCollectionRequest.Mode,
        _ indexes: [Qdrant_CreateFieldIndexCollection], isFirst: Bool
    ) async throws(VectorStoreError) -> Bool {
        /// One that was made since the call began is as good as our own, if it is as wanted. A collection that may be
        /// another program's is never marked as ours.
        func isAlike(_ other: QdrantCollection?) -> Bool {
            other?.isOurs == true && other?.dimension == wanted.dimension && other?.metric == wanted.metric
        }
        if let present = try await info(wanted.name) {
            switch mode {
            case .create: throw Self.exists(wanted.name)
            // Dropped again and again, it would never be finished by any of those who overwrite it at once.
            case .overwrite where isFirst || !isAlike(QdrantCollection(present)):
                try await drop(wanted.name, present)
            case .ensure, .overwrite:
                try await ensure(wanted, present, indexes)
                return true
            }
        }
        let creation = String(UInt64.random(in: .min ... .max), radix: 36)
        let identity: PointIdentity = options.idPolicy == .uuid ? .uuid : .hashed
        do throws(VectorStoreError) {
            _ = try await connection.call(
                QdrantMethods.create,
                Qdrant_CreateCollection(wanted, options: options.collection, identity: identity, creation: creation))
        } catch {
            // Another program was faster, or our own first try got through and its reply did not.
            guard let present = try? await info(wanted.name) else {
                if error.code == .collectionAlreadyExists, mode != .create { return false }
                throw error
            }
            let other = QdrantCollection(present)
            if other?.creation != creation {
                if mode == .create { throw Self.exists(wanted.name) }
                guard mode == .ensure || isAlike(other) else { return false }
                try await ensure(wanted, present, indexes)
                return true
            }
        }
        guard let made = try await info(wanted.name) else { return false }
        let collection = try learn(wanted.name, made)
        // Where the server keeps no metadata, the mark is an index on a field that no point has.
        let mark = collection.isOurs ? [] : [Self.index(Reserved.marker(identity), .bool)]
        try await createIndexes(mark + [Self.roughIndex] + indexes, of: wanted.name, collection)
        return true
    }

    private static func index(_ key: String, _ type: Qdrant_FieldType) -> Qdrant_CreateFieldIndexCollection {
        .with {
            $0.fieldName = key
            $0.fieldType = type
        }
    }

    /// The library's own index, which finds doubles that are kept only nearly.
    private static var roughIndex: Qdrant_CreateFieldIndexCollection { index(QdrantCollection.roughKey, .keyword) }

    /// Creates the indexes that are not there: servers count those that are there against their limit, and refuse some
    /// keys even what would change nothing.
    private func createIndexes(
        _ requests: [Qdrant_CreateFieldIndexCollection], of name: String, _ collection: QdrantCollection
    ) async throws(VectorStoreError) {
        let missing = requests.filter { collection.indexes[$0.fieldName] != $0.fieldType.schema }
        guard !missing.isEmpty else { return }
        remember(name, nil)
        for var request in missing {
            request.collectionName = name
            request.wait = true
            let reply = try await connection.call(QdrantMethods.createIndex, request)
            try Self.check(reply)
        }
        // What another task learned meanwhile lacks some.
        remember(name, nil)
    }

    private func ensure(
        _ wanted: CollectionDescription, _ info: Qdrant_CollectionInfo, _ indexes: [Qdrant_CreateFieldIndexCollection]
    ) async throws(VectorStoreError) {
        let present = try learn(wanted.name, info)
        guard present.dimension == wanted.dimension, present.metric == wanted.metric else {
            throw VectorStoreError(
                .collectionMismatch,
                "the collection has \(present.dimension) dimensions and \(present.metric), "
                    + "not \(wanted.dimension) and \(wanted.metric)",
                store: Self.name, collection: wanted.name)
        }
        try await createIndexes(indexes, of: wanted.name, present)
        guard present.isOurs, !present.knowsRough else { return }
        do throws(VectorStoreError) {
            // Whoever created the collection came not so far.
            try await createIndexes([Self.roughIndex], of: wanted.name, present)
        } catch {
            // The answers are right without it, so a key that may only read, or a full table of indexes, is no failure.
            guard error.code == .unauthorized || QdrantFailure.isRefusal(error) else { throw error }
        }
    }

    private static func exists(_ name: String) -> VectorStoreError {
        VectorStoreError(
            .collectionAlreadyExists, "the collection is there already", store: Self.name, collection: name)
    }

    private func drop(_ name: String, _ seen: Qdrant_CollectionInfo) async throws(VectorStoreError) {
        let dropped = QdrantCollection(seen)
        guard dropped?.isOurs == true else {
            throw VectorStoreError(
                .collectionMismatch, "another program created it; drop it with that program", store: Self.name,
                collection: name)
        }
        remember(name, nil)
        var isGone = false
        do throws(VectorStoreError) {
            _ = try await connection.call(QdrantMethods.drop, .with { $0.collectionName = name }) {
                (failure) async throws(VectorStoreError) in
                // If the answer was lost, what is there now is another collection, which somebody made after that.
                if failure.code == .resourceExhausted { return }
                let present = try await self.info(name)
                isGone = present == nil
                // Without a mark of its creation nobody can tell.
                if let present, let creation = dropped?.creation {
                    isGone = QdrantCollection(present)?.creation != creation
                    if !isGone { return }
                }
                throw QdrantFailure.error(failure)
            }
        } catch {
            guard isGone else { throw error }
        }
    }

    /// Drops a collection with its data, if this library created it; otherwise throws
    /// `VectorStoreError.Code.collectionMismatch`.
    public func dropCollection(_ name: String) async throws(VectorStoreError) {
        do throws(VectorStoreError) {
            try await connection.use { () async throws(VectorStoreError) in
                guard let present = try await info(name) else { throw Self.notFound(name) }
                try await drop(name, present)
            }
        } catch { throw error.adding(collection: name) }
    }
}

extension Qdrant_FieldType {
    /// What a collection's description calls an index of this type.
    fileprivate var schema: Qdrant_PayloadSchemaType? { Qdrant_PayloadSchemaType(rawValue: rawValue + 1) }
}
#endif
