#if Qdrant
internal import GRPCCore
internal import SwiftProtobuf

/// A call of Qdrant's gRPC interface: its name and the types of request and reply.
struct QdrantMethod<Request: Message, Reply: Message>: Sendable {
    let descriptor: MethodDescriptor

    init(_ service: String, _ method: String) {
        descriptor = MethodDescriptor(fullyQualifiedService: "qdrant.\(service)", method: method, type: .unary)
    }
}

/// The calls that are used.
enum QdrantMethods {
    static let create = QdrantMethod<Qdrant_CreateCollection, Qdrant_CollectionOperationResponse>(
        "Collections", "Create")
    static let drop = QdrantMethod<Qdrant_DeleteCollection, Qdrant_CollectionOperationResponse>("Collections", "Delete")
    static let info = QdrantMethod<Qdrant_GetCollectionInfoRequest, Qdrant_GetCollectionInfoResponse>(
        "Collections", "Get")
    static let list = QdrantMethod<Qdrant_ListCollectionsRequest, Qdrant_ListCollectionsResponse>("Collections", "List")
    static let upsert = QdrantMethod<Qdrant_UpsertPoints, Qdrant_PointsOperationResponse>("Points", "Upsert")
    static let delete = QdrantMethod<Qdrant_DeletePoints, Qdrant_PointsOperationResponse>("Points", "Delete")
    static let get = QdrantMethod<Qdrant_GetPoints, Qdrant_GetResponse>("Points", "Get")
    static let scroll = QdrantMethod<Qdrant_ScrollPoints, Qdrant_ScrollResponse>("Points", "Scroll")
    static let query = QdrantMethod<Qdrant_QueryPoints, Qdrant_QueryResponse>("Points", "Query")
    static let queryBatch = QdrantMethod<Qdrant_QueryBatchPoints, Qdrant_QueryBatchResponse>("Points", "QueryBatch")
    static let count = QdrantMethod<Qdrant_CountPoints, Qdrant_CountResponse>("Points", "Count")
    static let createIndex = QdrantMethod<Qdrant_CreateFieldIndexCollection, Qdrant_PointsOperationResponse>(
        "Points", "CreateFieldIndex")
}

/// Messages to bytes.
struct ProtobufMessageSerializer<Message: SwiftProtobuf.Message>: MessageSerializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: Message) throws -> Bytes {
        let bytes: ProtobufBytes<Bytes> = try message.serializedBytes()
        return bytes.bytes
    }
}

/// Bytes to messages.
struct ProtobufMessageDeserializer<Message: SwiftProtobuf.Message>: MessageDeserializer {
    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> Message {
        var options = BinaryDecodingOptions()
        // A level of a payload is three messages; other programs may have stored deep ones.
        options.messageDepthLimit = 400
        return try Message(serializedBytes: ProtobufBytes(bytes: bytes), options: options)
    }
}

/// The transport's bytes, as the protobuf library wants them: without a copy between the two.
private struct ProtobufBytes<Bytes: GRPCContiguousBytes>: SwiftProtobufContiguousBytes {
    var bytes: Bytes

    init(bytes: Bytes) { self.bytes = bytes }
    init(repeating value: UInt8, count: Int) { bytes = Bytes(repeating: value, count: count) }
    init<Content: Sequence>(_ content: Content) where Content.Element == UInt8 { bytes = Bytes(content) }

    var count: Int { bytes.count }

    func withUnsafeBytes<Value>(_ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
        try bytes.withUnsafeBytes(body)
    }
    mutating func withUnsafeMutableBytes<Value>(
        _ body: (UnsafeMutableRawBufferPointer) throws -> Value
    ) rethrows -> Value {
        try bytes.withUnsafeMutableBytes(body)
    }
}
#endif
