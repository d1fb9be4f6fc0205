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
    /// A collection's place, whether it was read from its files already or not.
    final class Slot: Sendable {
        let collection: Mutex<FaissCollection?>
        /// Changed under the collection's lock; a closed slot opens nothing any more.
        let isClosed = Atomic(false)
        init(_ collection: FaissCollection?) { self.collection = Mutex(collection) }
    }

    struct Contents {
        var slots: [UTF8Key: Slot] = [:]
        var directory: StoreDirectory?
    }

    let contents: Mutex<Contents>
    let maintenance = DispatchQueue(label: "mini-orm.faiss.maintenance")
    private let configuration: FaissConfiguration
    /// What the catalogue is found by; `nil` in memory.
    private let path: String?

    private init(_ configuration: FaissConfiguration, _ contents: sending Contents, _ path: String?) {
        self.configuration = configuration
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
    static func opening(_ directory: String, _ configuration: FaissConfiguration) throws(VectorStoreError)
        -> FaissCatalogue
    {
        guard !directory.isEmpty, !directory.utf8.contains(0) else {
            throw VectorStoreError(.invalidArgument, "a directory's path is not empty and holds no NUL")
        }
        try Files.makeDirectories(directory)
        guard let resolved = realpath(directory, nil) else { throw Files.failure("find", directory) }
        let path = String(cString: resolved)
        free(resolved)
        return try shared.withLock { shared throws(VectorStoreError) in
            if let present = shared[path]?.catalogue, let users = shared[path]?.users {
                guard present.configuration == configuration else {
                    throw VectorStoreError(
                        .unavailable,
                        "another store of this process has the directory open, with another configuration")
                }
                shared[path]?.users = users + 1
                return present
            }
            var contents = Contents()
            let directory = try StoreDirectory(path)
            for name in try directory.collections() { contents.slots[UTF8Key(name)] = Slot(nil) }
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
