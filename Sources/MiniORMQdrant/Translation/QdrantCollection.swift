#if Qdrant
internal import MiniORM
internal import SwiftProtobuf

/// What there is to know of a collection before its points can be read and written.
struct QdrantCollection: Sendable, Equatable {
    let dimension: Int
    let metric: VectorMetric
    let identity: PointIdentity
    /// Whether this library created it.
    let isOurs: Bool
    /// What of the creation's call marks it as that call's; `nil` on servers that keep no metadata.
    let creation: String?
    /// Whether vectors are searched in a smaller form, whose scores are only nearly theirs.
    let isQuantized: Bool
    /// The types of its payload indexes, by key; see ``FilterTranslation/key(_:)``.
    let indexes: [String: Qdrant_PayloadSchemaType]
    /// The limits of strict mode, where it is on.
    let limits: Limits

    struct Limits: Sendable, Equatable {
        var queryLimit: Int?
        var upsertCount: Int?
        var searchCount: Int?
        /// How many conditions a filter may have, those of its parts included.
        var conditionCount: Int?
        /// How many values a condition may have.
        var valueCount: Int?
        var allowsExact = true
        /// Whether what is read may be filtered by fields without an index.
        var readsUnindexed = true
        /// Whether what is deleted may be.
        var deletesUnindexed = true
    }

    /// The most that Qdrant takes, and more than a size of what is read or sent could overflow by.
    static let maximumDimension = 65_536

    /// `nil` for a collection that this library cannot open: it does not have one unnamed dense vector for each point.
    init?(_ info: Qdrant_CollectionInfo) {
        let config = info.config
        guard case .params(let params)? = config.params.vectorsConfig.config, !params.hasMultivectorConfig,
            params.size >= 1, params.size <= Self.maximumDimension
        else { return nil }
        dimension = Int(params.size)
        isQuantized = config.hasQuantizationConfig || params.hasQuantizationConfig
        switch params.distance {
        case .cosine: metric = .cosine
        case .dot: metric = .dot
        case .euclid: metric = .l2
        default: return nil
        }
        indexes = Dictionary(
            info.payloadSchema.map { (FilterTranslation.canonical($0), $1.dataType) }, uniquingKeysWith: { $1 })
        let mark = config.metadata[Reserved.metadata]?.structValue.fields
        if let mark, let identity = PointIdentity(rawValue: mark["ids"]?.stringValue ?? "") {
            (isOurs, self.identity, creation) = (true, identity, mark["creation"]?.stringValue)
        } else if let identity = [PointIdentity.hashed, .uuid].first(where: {
            info.payloadSchema[Reserved.marker($0)] != nil
        }) {
            (isOurs, self.identity, creation) = (true, identity, nil)
        } else {
            (isOurs, identity, creation) = (false, .natural, nil)
        }
        var limits = Limits()
        let strict = config.strictModeConfig
        if strict.enabled {
            if strict.hasMaxQueryLimit { limits.queryLimit = max(1, Int(strict.maxQueryLimit)) }
            if strict.hasUpsertMaxBatchsize {
                limits.upsertCount = max(1, Int(clamping: strict.upsertMaxBatchsize))
            }
            if strict.hasSearchMaxBatchsize {
                limits.searchCount = max(1, Int(clamping: strict.searchMaxBatchsize))
            }
            if strict.hasFilterMaxConditions { limits.conditionCount = Int(clamping: strict.filterMaxConditions) }
            if strict.hasConditionMaxSize { limits.valueCount = Int(clamping: strict.conditionMaxSize) }
            limits.allowsExact = !strict.hasSearchAllowExact || strict.searchAllowExact
            limits.readsUnindexed = !strict.hasUnindexedFilteringRetrieve || strict.unindexedFilteringRetrieve
            limits.deletesUnindexed = !strict.hasUnindexedFilteringUpdate || strict.unindexedFilteringUpdate
        }
        self.limits = limits
    }

    /// The index that tells which fields hold doubles that are kept only nearly.
    static let roughKey = "\(Reserved.key).\(Reserved.rough)"
    var knowsRough: Bool { isOurs && indexes[Self.roughKey] == .keyword }

    /// Which part of a point's payload to ask for: where this library wrote it, all is in the reserved part.
    var payloadSelector: Qdrant_WithPayloadSelector {
        .with { if isOurs { $0.include.fields = [Reserved.key] } else { $0.enable = true } }
    }

