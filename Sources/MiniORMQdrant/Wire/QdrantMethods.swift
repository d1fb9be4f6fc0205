#if Qdrant
internal import GRPCCore
internal import SwiftProtobuf

/// A call of Qdrant's gRPC interface: its name, and how its request becomes bytes and its reply's bytes become a value.
struct QdrantMethod<Request: Sendable, Reply: Sendable>: Sendable {
    let descriptor: MethodDescriptor
    let encode: @Sendable (Request) throws -> [UInt8]
    /// The bytes are there while it runs.
    let decode: @Sendable (UnsafeRawBufferPointer) throws -> Reply
    /// Whether a first copy that comes late would undo what was written since.
    private(set) var isWrite = false

    init(
        _ service: String, _ method: String, encode: @escaping @Sendable (Request) throws -> [UInt8],
        decode: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Reply
    ) {
        descriptor = MethodDescriptor(fullyQualifiedService: "qdrant.\(service)", method: method, type: .unary)
        self.encode = encode
        self.decode = decode
    }

    /// The same call, as one that writes.
    var writing: Self {
        var method = self
        method.isWrite = true
        return method
    }
}

extension QdrantMethod where Request: Message {
    /// A call whose reply is read straight from its bytes.
    init(
        _ service: String, _ method: String, decode: @escaping @Sendable (ProtobufReader) throws -> Reply
    ) {
        self.init(service, method, encode: { try $0.serializedBytes() }, decode: { try decode(ProtobufReader($0)) })
    }
}

extension QdrantMethod where Request: Message, Reply: Message {
    init(_ service: String, _ method: String) {
        self.init(
            service, method, encode: { try $0.serializedBytes() },
            decode: { try Reply(serializedBytes: Array($0)) })
    }
}

extension QdrantMethod where Request == ProtobufWriter {
    /// A call whose request was written straight into bytes, and whose reply is read straight from its bytes.
    init(
        _ service: String, written method: String, decode: @escaping @Sendable (ProtobufReader) throws -> Reply
    ) {
        self.init(service, method, encode: \.bytes, decode: { try decode(ProtobufReader($0)) })
    }
}

extension QdrantMethod where Request == ProtobufWriter, Reply: Message {
    /// A call whose request was written straight into bytes.
    init(_ service: String, written method: String) {
        self.init(service, method, encode: \.bytes, decode: { try Reply(serializedBytes: Array($0)) })
    }
}

/// The calls that are used.
enum QdrantMethods {
    static let create = QdrantMethod<Qdrant_CreateCollection, Qdrant_CollectionOperationResponse>(
        "Collections", "Create")
    static let drop = QdrantMethod<Qdrant_DeleteCollection, Qdrant_CollectionOperationResponse>("Collections", "Delete")
        .writing
    static let info = QdrantMethod<Qdrant_GetCollectionInfoRequest, Qdrant_GetCollectionInfoResponse>(
        "Collections", "Get")
    static let list = QdrantMethod<Qdrant_ListCollectionsRequest, Qdrant_ListCollectionsResponse>("Collections", "List")
    static let upsert = QdrantMethod<ProtobufWriter, Qdrant_PointsOperationResponse>("Points", written: "Upsert")
        .writing
    static let delete = QdrantMethod<Qdrant_DeletePoints, Qdrant_PointsOperationResponse>("Points", "Delete").writing
    static let get = QdrantMethod<Qdrant_GetPoints, [StoredPoint]>("Points", "Get") { reader in
        try StoredPoint.list(1, .retrieved, reader)
    }
    static let scroll = QdrantMethod<Qdrant_ScrollPoints, ScrolledPoints>(
        "Points", "Scroll", decode: ScrolledPoints.init)
    static let query = QdrantMethod<ProtobufWriter, [StoredPoint]>("Points", written: "Query") { reader in
        try StoredPoint.list(1, .scored, reader)
    }
    static let queryBatch = QdrantMethod<ProtobufWriter, [[StoredPoint]]>("Points", written: "QueryBatch") { reader in
        var reader = reader
        var lists: [[StoredPoint]] = []
        while let (field, layout) = try reader.next() {
            if field == 1, layout == .bytes {
                lists.append(try StoredPoint.list(1, .scored, try reader.message()))
            } else {
                try reader.skip(layout)
            }
        }
        return lists
    }
    static let count = QdrantMethod<Qdrant_CountPoints, Qdrant_CountResponse>("Points", "Count")
    static let createIndex = QdrantMethod<Qdrant_CreateFieldIndexCollection, Qdrant_PointsOperationResponse>(
        "Points", "CreateFieldIndex")
}

/// The reply to `Scroll`.
struct ScrolledPoints: Sendable {
    var points: [StoredPoint] = []
    /// The first point of the next page; `nil` at the end.
    var next: Qdrant_PointId?

    init(_ reader: ProtobufReader) throws {
        points = try StoredPoint.list(2, .retrieved, reader)
        var reader = reader
        while let (field, layout) = try reader.next() {
            if field == 1, layout == .bytes {
                next = try StoredPoint.pointID(try reader.message())
            } else {
                try reader.skip(layout)
            }
        }
    }
}
#endif
