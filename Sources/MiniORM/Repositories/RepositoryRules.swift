/// What both repositories check, default, order and put into errors: all that does not wait, written once.
struct RepositoryRules: Sendable {
    let collection: CollectionDescription
    let store: String
    let capabilities: StoreCapabilities
    let codec: any VectorPayloadCodec

    init(
        collection: CollectionDescription, store: String, capabilities: StoreCapabilities,
        codec: any VectorPayloadCodec
    ) throws(VectorStoreError) {
        self.collection = collection
        self.store = store
        self.capabilities = capabilities
        self.codec = codec
        guard !collection.name.isEmpty, !collection.name.utf8.contains(0) else {
            throw error(.invalidCollectionName, "a collection name is not empty and holds no NUL")
        }
        guard collection.dimension >= 1 else {
            throw error(.invalidArgument, "the dimension is \(collection.dimension); it is at least 1")
        }
        if let limit = capabilities.maximumDimension, collection.dimension > limit {
            throw error(
                .invalidArgument, "the dimension is \(collection.dimension); this store takes at most \(limit)")
        }
        guard capabilities.metrics.contains(collection.metric) else {
            throw error(.invalidArgument, "this store has no metric \(collection.metric)")
        }
    }

    /// What `init` of a repository asks the store, if anything.
    func creation(autoCreate: Bool, overwrite: Bool) throws(VectorStoreError) -> CreateCollectionRequest? {
        if autoCreate { return CreateCollectionRequest(collection: collection, mode: overwrite ? .overwrite : .ensure) }
        if overwrite { throw error(.invalidArgument, "overwrite needs autoCreate") }
        return nil
    }

    func creation(overwrite: Bool) -> CreateCollectionRequest {
        CreateCollectionRequest(collection: collection, mode: overwrite ? .overwrite : .create)
    }

    /// Checks every record, and leaves the last one of each id.
    func upsert(_ records: [VectorRecord]) throws(VectorStoreError) -> UpsertRequest {
        var records = records
        for index in records.indices {
            try check(id: records[index].id)
            try check(vector: records[index].vector, recordID: records[index].id)
            // Most records are left as they are, so that the caller's array is not copied without need.
            guard let payload = records[index].payload else { continue }
            let encoded = try stored(payload, recordID: records[index].id)
            if !payload.isEmpty || !encoded.isEmpty { records[index].payload = encoded }
        }
        return UpsertRequest(collection: collection.name, records: Self.lastOfEachID(records))
    }

    /// The records, where several have one id the last of them in the place of the first.
    private static func lastOfEachID(_ records: [VectorRecord]) -> [VectorRecord] {
        var places = IdTable()
        places.reserve(records.count)
        let hash = IdHash(seed: .random(in: 0...UInt64.max))
        // `nil` as long as no id has come twice.
        var unique: [VectorRecord]?
        for position in records.indices {
            let place = RowLocation(position: unique?.count ?? position)
            let first = places.findOrInsert(hash.of(records[position].id), place) { other in
                let first = unique?[other.position].id ?? records[other.position].id
                return UTF8Key(first) == UTF8Key(records[position].id)
            }
            if let first {
                if unique == nil { unique = Array(records[..<position]) }
                unique?[first.position] = records[position]
            } else {
                unique?.append(records[position])
            }
        }
        return unique ?? records
    }

    func query(_ vector: [Float], _ options: QueryOptions) throws(VectorStoreError) -> QueryRequest {
        try check(vector: vector, recordID: nil)
        return QueryRequest(collection: collection.name, vector: vector, options: try checked(options))
    }

    func query(_ vectors: [[Float]], _ options: QueryOptions) throws(VectorStoreError) -> QueryBatchRequest {
        for vector in vectors { try check(vector: vector, recordID: nil) }
        return QueryBatchRequest(collection: collection.name, vectors: vectors, options: try checked(options))
    }