    func check(_ vector: [Float], recordID: String? = nil) throws(VectorStoreError) {
        guard vector.count == dimension, vector.isFinite else {
            throw VectorStoreError(
                .invalidVector,
                "a vector of this collection has \(dimension) finite components; this one has \(vector.count)",
                store: QdrantVectorStore.name, recordID: recordID)
        }
    }

    /// The vector as the engine is asked for it.
    func queryVector(_ vector: [Float]) -> [Float] { metric == .cosine ? UnitVector(vector).components : vector }

    /// How many points a page of vectors may have, so that a reply stays at some 8 MB.
    func pageLimit(_ wanted: Int) -> Int {
        let limit = max(1, min(wanted, (8 << 20) / (dimension * 4 + 1024)))
        return limits.queryLimit.map { min(limit, $0) } ?? limit
    }
}

extension Qdrant_CreateCollection {
    init(
        _ collection: CollectionDescription, options: QdrantCollectionOptions, identity: PointIdentity, creation: String
    ) {
        self.init()
        collectionName = collection.name
        vectorsConfig.params.size = UInt64(collection.dimension)
        vectorsConfig.params.distance =
            switch collection.metric {
            case .cosine: .cosine
            case .dot: .dot
            case .l2: .euclid
            }
        if let value = options.vectorsOnDisk { vectorsConfig.params.onDisk = value }
        if let value = options.payloadOnDisk { onDiskPayload = value }
        if let value = options.shards { shardNumber = UInt32(clamping: value) }
        if let value = options.replicationFactor { replicationFactor = UInt32(clamping: value) }
        if let value = options.writeConsistencyFactor { writeConsistencyFactor = UInt32(clamping: value) }
        if let value = options.hnswM { hnswConfig.m = UInt64(clamping: value) }
        if let value = options.hnswEfConstruct { hnswConfig.efConstruct = UInt64(clamping: value) }
        if let value = options.hnswPayloadM { hnswConfig.payloadM = UInt64(clamping: value) }
        switch options.quantization {
        case .scalar(let quantile, let alwaysInMemory)?:
            quantizationConfig.scalar.type = .int8
            if let quantile { quantizationConfig.scalar.quantile = quantile }
            if let alwaysInMemory { quantizationConfig.scalar.alwaysRam = alwaysInMemory }
        case .product(let compression, let alwaysInMemory)?:
            quantizationConfig.product.compression =
                switch compression {
                case .x4: .x4
                case .x8: .x8
                case .x16: .x16
                case .x32: .x32
                case .x64: .x64
                }
            if let alwaysInMemory { quantizationConfig.product.alwaysRam = alwaysInMemory }
        case .binary(let alwaysInMemory)?:
            quantizationConfig.binary = Qdrant_BinaryQuantization()
            if let alwaysInMemory { quantizationConfig.binary.alwaysRam = alwaysInMemory }
        case nil: break
        }
        metadata[Reserved.metadata] = .with {
            $0.structValue.fields = [
                "ids": .with { $0.stringValue = identity.rawValue },
                "creation": .with { $0.stringValue = creation },
            ]
        }
    }
}

extension QdrantCollectionOptions {
    /// The indexes to create, as requests but for the collection's name. A field's scalars and the elements of its arrays
    /// are told apart by two paths in filters, so an index is two.
    var indexRequests: [Qdrant_CreateFieldIndexCollection] {
        get throws(VectorStoreError) {
            var requests: [Qdrant_CreateFieldIndexCollection] = []
            let tenant = tenantField.map { [PayloadIndex($0, .keyword)] } ?? []
            for index in tenant + payloadIndexes.filter({ $0.path != tenantField }) {
                guard let key = FilterTranslation.key(index.path) else {
                    throw VectorStoreError(
                        .invalidArgument, "a field with \" or \\ in its name, or one nested deeply, cannot be indexed",
                        store: QdrantVectorStore.name)
                }
                for key in [key, key + "[]"] {
                    var request = Qdrant_CreateFieldIndexCollection()
                    request.wait = true
                    request.fieldName = key
                    request.fieldType =
                        switch index.kind {
                        case .keyword: .keyword
                        case .number: .float
                        case .bool: .bool
                        }
                    if index.path == tenantField, !key.hasSuffix("[]") {
                        request.fieldIndexParams.keywordIndexParams.isTenant = true
                    }
                    requests.append(request)
                }
            }
            return requests
        }
    }
}
#endif
