#if Chroma
public import MiniORM
internal import NIOCore
internal import Synchronization

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

extension ChromaVectorStore {
    /// Creates a collection, marked as this library's.
    public func createCollection(_ request: CreateCollectionRequest) async throws(VectorStoreError) {
        let wanted = request.collection
        try CollectionName.check(wanted.name, limit: configuration.limits.bytesPerName)
        let longest = min(configuration.limits.dimension ?? Int.max, ChromaCollection.Mark.dimensions.upperBound)
        guard (1...longest).contains(wanted.dimension) else {
            throw VectorStoreError(
                .invalidArgument, "the dimension is 1 to \(longest)", store: name, collection: wanted.name)
        }
        // Another creator may come in between; whoever loses looks again.
        for _ in 0..<8 {
            if let present = try await lookUp(wanted.name) {
                switch request.mode {
                case .create: throw Self.exists(wanted.name)
                case .ensure: return try Self.compare(present, wanted)
                case .overwrite:
                    guard present.mark != nil else { throw ChromaError.foreign(wanted.name, .collectionAlreadyExists) }
                    _ = try await drop(present)
                }
            }
            if try await create(wanted) { return }
        }
        throw Self.exists(wanted.name)
    }

    /// Creates a collection; false if there is one that another call created.
    private func create(_ wanted: CollectionDescription) async throws(VectorStoreError) -> Bool {
        let creation = UUID().uuidString
        let body = ByteBuffer(bytes: ChromaCollection.creation(wanted, configuration, creation))
        let reply = try await transport.send(.post(collectionsPath, body))
        switch reply.status {
        case 404:
            throw VectorStoreError(
                .invalidArgument, "the server has no such tenant or database", store: name, collection: wanted.name)
        case 409:
            // Sent twice, and the first one may have arrived.
            guard reply.isRepeated, let present = try await lookUp(wanted.name) else { return false }
            return present.mark?.creation == creation
        default:
            let created = try ChromaCollection.read(reply.body)
            known.withLock { $0[UTF8Key(wanted.name)] = created }
            return true
        }
    }

    private static func exists(_ name: String) -> VectorStoreError {
        VectorStoreError(
            .collectionAlreadyExists, "the collection is there already", store: "chroma", collection: name)
    }

    private static func compare(
        _ present: ChromaCollection, _ wanted: CollectionDescription
    ) throws(VectorStoreError) {
        guard let mark = present.mark else { throw ChromaError.foreign(wanted.name, .collectionMismatch) }
        guard mark.dimension == wanted.dimension, mark.metric == wanted.metric else {
            throw VectorStoreError(
                .collectionMismatch, "the collection has dimension \(mark.dimension) and metric \(mark.metric)",
                store: "chroma", collection: wanted.name)
        }
    }

    /// What a collection is; `nil` for one that this library did not create.
    public func describeCollection(_ name: String) async throws(VectorStoreError) -> CollectionDescription? {
        guard isPossible(name), let mark = try await lookUp(name)?.mark else { return nil }
        return CollectionDescription(name: name, dimension: mark.dimension, metric: mark.metric)
    }

    /// The names of the collections that this library created.
    public func listCollections() async throws(VectorStoreError) -> [String] {
        var names: Set<UTF8Key> = []
        let pageSize = configuration.limits.recordsPerAnswer ?? 1_000
        var offset = 0
        while true {
            let reply = try await transport.send(.get("\(collectionsPath)?limit=\(pageSize)&offset=\(offset)"))
            if reply.status == 404 { break }
            let page = try ChromaCollection.list(reply.body)
            names.formUnion(page.filter { $0.mark != nil }.map { UTF8Key($0.name) })
            if page.count < pageSize { break }
            offset += pageSize
        }
        return names.sorted().map(\.string)
    }

    /// Drops a collection that this library created.
    public func dropCollection(_ name: String) async throws(VectorStoreError) {
        guard isPossible(name), let present = try await lookUp(name) else { throw ChromaError.notFound(name) }
        guard present.mark != nil else { throw ChromaError.foreign(name, .collectionMismatch) }
        let reply = try await drop(present)
        if reply.status == 404, !reply.isRepeated { throw ChromaError.notFound(name) }
    }