    /// Best first, ties by id, at most `topK`, payloads decoded.
    func finish(
        _ results: [VectorSearchResult], _ options: QueryOptions
    ) throws(VectorStoreError) -> [VectorSearchResult] {
        if let wrong = results.first(where: { $0.score.isNaN }) {
            throw error(.backend, "the store answered a score that is not a number", recordID: wrong.id)
        }
        var results = results
        // What is beyond a float is infinite from one engine and the largest float from another. A distance of zero is
        // -0.0 from one and 0.0 from another; their sum with zero is 0.0.
        for index in results.indices { results[index].score = Float.saturated(Double(results[index].score)) + 0 }
        if let minScore = options.minScore { results.removeAll { $0.score < minScore } }
        let isOrdered = zip(results, results.dropFirst()).allSatisfy { !VectorSearchResult.isBetter($1, $0) }
        if !isOrdered { results.sort(by: VectorSearchResult.isBetter) }
        if results.count > options.topK { results.removeLast(results.count - options.topK) }
        for index in results.indices {
            results[index].payload = try loaded(results[index].payload, recordID: results[index].id)
            if !options.includeVectors { results[index].vector = nil }
        }
        return results
    }

    func finish(
        _ results: [[VectorSearchResult]], _ options: QueryOptions, queries: Int
    ) throws(VectorStoreError) -> [[VectorSearchResult]] {
        guard results.count == queries else {
            throw error(.backend, "the store answered \(results.count) of \(queries) queries")
        }
        var finished: [[VectorSearchResult]] = []
        for answers in results { finished.append(try finish(answers, options)) }
        return finished
    }

    /// A request for each id once.
    func fetch(_ ids: [String]?) throws(VectorStoreError) -> FetchRequest {
        FetchRequest(collection: collection.name, ids: try ids.map(unique))
    }

    /// In the order of the ids, missing ones skipped, repeats kept; ordered by id where all were asked for.
    func finish(_ records: [VectorRecord], _ ids: [String]?) throws(VectorStoreError) -> [VectorRecord] {
        var records = records
        for index in records.indices { records[index] = try loaded(records[index]) }
        guard let ids else { return records.sorted { UTF8Key($0.id) < UTF8Key($1.id) } }
        let byID = Dictionary(records.map { (UTF8Key($0.id), $0) }) { $1 }
        return ids.compactMap { byID[UTF8Key($0)] }
    }

    func delete(_ ids: [String]) throws(VectorStoreError) -> DeleteRequest {
        DeleteRequest(collection: collection.name, ids: try unique(ids))
    }

    func delete(matching filter: VectorFilter) throws(VectorStoreError) -> DeleteMatchingRequest {
        DeleteMatchingRequest(collection: collection.name, filter: try stored(filter))
    }

    func count(matching filter: VectorFilter?) throws(VectorStoreError) -> CountRequest {
        CountRequest(collection: collection.name, filter: try filter.map(stored))
    }

    func scan(matching filter: VectorFilter?, pageSize: Int) throws(VectorStoreError) -> ScanRequest {
        guard pageSize >= 1 else { throw error(.invalidArgument, "the page size is \(pageSize); it is at least 1") }
        return ScanRequest(collection: collection.name, filter: try filter.map(stored), pageSize: pageSize)
    }

    func explain(_ filter: VectorFilter) throws(VectorStoreError) -> ExplainRequest {
        ExplainRequest(collection: collection.name, filter: try stored(filter))
    }

    func loaded(_ record: VectorRecord) throws(VectorStoreError) -> VectorRecord {
        var record = record
        record.payload = try loaded(record.payload, recordID: record.id)
        return record
    }

    /// Adds what the repository knows and the store may not have said.
    func inContext(_ error: VectorStoreError) -> VectorStoreError {
        error.adding(store: store, collection: collection.name)
    }

    var canDescribe: Bool { capabilities.nativeOperations.contains(.describeCollection) }

    /// A fetch that only tells whether the collection is there.
    var probe: FetchRequest { FetchRequest(collection: collection.name, ids: []) }

    var notFound: VectorStoreError { error(.collectionNotFound, "there is no such collection") }
}

// The checks.
extension RepositoryRules {
    private func error(_ code: VectorStoreError.Code, _ message: String, recordID: String? = nil) -> VectorStoreError {
        VectorStoreError(code, message, store: store, collection: collection.name, recordID: recordID)
    }

