internal import MiniORM

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

extension StoreScheme {
    /// The embedded store, kept in a file: read when a command begins, and written whole when it has changed.
    static let file = StoreScheme(
        name: "file", form: "file:PATH", summary: "the embedded store, kept in a file"
    ) { url, access in
        let path = url.rest.hasPrefix("//") ? String(url.rest.dropFirst(2)) : url.rest
        guard !path.isEmpty else { throw ToolError("file: needs a path, such as file:words.db", status: 64) }
        return try FileStore(path, access).opened
    }
}

/// The embedded store in a file, for one command.
private final class FileStore: Sendable {
    private let path: String
    private let store: InMemoryVectorStore
    /// Held for as long as a command may write.
    private let lock: FileLock?

    init(_ path: String, _ access: StoreAccess) throws {
        // A link stays a link: the file that it points at is locked and replaced.
        let present = System.resolved(path)
        self.path = present ?? path
        guard present != nil || access == .create else {
            throw ToolError("there is no file \(path.shown); `mini-orm import` makes one")
        }
        lock = access == .read ? nil : try FileLock(self.path)
        // Looked for again now that nobody else can make it.
        if System.resolved(self.path) != nil {
            store = try InMemoryVectorStore(opening: self.path)
        } else {
            store = InMemoryVectorStore()
        }
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
