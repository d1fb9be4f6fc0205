#if !Chroma
/// A store over Chroma's server. It takes the trait `Chroma`:
/// `.package(url: ..., traits: ["Chroma"])`.
@available(*, unavailable, message: "enable the trait \"Chroma\" of the package to use ChromaVectorStore")
public struct ChromaVectorStore {}
#endif