    private func check(id: String) throws(VectorStoreError) {
        guard !id.isEmpty else { throw error(.invalidIdentifier, "an id is empty") }
        guard !id.holdsNUL else { throw error(.invalidIdentifier, "an id holds NUL", recordID: id) }
        if capabilities.idPolicy == .uuid, !Self.isUUID(id) {
            throw error(.invalidIdentifier, "this store's ids are UUIDs", recordID: id)
        }
    }

    private static func isUUID(_ id: String) -> Bool {
        let bytes = Array(id.utf8)
        guard bytes.count == 36 else { return false }
        return bytes.indices.allSatisfy { index in
            switch index {
            case 8, 13, 18, 23: bytes[index] == UInt8(ascii: "-")
            default: Character(Unicode.Scalar(bytes[index])).isHexDigit
            }
        }
    }

    private func unique(_ ids: [String]) throws(VectorStoreError) -> [String] {
        var seen: Set<UTF8Key> = []
        var unique: [String] = []
        for id in ids {
            try check(id: id)
            if seen.insert(UTF8Key(id)).inserted { unique.append(id) }
        }
        return unique
    }

    private func check(vector: [Float], recordID: String?) throws(VectorStoreError) {
        let what = recordID == nil ? "the query vector" : "the vector"
        guard vector.count == collection.dimension else {
            throw error(
                .invalidVector, "\(what) has \(vector.count) components; the collection has \(collection.dimension)",
                recordID: recordID)
        }
        guard vector.isFinite else {
            let index = vector.firstIndex { !$0.isFinite } ?? 0
            throw error(.invalidVector, "component \(index) of \(what) is not finite", recordID: recordID)
        }
    }

    private func checked(_ options: QueryOptions) throws(VectorStoreError) -> QueryOptions {
        var options = options
        if let minScore = options.minScore, minScore.isNaN {
            throw error(.invalidArgument, "minScore is not a number")
        }
        if let limit = capabilities.maximumTopK, options.topK > limit {
            throw error(.invalidArgument, "topK is \(options.topK); this store takes at most \(limit)")
        }
        if let filter = options.filter { options.filter = try stored(filter) }
        return options
    }

    private func stored(
        _ payload: [String: PayloadValue], recordID: String
    ) throws(VectorStoreError) -> [String: PayloadValue] {
        try check(payload, recordID: recordID, depth: 1, isEncoded: false)
        let encoded: [String: PayloadValue]
        do { encoded = try codec.encode(payload) } catch {
            throw inContext(error.adding(recordID: recordID))
        }
        // A codec is anybody's: what reaches the store is checked, not only what it was made of.
        try check(encoded, recordID: recordID, depth: 1, isEncoded: true)
        return encoded
    }

    private func loaded(
        _ payload: [String: PayloadValue]?, recordID: String
    ) throws(VectorStoreError) -> [String: PayloadValue]? {
        guard let payload else { return nil }
        do { return try codec.decode(payload) } catch { throw inContext(error.adding(recordID: recordID)) }
    }

    /// Depth and finite numbers, before anything recurses over the payload; once it is encoded, that it holds nothing
    /// that a store cannot keep.
    private func check(
        _ members: [String: PayloadValue], recordID: String, depth: Int, isEncoded: Bool
    ) throws(VectorStoreError) {
        for (key, value) in members {
            try check(value, key: key, recordID: recordID, depth: depth, isEncoded: isEncoded)
        }
    }

    private func check(
        _ value: PayloadValue, key: String, recordID: String, depth: Int, isEncoded: Bool
    ) throws(VectorStoreError) {
        func check(_ values: some Sequence<PayloadValue>) throws(VectorStoreError) {
            for value in values {
                try self.check(value, key: key, recordID: recordID, depth: depth + 1, isEncoded: isEncoded)
            }
        }
        guard depth <= RepositoryLimits.payloadDepth else {
            throw error(
                .unsupportedPayload,
                "the value at key \(key.quoted) is nested deeper than \(RepositoryLimits.payloadDepth) levels",
                recordID: recordID)
        }
        switch value {
        case .null, .bool, .int, .string: break
        case .double(let number):
            guard number.isFinite else {
                throw error(.unsupportedPayload, "the number at key \(key.quoted) is not finite", recordID: recordID)
            }
        case .array(let values): try check(values)
        case .object(let members): try self.check(members, recordID: recordID, depth: depth + 1, isEncoded: isEncoded)
        case .rich where isEncoded:
            throw error(
                .unsupportedPayload,
                "the value at key \(key.quoted) needs a codec that knows it, such as JsonVectorPayloadCodec",
                recordID: recordID)
        case .rich(.tuple(let values)): try check(values)
        case .rich(.set(let values)): try check(values)
        case .rich(.enumeration(_, let rawValue)): try check(CollectionOfOne(rawValue))
        case .rich: break
        }
    }

