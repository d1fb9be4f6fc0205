#if Chroma
internal import MiniORM
internal import MiniORMChroma

extension StoreScheme {
    private static let chromaForm = "chroma://[user:password@]host[:port][/tenant/database][?exact=true]"

    /// Chroma's server.
    static let chroma = StoreScheme(
        name: "chroma", form: chromaForm, summary: "a Chroma server; CHROMA_API_KEY is sent as its token"
    ) { url, _ in try openChroma(url) }

    /// Chroma's server over TLS.
    static let chromas = StoreScheme(
        name: "chromas", form: "chromas://...", summary: "the same over TLS"
    ) { url, _ in try openChroma(url) }

    private static func openChroma(_ url: StoreURL) throws -> OpenStore {
        var configuration = try ChromaConfiguration(url: url.text)
        // What the URL says counts more than what the environment happens to hold.
        if url.credentials == nil, let key = url.secretVariable.flatMap(System.environment) {
            configuration.credentials = .chromaToken(key)
        }
        return OpenStore(try ChromaVectorStore(configuration))
    }
}
#endif
