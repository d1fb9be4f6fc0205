internal import MiniORM

extension StoreScheme {
    /// The embedded store, kept in a directory; or in one file, where there is one that `save(to:)` has written.
    static let file = StoreScheme(
        name: "file", form: "file:PATH", summary: "the embedded store, kept in a directory"
    ) { url, access in
        let path = url.path
        guard !path.isEmpty else { throw ToolError("file: needs a path, such as file:words.db", status: 64) }
        let present = System.resolved(path)
        guard present != nil || access == .create else {
            throw ToolError("there is no store in \(path.shown); `mini-orm import` makes one")
        }
        if let present, !System.isDirectory(present) { return try SavedFile(present, access).opened }
        return try open(path, access, isNew: present == nil)
    }

    /// The store in a directory: what a command has written is there at once.
    private static func open(_ path: String, _ access: StoreAccess, isNew: Bool) throws -> OpenStore {
        if !isNew { try refuseForeign(path) }
        let store = try InMemoryVectorStore(at: path, readOnly: access == .read || access == .readBeside)
        var opened = OpenStore(store)
        opened.file = System.resolved(path)
        let close = opened.close
        opened.close = {
            // A command that has written nothing leaves nothing.
            if isNew, let names = try? store.listCollections(), names.isEmpty { System.removeDirectory(path) }
            await close()
        }
        return opened
    }

    /// A directory of other files is one that was named by mistake: no store begins among them. What a beginning that
    /// was cut short has left is no other file.
    private static func refuseForeign(_ path: String) throws {
        let names = System.names(in: path)
        guard !names.contains("manifest") else { return }
        let ours = ["lock", "manifest.new", "lost+found"]
        guard let other = names.filter({ !ours.contains($0) && !$0.hasPrefix("log-") }).min() else { return }
        throw ToolError("\(path.shown) is no store, and has other files in it, such as \(other.shown)")
    }
}

/// The embedded store in one file, for one command: read when the command begins, and written whole when it has changed.
private final class SavedFile: Sendable {
    private let path: String
    private let store: InMemoryVectorStore
    /// Held for as long as a command may write.
    private let lock: FileLock?

    /// - Parameter path: The file itself, so that a link to it stays a link.
    init(_ path: String, _ access: StoreAccess) throws {
        self.path = path
        lock = access == .change || access == .create ? try FileLock(path) : nil
        store = try InMemoryVectorStore(opening: path)
    }

    var opened: OpenStore {
        var opened = OpenStore(store)
        opened.commit = { try await self.save() }
        opened.file = System.resolved(path)
        return opened
    }

    /// Writes the file; the one before stays until the new one is whole. A signal waits for that.
    private func save() async throws {
        let (store, path) = (store, path)
        try await Interruption.shielded { try store.save(to: path) }
    }
}
