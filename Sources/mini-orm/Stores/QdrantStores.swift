#if Qdrant
internal import MiniORM
internal import MiniORMQdrant

extension StoreScheme {
    /// A Qdrant server.
    static let qdrant = qdrant("qdrant", "Qdrant over gRPC; the API key is read from QDRANT_API_KEY")
    /// A Qdrant server, over TLS.
    static let qdrants = qdrant("qdrants", "the same over TLS")

    private static func qdrant(_ name: String, _ summary: String) -> StoreScheme {
        StoreScheme(name: name, form: "\(name)://HOST:PORT", summary: summary) { url, _ in
            OpenStore(
                try QdrantVectorStore(url: url.text, apiKey: System.environment("QDRANT_API_KEY")))
        }
    }
}
#endif
