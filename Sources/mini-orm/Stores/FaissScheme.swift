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
        // A directory of other files, or of another kind of store, is one that was named by mistake.
        let names = System.names(in: path)
        if !names.isEmpty, names != ["lost+found"], !names.contains("lock") || names.contains("manifest") {
            throw ToolError("\(path.shown) is no store of FAISS, and has other files in it")
        }
        var opened = OpenStore(try FaissVectorStore(directory: path))
        opened.file = System.resolved(path)
        return opened
    }
}
#endif
