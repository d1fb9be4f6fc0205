#if Faiss
internal import MiniORM
internal import MiniORMFaiss

extension StoreScheme {
    /// FAISS in this process, kept in a directory.
    static let faiss = StoreScheme(
        name: "faiss", form: "faiss:DIR", summary: "FAISS in this process, kept in a directory"
    ) { url, access in
        let path = url.path
        guard !path.isEmpty else {
            throw ToolError("faiss: needs a directory, such as faiss:words", status: 64)
        }
        guard access == .create || System.resolved(path) != nil else {
            throw ToolError("there is no directory \(path.shown); `mini-orm import` makes one")
        }
        // Readers share the directory with each other; beside a writer of this process, its collections are shared.
        var opened = OpenStore(try FaissVectorStore(directory: path, readOnly: access == .read))
        opened.file = System.resolved(path)
        return opened
    }
}
#endif
