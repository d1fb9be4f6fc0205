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
            return try await records(ids, request.collection, collection)
        }
    }

    /// Records by id, in no order.
    func records(
        _ ids: [String], _ name: String, _ collection: QdrantCollection
    ) async throws(VectorStoreError) -> [VectorRecord] {
        var records: [VectorRecord] = []
        let wanted = Set(ids.map(UTF8Key.init))
        let unique = wanted.map(\.string)
        let count = collection.pageLimit(1024)
        for start in stride(from: 0, to: unique.count, by: count) {
            let part = unique[start..<min(unique.count, start + count)]
            let points = try await get(
                part.map(collection.identity.point), name, collection.payloadSelector, includeVectors: true)
            for point in try await complete(points, name, collection) {
                let record = try point.record()
                if wanted.contains(UTF8Key(record.id)) { records.append(record) }
            }
        }
        return records
    }

    /// Points by id; in halves where an answer would be too large.
    private func get(
        _ points: [Qdrant_PointId], _ name: String, _ payload: Qdrant_WithPayloadSelector, includeVectors: Bool
    ) async throws(VectorStoreError) -> [StoredPoint] {
        var request = Qdrant_GetPoints()
        request.collectionName = name
        request.ids = points
        request.withPayload = payload
        request.withVectors.enable = includeVectors
        if let consistency { request.readConsistency = consistency }
        do { return try await connection.call(QdrantMethods.get, request) } catch {
            guard QdrantFailure.isTooLarge(error), points.count > 1 else { throw error }
        }
        let half = points.count / 2
        return try await get(Array(points[..<half]), name, payload, includeVectors: includeVectors)
            + get(Array(points[half...]), name, payload, includeVectors: includeVectors)
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

    /// The number of records that match: counted by the engine where it decides the whole filter, and strict mode lets
    /// it count exactly.
    public func count(_ request: CountRequest) async throws(VectorStoreError) -> Int {
        try await with(request.collection) { collection async throws(VectorStoreError) in
            let plan = try await plan(request.filter, request.collection, collection)
            if plan.finished == nil { return try await count(request.collection, plan, collection) }
            var count = 0
            var scroll = Scroll(request.collection, plan, includeVectors: false)
            while let page = try await next(&scroll, collection, limit: 1024) { count += page.count }
            return count
        }
    }

    /// The number of records that match a filter which the engine decides.
    func count(
        _ name: String, _ plan: FilterTranslation.Plan, _ collection: QdrantCollection
    ) async throws(VectorStoreError) -> Int {
        if plan.isNothing { return 0 }
        guard collection.limits.allowsExact else {
            // Ids alone are small.
            let limit = min(10_000, collection.limits.queryLimit ?? .max)
            var count = 0
            var scroll = Scroll(name, plan, includeVectors: false)
            while !scroll.isAtEnd {
                count += try await page(&scroll, .with { $0.enable = false }, limit: limit).count
            }
            return count
        }
        var request = Qdrant_CountPoints()
        request.collectionName = name
        if let filter = plan.pushed { request.filter = filter }
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
                guard let position = cursor.state as? Scroll.Position else {
                    throw VectorStoreError(
                        .invalidArgument, "the cursor is not one of this store's", store: Self.name)
                }
                scroll.position = position
            }
            let page = try await next(&scroll, collection, limit: max(1, request.pageSize)) ?? []
            var records: [VectorRecord] = []
            records.reserveCapacity(page.count)
            for point in page { records.append(try point.record()) }
            return ScanPage(records: records, next: scroll.isAtEnd ? nil : ScanCursor(scroll.position))
        }
    }

    /// Where reading a collection has come to.
    struct Scroll {
        let name: String
        let plan: FilterTranslation.Plan
        let includeVectors: Bool
        var position = Position()
        var isAtEnd: Bool

        struct Position: Sendable {
            /// The first point of the next page; `nil` at the beginning.
            var offset: Qdrant_PointId?
            /// How many points a page may have: fewer once an answer was too large.
            var limit = Int.max
        }

        init(_ name: String, _ plan: FilterTranslation.Plan, includeVectors: Bool) {
            self.name = name
            self.plan = plan
            self.includeVectors = includeVectors
            isAtEnd = plan.isNothing
        }
    }

    /// The next page of the points that match; `nil` after the last.
    func next(
        _ scroll: inout Scroll, _ collection: QdrantCollection, limit: Int
    ) async throws(VectorStoreError) -> [StoredPoint]? {
        guard !scroll.isAtEnd else { return nil }
        let found = try await page(&scroll, collection.payloadSelector, limit: collection.pageLimit(limit))
        var points = try await complete(found, scroll.name, collection)
        if let filter = scroll.plan.finished { points = try Self.matching(points, filter) }
        return points
    }

    /// A page as the engine answers it; a shorter one where an answer would be too large.
    private func page(
        _ scroll: inout Scroll, _ payload: Qdrant_WithPayloadSelector, limit: Int
    ) async throws(VectorStoreError) -> [StoredPoint] {
        var request = Qdrant_ScrollPoints()
        request.collectionName = scroll.name
        if let filter = scroll.plan.pushed { request.filter = filter }
        if let offset = scroll.position.offset { request.offset = offset }
        request.withPayload = payload
        request.withVectors.enable = scroll.includeVectors
        if let consistency { request.readConsistency = consistency }
        while true {
            let limit = min(limit, scroll.position.limit)
            request.limit = UInt32(clamping: limit)
            do {
                let reply = try await connection.call(QdrantMethods.scroll, request)
                scroll.position.offset = reply.next
                scroll.isAtEnd = reply.next == nil
                return reply.points
            } catch {
                guard QdrantFailure.isTooLarge(error), limit > 1 else { throw error }
                scroll.position.limit = limit / 2
            }
        }
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
                case .replicas(let count): $0.factor = UInt64(clamping: count)
                }
            }
        }
    }
}
#endif
