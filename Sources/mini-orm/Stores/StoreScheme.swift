internal import MiniORM

/// What a command does to a store.
enum StoreAccess: Sendable {
    /// Only reads.
    case read
    /// Only reads, beside a store of this process that writes.
    case readBeside
    /// Writes what is gone when the command ends: collections of the conformance kit.
    case check
    /// Changes what is there.
    case change
    /// Changes what is there, or makes it.
    case create
}

/// A store that a command works on.
struct OpenStore: Sendable {
    /// The store.
    var store: any AsyncVectorStorePort
    /// The store itself, where it is one that blocks.
    var blocking: (any VectorStorePort)?
    /// Makes the changes so far last; called when a command has done its work, also where it stops half-way.
    var commit: @Sendable () async throws -> Void = {}
    /// Lets go of the store.
    var close: @Sendable () async -> Void
    /// Whether what is written is there for the next command.
    var lasts = true
    /// The file or directory that the store is kept in, without links, where it is one.
    var file: String?

    /// A store that suspends.
    init(_ store: any AsyncVectorStorePort) {
        self.store = store
        close = { try? await store.close() }
    }

    /// A store that blocks, on threads of its own.
    init(_ store: any VectorStorePort) {
        self.init(OffloadedVectorStore(store))
        blocking = store
    }
}

/// A kind of store that `--store` can name.
struct StoreScheme: Sendable {
    /// What the URL begins with.
    let name: String
    /// The URL's form, for help and messages.
    let form: String
    /// What it is, for help.
    let summary: String
    /// Opens it.
    let open: @Sendable (StoreURL, StoreAccess) async throws -> OpenStore

    /// Every kind of store of this build. An engine adds its own here.
    static let all: [StoreScheme] = {
        var all = [memory, file]
        #if Faiss
        all += [faiss]
        #endif
        #if PgVector
        all += [postgres, postgresql]
        #endif
        #if Chroma
        all += [chroma, chromas]
        #endif
        #if Qdrant
        all += [qdrant, qdrants]
        #endif
        return all
    }()

    /// Opens the store of a URL.
    static func open(_ url: StoreURL, for access: StoreAccess) async throws -> OpenStore {
        guard let scheme = all.first(where: { $0.name == url.scheme }) else {
            throw ToolError("\(unknown(url.scheme))", status: 64)
        }
        return try await scheme.open(url, access)
    }

    /// Its form and what it is, for help: on two lines where one is too long.
    var help: String {
        let isShort = form.count + summary.count + 4 <= 76
        return "  \(form)\(isShort ? "  " : "\n      ")\(summary)"
    }

    /// What is wrong with a scheme that this build does not know.
    static func unknown(_ name: String) -> String {
        let traits = [
            "chroma": "Chroma", "chromas": "Chroma", "faiss": "Faiss", "postgres": "PgVector", "postgresql": "PgVector",
            "qdrant": "Qdrant", "qdrants": "Qdrant",
        ]
        if let trait = traits[name] {
            return "this build has no \(name): stores; `swift build -c release --traits \(trait)` makes one that has, "
                + "beside \(all.map(\.form).joined(separator: ", "))"
        }
        return "no store is called \((name + ":").shown); this build has \(all.map(\.form).joined(separator: ", "))"
    }
}

extension StoreScheme {
    /// The embedded store, which is gone when the command ends.
    static let memory = StoreScheme(
        name: "memory", form: "memory:", summary: "the embedded store, for one command only"
    ) { url, _ in
        guard url.rest.isEmpty || url.rest == "//" else {
            throw ToolError("memory: takes nothing after the colon; file:PATH keeps its records", status: 64)
        }
        var opened = OpenStore(InMemoryVectorStore())
        opened.lasts = false
        return opened
    }
}
