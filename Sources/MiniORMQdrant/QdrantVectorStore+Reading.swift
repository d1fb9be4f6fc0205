#if Qdrant
public import MiniORM
internal import SwiftProtobuf

extension QdrantVectorStore {
    /// Records by id; every record for `nil`, which reads the collection page by page and holds all of it.
    public func fetch(_ request: FetchRequest) async throws(VectorStoreError) -> [VectorRecord] {
        try await with(request.collection) { collection async throws(VectorStoreError) in
            guard let ids = request.ids else {
                var records: [VectorRecord] = []
                var scroll = Scroll(request.collection, FilterTranslation.Plan(), includeVectors: true)
                while let page = try await next(&scroll, collection, limit: 1024) {
                    for point in page { records.append(try point.record()) }
                }
                return records
            }
            if ids.isEmpty {
                // What is known of the collection may be old.
                guard try await info(request.collection) != nil else { throw Self.notFound(request.collection) }
                return []
            }
            var records: [VectorRecord] = []
            let wanted = Set(ids.map(UTF8Key.init))
            let unique = wanted.map(\.string)
            let count = collection.pageLimit(1024)
            for start in stride(from: 0, to: unique.count, by: count) {
                let part = unique[start..<min(unique.count, start + count)]
                let points = try await get(
                    part.map(collection.identity.point), request.collection, collection.payloadSelector,
                    includeVectors: true)
                for point in try await complete(points, request.collection, collection) {
                    let record = try point.record()
                    if wanted.contains(UTF8Key(record.id)) { records.append(record) }
                }
            }
            return records
        }
    }

    private func get(
        _ points: [Qdrant_PointId], _ name: String, _ payload: Qdrant_WithPayloadSelector, includeVectors: Bool
    ) async throws(VectorStoreError) -> [StoredPoint] {
        var request = Qdrant_GetPoints()
        request.collectionName = name
        request.ids = points
        request.withPayload = payload
        request.withVectors.enable = includeVectors
        if let consistency { request.readConsistency = consistency }
        return try await connection.call(QdrantMethods.get, request)
    }

    /// In a collection of ours only the reserved part of payloads is asked for; points that another program put there
    /// have none, and are asked for whole.
    func complete(
        _ points: [StoredPoint], _ name: String, _ collection: QdrantCollection
    ) async throws(VectorStoreError) -> [StoredPoint] {
        guard collection.isOurs else { return points }
        let foreign = points.filter { !$0.isOurs }.map(\.id)
        guard !foreign.isEmpty else { return points }
        let whole = try await get(foreign, name, .with { $0.enable = true }, includeVectors: false)
        let payloads = Dictionary(whole.map { ($0.id, $0.fields) }) { $1 }
        return points.map { point in
            var point = point
            if let fields = payloads[point.id] { point.fields = fields }
            return point
        }
    }

    /// The number of records that match: counted by the engine where it decides the whole filter.
    public func count(_ request: CountRequest) async throws(VectorStoreError) -> Int {
        try await with(request.collection) { collection async throws(VectorStoreError) in
            let plan = try await plan(request.filter, request.collection, collection)
            if plan.finished == nil { return try await count(request.collection, plan.pushed) }
            var count = 0
            var scroll = Scroll(request.collection, plan, includeVectors: false)
            while let page = try await next(&scroll, collection, limit: 1024) { count += page.count }
            return count
        }
    }

    func count(_ name: String, _ filter: Qdrant_Filter?) async throws(VectorStoreError) -> Int {
        var request = Qdrant_CountPoints()
        request.collectionName = name
        if let filter { request.filter = filter }
        request.exact = true
        if let consistency { request.readConsistency = consistency }
        return Int(clamping: try await connection.call(QdrantMethods.count, request).result.count)
    }

    /// A page of the records that match, in the order of the points' ids.
    public func scan(_ request: ScanRequest) async throws(VectorStoreError) -> ScanPage {
        try await with(request.collection) { collection async throws(VectorStoreError) in
            let plan = try await plan(request.filter, request.collection, collection)
            var scroll = Scroll(request.collection, plan, includeVectors: true)
            if let cursor = request.cursor {
                guard let point = cursor.state as? Qdrant_PointId else {
                    throw VectorStoreError(
                        .invalidArgument, "the cursor is not one of this store's", store: Self.name)
                }
                scroll.offset = point
            }
            let page = try await next(&scroll, collection, limit: max(1, request.pageSize)) ?? []
            var records: [VectorRecord] = []
            records.reserveCapacity(page.count)
            for point in page { records.append(try point.record()) }
            return ScanPage(records: records, next: scroll.offset.map { ScanCursor($0) })
        }
    }

    /// Where reading a collection has come to.
    struct Scroll {
        let name: String
        let plan: FilterTranslation.Plan
        let includeVectors: Bool
        /// The first point of the next page.
        var offset: Qdrant_PointId?
        var isAtEnd = false

        init(_ name: String, _ plan: FilterTranslation.Plan, includeVectors: Bool) {
            self.name = name
            self.plan = plan
            self.includeVectors = includeVectors
        }
    }

    /// The next page of the points that match; `nil` after the last.
    func next(
        _ scroll: inout Scroll, _ collection: QdrantCollection, limit: Int
    ) async throws(VectorStoreError) -> [StoredPoint]? {
        guard !scroll.isAtEnd else { return nil }
        var request = Qdrant_ScrollPoints()
        request.collectionName = scroll.name
        if let filter = scroll.plan.pushed { request.filter = filter }
        if let offset = scroll.offset { request.offset = offset }
        request.limit = UInt32(clamping: collection.pageLimit(limit))
        request.withPayload = collection.payloadSelector
        request.withVectors.enable = scroll.includeVectors
        if let consistency { request.readConsistency = consistency }
        let reply = try await connection.call(QdrantMethods.scroll, request)
        scroll.offset = reply.next
        scroll.isAtEnd = scroll.offset == nil
        var points = try await complete(reply.points, scroll.name, collection)
        if let filter = scroll.plan.finished { points = try Self.matching(points, filter) }
        return points
    }

    static func matching(_ points: [StoredPoint], _ filter: VectorFilter) throws(VectorStoreError) -> [StoredPoint] {
        var matching: [StoredPoint] = []
        for point in points where filter.matches(try point.recordPayload()) { matching.append(point) }
        return matching
    }

    var consistency: Qdrant_ReadConsistency? {
        options.search.consistency.map { wanted in
            .with {
                switch wanted {
                case .all: $0.type = .all
                case .majority: $0.type = .majority
                case .quorum: $0.type = .quorum
                case .replicas(let count): $0.factor = UInt64(clamping: max(1, count))
                }
            }
        }
    }
}
#endif
