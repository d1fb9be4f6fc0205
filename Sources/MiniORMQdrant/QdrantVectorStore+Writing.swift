#if Qdrant
public import MiniORM

extension QdrantVectorStore {
    /// Inserts records, or replaces them whole, in batches, several at a time.
    ///
    /// When a batch fails, no further one is sent, those under way are waited for, and
    /// `VectorStoreError.Code.partialWrite` says which records are in (`VectorStoreError.Code.cancelled` does where
    /// the task was cancelled). A batch whose reply was lost may be in without being named. Sending the same call again
    /// completes it.
    public func upsert(_ request: UpsertRequest) async throws(VectorStoreError) {
        // What is in already, where the call is begun again after a refusal.
        var earlier: (creation: String?, ids: [String]) = (nil, [])
        try await with(request.collection) { collection async throws(VectorStoreError) in
            var batches = Batches(
                Self.lastOfEach(request.records), to: request.collection, collection, options.write)
            // Every vector is checked before anything is sent.
            for record in batches.records { try collection.check(record.vector, recordID: record.id) }
            let (sent, failure) = await send(&batches)
            guard let failure else { return }
            let inNow = Set(sent.map(UTF8Key.init))
            // Nothing is left of it where the collection was made anew meanwhile.
            if collection.creation == nil || collection.creation != earlier.creation { earlier.ids = [] }
            let written = sent + earlier.ids.filter { !inNow.contains(UTF8Key($0)) }
            earlier = (collection.creation, written)
            guard !written.isEmpty else { throw failure }
            if failure.code == .cancelled {
                throw VectorStoreError(
                    .cancelled, "the task was cancelled; \(written.count) of \(batches.records.count) records are in",
                    store: Self.name, writtenIDs: written, cause: failure)
            }
            throw VectorStoreError(
                .partialWrite,
                "\(written.count) of \(batches.records.count) records are in, then: \(failure.message); "
                    + "send the same call again",
                store: Self.name, writtenIDs: written, cause: failure)
        }
    }

    /// Sends batches, a few at a time, until all are in or one failed; the next one is made when a place is free.
    private func send(_ batches: inout Batches) async -> (written: [String], failure: VectorStoreError?) {
        let atOnce = options.write.requestsInFlight
        var rest = batches
        defer { batches = rest }
        return await withTaskGroup(of: ([String], VectorStoreError?).self) { group in
            var written: [String] = []
            var failure: VectorStoreError?
            var underWay = 0
            func take(_ outcome: ([String], VectorStoreError?)) {
                underWay -= 1
                guard let error = outcome.1 else {
                    written += outcome.0
                    return
                }
                // After a refusal all is sent again, which another failure may not allow.
                if failure.map(QdrantFailure.isRefusal) ?? true { failure = error }
            }
            while failure == nil {
                if underWay >= atOnce, let outcome = await group.next() {
                    take(outcome)
                    continue
                }
                let batch: (request: ProtobufWriter, ids: [String])?
                do throws(VectorStoreError) { batch = try rest.next() } catch {
                    failure = error
                    break
                }
                guard let batch else { break }
                underWay += 1
                group.addTask {
                    do throws(VectorStoreError) {
                        try Self.check(try await self.connection.call(QdrantMethods.upsert, batch.request))
                        return (batch.ids, nil)
                    } catch {
                        return (batch.ids, error)
                    }
                }
            }
            while let outcome = await group.next() { take(outcome) }
            return (written, failure)
        }
    }

    /// Batches go out at the same time, so each id is sent once.
    private static func lastOfEach(_ records: [VectorRecord]) -> [VectorRecord] {
        var last: [UTF8Key: Int] = [:]
        last.reserveCapacity(records.count)
        for (index, record) in records.enumerated() { last[UTF8Key(record.id)] = index }
        if last.count == records.count { return records }
        return records.enumerated().filter { last[UTF8Key($0.element.id)] == $0.offset }.map(\.element)
    }

    /// What a server says when it took a write and has not applied it.
    static func check(_ reply: Qdrant_PointsOperationResponse) throws(VectorStoreError) {
        switch reply.result.status {
        case .waitTimeout:
            throw VectorStoreError(.timeout, "the server took the write and has not applied it yet", store: Self.name)
        case .clockRejected:
            throw VectorStoreError(.unavailable, "the replicas did not agree on the write; try again", store: Self.name)
        default: break
        }
    }

