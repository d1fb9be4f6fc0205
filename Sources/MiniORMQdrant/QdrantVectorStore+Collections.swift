#if Qdrant
public import MiniORM
internal import SwiftProtobuf

extension QdrantVectorStore {
    /// Creates a collection with the options of ``QdrantOptions/collection``, or makes sure that it is there.
    ///
    /// Overwriting refuses a collection that this library did not create, with
    /// `VectorStoreError.Code.collectionMismatch`.
    public func createCollection(_ request: CreateCollectionRequest) async throws(VectorStoreError) {
        let wanted = request.collection
        do throws(VectorStoreError) {
            let indexes = try options.collection.indexRequests
            if let present = try await info(wanted.name) {
                switch request.mode {
                case .create: throw Self.exists(wanted.name)
                case .ensure:
                    try ensure(wanted, is: present)
                    return try await createIndexes(indexes, of: wanted.name)
                case .overwrite: try await drop(wanted.name, present)
                }
            }
            let creation = String(UInt64.random(in: .min ... .max), radix: 36)
            let identity: PointIdentity = options.idPolicy == .uuid ? .uuid : .hashed
            do throws(VectorStoreError) {
                _ = try await connection.call(
                    QdrantMethods.create,
                    Qdrant_CreateCollection(
                        wanted, options: options.collection, identity: identity, creation: creation))
            } catch {
                // Another program was faster, or our own first try got through and its reply did not.
                guard let present = try? await info(wanted.name) else { throw error }
                if QdrantCollection(present)?.creation != creation {
                    guard request.mode == .ensure else { throw Self.exists(wanted.name) }
                    try ensure(wanted, is: present)
                }
            }
            try await mark(wanted.name, identity)
            try await createIndexes(indexes, of: wanted.name)
        } catch {
            throw error.adding(store: Self.name, collection: wanted.name)
        }
    }

    /// The library's own indexes: one that finds roughly kept doubles and, on servers that keep no collection metadata, one
    /// on a field that no point has, as the mark.
    private func mark(_ name: String, _ identity: PointIdentity) async throws(VectorStoreError) {
        guard let info = try await info(name) else { throw Self.notFound(name) }
        guard let collection = QdrantCollection(info) else { throw Self.foreign(name) }
        let marks = collection.isOurs ? [] : [Reserved.marker(identity)]
        try await createIndexes(
            (marks + [QdrantCollection.roughKey]).map { key in
                .with {
                    $0.fieldName = key
                    $0.fieldType = .bool
                }
            }, of: name)
    }

    private func createIndexes(
        _ requests: [Qdrant_CreateFieldIndexCollection], of name: String
    ) async throws(VectorStoreError) {
        guard !requests.isEmpty else { return }
        for var request in requests {
            request.collectionName = name
            request.wait = true
            let reply = try await connection.call(QdrantMethods.createIndex, request)
            try Self.check(reply)
        }
        remember(name, nil)
    }

    private func ensure(
        _ wanted: CollectionDescription, is info: Qdrant_CollectionInfo
    ) throws(VectorStoreError) {
        guard let present = QdrantCollection(info) else { throw Self.foreign(wanted.name) }
        guard present.dimension == wanted.dimension, present.metric == wanted.metric else {
            throw VectorStoreError(
                .collectionMismatch,
                "the collection has \(present.dimension) dimensions and \(present.metric), "
                    + "not \(wanted.dimension) and \(wanted.metric)",
                store: Self.name, collection: wanted.name)
        }
        remember(wanted.name, present)
    }

    private static func exists(_ name: String) -> VectorStoreError {
        VectorStoreError(
            .collectionAlreadyExists, "the collection is there already", store: Self.name, collection: name)
    }

    private func drop(_ name: String, _ info: Qdrant_CollectionInfo) async throws(VectorStoreError) {
        guard QdrantCollection(info)?.isOurs == true else {
            throw VectorStoreError(
                .collectionMismatch, "another program created it; drop it with that program", store: Self.name,
                collection: name)
        }
        remember(name, nil)
        _ = try await connection.call(QdrantMethods.drop, .with { $0.collectionName = name })
    }

    /// Drops a collection with its data, if this library created it; otherwise throws
    /// `VectorStoreError.Code.collectionMismatch`.
    public func dropCollection(_ name: String) async throws(VectorStoreError) {
        guard let present = try await info(name) else { throw Self.notFound(name) }
        do { try await drop(name, present) } catch { throw error.adding(collection: name) }
    }
}
#endif