    private func stored(_ filter: VectorFilter) throws(VectorStoreError) -> VectorFilter {
        guard capabilities.supportsFilters else { throw error(.unsupportedFilter, "this store takes no filters") }
        try checkDepth(filter)
        let encoded: VectorFilter
        do { encoded = try codec.encode(filter) } catch { throw inContext(error) }
        try checkDepth(encoded)
        guard !encoded.operands.contains(where: \.holdsRichValue) else {
            throw error(
                .unsupportedFilter, "a value in the filter needs a codec that knows it, such as JsonVectorPayloadCodec")
        }
        guard encoded.operands.allSatisfy(\.isFinite) else {
            throw error(.unsupportedFilter, "a number in the filter is not finite")
        }
        return encoded
    }

    private func checkDepth(_ filter: VectorFilter) throws(VectorStoreError) {
        guard filter.isNoDeeper(than: RepositoryLimits.filterDepth) else {
            throw error(
                .unsupportedFilter,
                "the filter, or what the codec made of it, is nested deeper than \(RepositoryLimits.filterDepth) levels"
            )
        }
    }
}

extension String {
    fileprivate var holdsNUL: Bool {
        utf8.withContiguousStorageIfAvailable { $0.contains(0) } ?? utf8.contains(0)
    }
}

extension PayloadValue {
    fileprivate var holdsRichValue: Bool {
        switch self {
        case .rich: true
        case .array(let values): values.contains(where: \.holdsRichValue)
        case .object(let members): members.values.contains(where: \.holdsRichValue)
        default: false
        }
    }

    fileprivate var isFinite: Bool {
        switch self {
        case .double(let value): value.isFinite
        case .array(let values): values.allSatisfy(\.isFinite)
        case .object(let members): members.values.allSatisfy(\.isFinite)
        default: true
        }
    }

    fileprivate func isNoDeeper(than depth: Int) -> Bool {
        switch self {
        case .array(let values): depth > 0 && values.allSatisfy { $0.isNoDeeper(than: depth - 1) }
        case .object(let members): depth > 0 && members.values.allSatisfy { $0.isNoDeeper(than: depth - 1) }
        case .rich(.tuple(let values)): depth > 0 && values.allSatisfy { $0.isNoDeeper(than: depth - 1) }
        case .rich(.set(let values)): depth > 0 && values.allSatisfy { $0.isNoDeeper(than: depth - 1) }
        case .rich(.enumeration(_, let value)): depth > 0 && value.isNoDeeper(than: depth - 1)
        default: true
        }
    }
}

extension VectorFilter {
    /// Every value that fields are compared with.
    fileprivate var operands: [PayloadValue] {
        switch self {
        case .compare(_, _, let value), .contains(_, let value): [value]
        case .isIn(_, let values): values
        case .exists: []
        case .and(let terms), .or(let terms): terms.flatMap(\.operands)
        case .not(let term): term.operands
        }
    }

    fileprivate func isNoDeeper(than depth: Int) -> Bool {
        switch self {
        case .compare, .isIn, .contains:
            return operands.allSatisfy { $0.isNoDeeper(than: RepositoryLimits.payloadDepth) }
        case .exists: return true
        case .and(let terms), .or(let terms): return depth > 0 && terms.allSatisfy { $0.isNoDeeper(than: depth - 1) }
        case .not(let term): return depth > 0 && term.isNoDeeper(than: depth - 1)
        }
    }
}

extension RowLocation {
    /// A place in an array.
    fileprivate init(position: Int) {
        self.init(serial: UInt32(truncatingIfNeeded: position >> 32), row: UInt32(truncatingIfNeeded: position))
    }

    fileprivate var position: Int { Int(serial) << 32 | Int(row) }
}
