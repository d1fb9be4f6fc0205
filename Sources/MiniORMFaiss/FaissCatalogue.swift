#if Faiss
internal import Dispatch
internal import MiniORM
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Musl)
internal import Musl
#else
internal import Glibc
#endif

/// The collections of a store, which stores over the same directory share within a process.
final class FaissCatalogue: Sendable {
    /// A collection's place. It outlives the collection in the hands of calls that have looked it up.
    final class Slot: Sendable {
        enum Content: Sendable {
            /// In files that nobody has read yet.
            case unread
            case open(FaissCollection)
            /// Dropped: files of that name are another collection's.
            case gone
            case closed
        }

        let content: Mutex<Content>
        init(_ content: Content) { self.content = Mutex(content) }

        /// The collection, if it is in memory.
        var collection: FaissCollection? {
            content.withLock { if case .open(let collection) = $0 { collection } else { nil } }
        }
    }

    struct Contents {
        var slots: [UTF8Key: Slot] = [:]
        var directory: StoreDirectory?
        /// Whether the last store over it was closed.
        var isClosed = false
    }

    let contents: Mutex<Contents>
    let maintenance = DispatchQueue(label: "mini-orm.faiss.maintenance")
    private let configuration: FaissConfiguration
    /// What the catalogue is found by; `nil` in memory.
    private let path: String?
    private let isReadOnly: Bool

    private init(_ configuration: FaissConfiguration, _ contents: sending Contents, _ path: String?) {
        self.configuration = configuration
        isReadOnly = contents.directory?.isReadOnly ?? false
        self.contents = Mutex(contents)
        self.path = path
    }

    /// An empty catalogue in memory.
    convenience init(_ configuration: FaissConfiguration) { self.init(configuration, Contents(), nil) }

    private struct Shared {
        weak var catalogue: FaissCatalogue?
        var users = 0
    }

    private static let shared = Mutex<[String: Shared]>([:])

    /// The catalogue of a directory: the one that another store of this process has open, or a new one.
    static func opening(
        _ directory: String, _ configuration: FaissConfiguration, isReadOnly: Bool
    ) throws(VectorStoreError) -> FaissCatalogue {
        guard !directory.isEmpty, !directory.utf8.contains(0) else {
            throw VectorStoreError(.invalidArgument, "a directory's path is not empty and holds no NUL")
        }
        if !isReadOnly { try Files.makeDirectories(directory) }
        guard let resolved = realpath(directory, nil) else {
            guard isReadOnly, errno == ENOENT else { throw Files.failure("find", directory) }
            throw VectorStoreError(.unavailable, "there is no store in \(directory.quoted)")
        }
        let path = String(cString: resolved)
        free(resolved)
        return try shared.withLock { shared throws(VectorStoreError) in
            if let present = shared[path]?.catalogue, let users = shared[path]?.users {
                guard present.configuration == configuration else {
                    throw VectorStoreError(
                        .unavailable,
                        "another store of this process has the directory open, with another configuration")
                }
                guard isReadOnly || !present.isReadOnly else {
                    throw VectorStoreError(
                        .unavailable, "another store of this process has the directory open for reading; close it first"
                    )
                }
                shared[path]?.users = users + 1
                return present
            }
            var contents = Contents()
            let directory = try StoreDirectory(path, isReadOnly: isReadOnly)
            for name in try directory.collections() { contents.slots[UTF8Key(name)] = Slot(.unread) }
            contents.directory = directory
            let catalogue = FaissCatalogue(configuration, contents, path)
            shared[path] = Shared(catalogue: catalogue, users: 1)
            return catalogue
        }
    }

    /// One store fewer uses the catalogue. `true` for the last one, which is the one to close the collections; until it
    /// has, the directory's lock keeps others away.
    func release() -> Bool {
        guard let path else { return true }
        return Self.shared.withLock { shared in
            guard let users = shared[path]?.users, shared[path]?.catalogue === self, users > 1 else {
                if shared[path]?.catalogue === self { shared[path] = nil }
                return true
            }
            shared[path]?.users = users - 1
            return false
        }
    }
}
#endif
