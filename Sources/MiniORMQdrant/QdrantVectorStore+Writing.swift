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
        try await with(request.collection) { collection async throws(VectorStoreError) in
            var batches = Batches(records: Self.lastOfEach(request.records), collection, options.write)
            // Every vector is checked before anything is sent.
            for record in batches.records { try collection.check(record.vector, recordID: record.id) }
            let (written, failure) = await send(&batches, to: request.collection)
            guard let failure else { return }
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
    private func send(
        _ batches: inout Batches, to name: String
    ) async -> (written: [String], failure: VectorStoreError?) {
        let atOnce = options.write.requestsInFlight
        var rest = batches
        defer { batches = rest }
        return await withTaskGroup(of: ([String], VectorStoreError?).self) { group in
            var written: [String] = []
            var failure: VectorStoreError?
            var underWay = 0
            func take(_ outcome: ([String], VectorStoreError?)) {
                underWay -= 1
                if let error = outcome.1 { failure = failure ?? error } else { written += outcome.0 }
            }
            while failure == nil {
                if underWay >= atOnce, let outcome = await group.next() {
                    take(outcome)
                    continue
                }
                let batch: (points: [Qdrant_PointStruct], ids: [String])?
                do throws(VectorStoreError) { batch = try rest.next() } catch {
                    failure = error
                    break
                }
                guard let batch else { break }
                var request = Qdrant_UpsertPoints()
                request.collectionName = name
                request.wait = options.write.waits
                request.points = batch.points
                if let ordering = options.write.ordering { request.ordering.type = ordering.wire }
                underWay += 1
                group.addTask { [request] in
                    do throws(VectorStoreError) {
                        try Self.check(try await self.connection.call(QdrantMethods.upsert, request))
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
            let found = try await connection.call(QdrantMethods.get, get).result.map(\.id)
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
            let plan = try await plan(request.filter, request.collection, collection)
            if plan.finished == nil {
                let count = try await count(request.collection, plan.pushed)
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
    private let count: Int
    private let bytes: Int
    private var position = 0
    /// A point that did not fit into the batch before.
    private var held: Qdrant_PointStruct?

    init(records: [VectorRecord], _ collection: QdrantCollection, _ options: QdrantWriteOptions) {
        self.records = records
        encoder = PointEncoder(collection: collection)
        count = min(options.batchCount, collection.limits.upsertCount ?? .max)
        bytes = options.batchBytes
    }

    mutating func next() throws(VectorStoreError) -> (points: [Qdrant_PointStruct], ids: [String])? {
        var points: [Qdrant_PointStruct] = []
        points.reserveCapacity(min(count, records.count - position))
        let start = position
        var size = 0
        while points.count < count, position < records.count {
            let point: Qdrant_PointStruct
            if let held { point = held } else { point = try encoder.point(records[position]) }
            held = nil
            size += Self.size(point)
            if size > bytes, !points.isEmpty {
                held = point
                break
            }
            points.append(point)
            position += 1
        }
        return points.isEmpty ? nil : (points, records[start..<position].map(\.id))
    }

    /// About: the fields are taken to be as long as the payload's text, which they mirror.
    private static func size(_ point: Qdrant_PointStruct) -> Int {
        let reserved = point.payload[Reserved.key]?.structValue.fields ?? [:]
        let text = reserved.values.reduce(0) { $0 + $1.stringValue.utf8.count }
        return point.vectors.vector.dense.data.count * 4 + 2 * text + 128
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