    /// Drops a collection. The server wants its name: before that is repeated, it is looked at whether it still means
    /// the same collection, and not one that somebody created after the first request did its work.
    private func drop(_ present: ChromaCollection) async throws(VectorStoreError) -> ChromaReply {
        known.withLock { _ = $0.removeValue(forKey: UTF8Key(present.name)) }
        return try await transport.send(.delete(path(named: present.name))) { (end) async throws(VectorStoreError) in
            try await self.lookUp(present.name, until: end)?.id == present.id
        }
    }
}

// Looking up.
extension ChromaVectorStore {
    private func isPossible(_ name: String) -> Bool {
        (try? CollectionName.check(name, limit: configuration.limits.bytesPerName)) != nil
    }

    private func path(named name: String) -> String { "\(collectionsPath)/\(name)" }

    /// Asks the server, and notes the answer.
    ///
    /// - Parameter end: When the deadline passes, if the question is part of another request.
    private func lookUp(
        _ name: String, until end: NIODeadline? = nil
    ) async throws(VectorStoreError) -> ChromaCollection? {
        let reply = try await transport.send(.get(path(named: name)), until: end)
        let found = reply.status == 404 ? nil : try ChromaCollection.read(reply.body)
        known.withLock { $0[UTF8Key(name)] = found }
        return found
    }

    /// A collection of ours, as last seen.
    private func collection(
        _ name: String
    ) async throws(VectorStoreError) -> (id: String, mark: ChromaCollection.Mark) {
        var found = known.withLock { $0[UTF8Key(name)] }
        if found == nil, isPossible(name) { found = try await lookUp(name) }
        guard let found else { throw ChromaError.notFound(name) }
        guard let mark = found.mark else { throw ChromaError.foreign(name, .collectionMismatch) }
        return (found.id, mark)
    }

    /// A collection of ours, for one call.
    func open(_ name: String) async throws(VectorStoreError) -> OpenedCollection {
        OpenedCollection(name: name, mark: try await collection(name).mark)
    }

    /// Sends a request about a collection's data; looks the collection up once more if its id is stale.
    ///
    /// A collection that was replaced is a mismatch, if another request of the call has had an answer from its
    /// predecessor, or if its dimension or metric is another one.
    func send(
        _ operation: String, _ body: ByteBuffer?, _ opened: OpenedCollection, isWrite: Bool = false
    ) async throws(VectorStoreError) -> ByteBuffer? {
        let name = opened.name
        var isRefreshed = false
        while true {
            let (id, mark) = try await collection(name)
            guard opened.isAlike(mark) else { throw ChromaError.replaced(name) }
            let path = "\(collectionsPath)/\(id)/\(operation)"
            var call = body.map { ChromaCall.post(path, $0) } ?? .get(path)
            call.isWrite = isWrite
            let reply = try await transport.send(call)
            if (200..<300).contains(reply.status) {
                guard opened.hasAnswered(mark) else { throw ChromaError.replaced(name) }
                return reply.body
            }
            known.withLock { known in
                if known[UTF8Key(name)]?.id == id { known[UTF8Key(name)] = nil }
            }
            if isRefreshed { throw ChromaError.notFound(name) }
            isRefreshed = true
        }
    }
}

extension ChromaVectorStore {
    /// Sends a request with a body that is made of bytes.
    func send(
        _ operation: String, _ body: [UInt8], _ opened: OpenedCollection, isWrite: Bool = false
    ) async throws(VectorStoreError) -> ByteBuffer? {
        try await send(operation, ByteBuffer(bytes: body), opened, isWrite: isWrite)
    }
}

/// What the server says about itself.
struct Preflight: Sendable {
    var recordsPerWrite: Int
    var takesBase64: Bool
}

extension ChromaVectorStore {
    /// The server's own limits, asked once.
    func serverLimits() async throws(VectorStoreError) -> Preflight {
        if let known = preflight.withLock({ $0 }) { return known }
        let reply = try await transport.send(.get("/api/v2/pre-flight-checks"))
        let members: [String: PayloadValue]
        do {
            members = try PayloadValue(json: (reply.body ?? ByteBuffer()).readableBytesView).objectValue ?? [:]
        } catch { throw ChromaError.unreadable(error) }
        let limits = Preflight(
            recordsPerWrite: max(1, members["max_batch_size"]?.intValue ?? configuration.limits.recordsPerWrite),
            takesBase64: members["supports_base64_encoding"]?.boolValue ?? false)
        preflight.withLock { $0 = limits }
        return limits
    }
}
#endif
