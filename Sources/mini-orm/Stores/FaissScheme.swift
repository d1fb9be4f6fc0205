#if Faiss
internal import MiniORM
internal import MiniORMFaiss

extension StoreScheme {
    /// FAISS in this process, kept in a directory.
    static let faiss = StoreScheme(
        name: "faiss", form: "faiss:DIR", summary: "FAISS in this process, kept in a directory"
    ) { url, access in
        let path = url.rest.hasPrefix("//") ? String(url.rest.dropFirst(2)) : url.rest
        guard !path.isEmpty else {
            throw ToolError("faiss: needs a directory, such as faiss:words", status: 64)
        }
        guard access == .create || System.resolved(path) != nil else {
            throw ToolError("there is no directory \(path.shown); `mini-orm import` makes one")
        }
        return OpenStore(try FaissVectorStore(directory: path))
    }
}
#endif
