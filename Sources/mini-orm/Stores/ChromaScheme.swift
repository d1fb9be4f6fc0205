#if Chroma
internal import Foundation
internal import MiniORM
internal import MiniORMChroma

extension StoreScheme {
    private static let chromaForm = "chroma://[user:password@]host[:port][/tenant/database][?exact=true]"

    /// Chroma's server.
    static let chroma = StoreScheme(
        name: "chroma", form: chromaForm, summary: "a Chroma server; CHROMA_API_KEY is sent as X-Chroma-Token"
    ) { url, _ in try openChroma(url) }

    /// Chroma's server over TLS.
    static let chromas = StoreScheme(
        name: "chromas", form: "chromas://...", summary: "the same over TLS"
    ) { url, _ in try openChroma(url) }

    private static func openChroma(_ url: StoreURL) throws -> OpenStore {
        var configuration = try ChromaConfiguration(url: url.text)
        if let key = ProcessInfo.processInfo.environment["CHROMA_API_KEY"], !key.isEmpty {
            configuration.credentials = .chromaToken(key)
        }
        return OpenStore(try ChromaVectorStore(configuration))
    }
}
#endif