    /// Deletes records by id, and says how many there were: asked for before, as the engine does not say.
    public func delete(_ request: DeleteRequest) async throws(VectorStoreError) -> Int {
        try await with(request.collection) { collection async throws(VectorStoreError) in
            var seen: Set<UTF8Key> = []
            let ids = request.ids.filter { seen.insert(UTF8Key($0)).inserted }
            return try await delete(ids.map(collection.identity.point), from: request.collection)
        }
    }

    private static let deletionCount = 1000

    private func delete(_ points: [Qdrant_PointId], from name: String) async throws(VectorStoreError) -> Int {
        var count = 0
        for start in stride(from: 0, to: points.count, by: Self.deletionCount) {
            let part = Array(points[start..<min(points.count, start + Self.deletionCount)])
            var get = Qdrant_GetPoints()
            get.collectionName = name
            get.ids = part
            get.withPayload.enable = false
            get.withVectors.enable = false
            if let consistency { get.readConsistency = consistency }
            let found = try await connection.call(QdrantMethods.get, get).map(\.id)
            guard !found.isEmpty else { continue }
            try await delete(from: name) { $0.points.ids = found }
            count += found.count
        }
        return count
    }

    private func delete(
        from name: String, _ select: (inout Qdrant_PointsSelector) -> Void
    ) async throws(VectorStoreError) {
        var request = Qdrant_DeletePoints()
        request.collectionName = name
        request.wait = options.write.waits
        select(&request.points)
        if let ordering = options.write.ordering { request.ordering.type = ordering.wire }
        try Self.check(try await connection.call(QdrantMethods.delete, request))
    }

    /// Deletes the records that match, and says how many there were: in the engine where it decides the whole filter, by
    /// id after reading the candidates otherwise.
    public func deleteMatching(_ request: DeleteMatchingRequest) async throws(VectorStoreError) -> Int {
        try await with(request.collection) { collection async throws(VectorStoreError) in
            let plan = try await plan(request.filter, request.collection, collection, forDeletion: true)
            if plan.finished == nil {
                let count = try await count(request.collection, plan, collection)
                if count > 0 {
                    try await delete(from: request.collection) { $0.filter = plan.pushed ?? Qdrant_Filter() }
                }
                return count
            }
            var points: [Qdrant_PointId] = []
            var scroll = Scroll(request.collection, plan, includeVectors: false)
            while let page = try await next(&scroll, collection, limit: 1024) { points += page.map(\.id) }
            return try await delete(points, from: request.collection)
        }
    }
}

/// Records cut into requests by count and size, made one at a time.
private struct Batches {
    let records: [VectorRecord]
    private let encoder: PointEncoder
    /// What every request says beside its points.
    private let common: ProtobufWriter
    private let count: Int
    private let bytes: Int
    private var position = 0
    private var bytesPerRecord: Int

    init(
        _ records: [VectorRecord], to name: String, _ collection: QdrantCollection, _ options: QdrantWriteOptions
    ) {
        self.records = records
        encoder = PointEncoder(collection: collection)
        count = min(options.batchCount, collection.limits.upsertCount ?? .max)
        bytes = options.batchBytes
        bytesPerRecord = collection.dimension * 4 + 512
        var common = ProtobufWriter()
        common.field(1, name)
        common.field(2, options.waits)
        if let ordering = options.ordering { common.message(4) { $0.field(1, UInt64(ordering.wire.rawValue)) } }
        self.common = common
    }

    mutating func next() throws(VectorStoreError) -> (request: ProtobufWriter, ids: [String])? {
        let start = position
        let most = min(count, records.count - start)
        guard most > 0 else { return nil }
        var request = ProtobufWriter(reservingCapacity: min(bytes, most * bytesPerRecord) + 1024)
        request.append(common)
        while position < start + most {
            let length = request.count
            try encoder.append(records[position], to: &request)
            // A point that does not fit goes into the next request, unless it is alone.
            if request.count > bytes, position > start {
                request.cut(to: length)
                break
            }
            position += 1
        }
        bytesPerRecord = request.count / (position - start) + 64
        return (request, records[start..<position].map(\.id))
    }
}

extension QdrantWriteOptions.Ordering {
    fileprivate var wire: Qdrant_WriteOrderingType {
        switch self {
        case .weak: .weak
        case .medium: .medium
        case .strong: .strong
        }
    }
}
#endif
