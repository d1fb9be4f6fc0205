internal import ArgumentParser
internal import MiniORM

/// `--store`.
struct StoreOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Where the collections are: \(StoreScheme.all.map(\.form).joined(separator: ", ")). By default what MINIORM_STORE says.",
            valueName: "url"))
    var store: String?

    /// The URL. The environment keeps credentials out of the list of processes.
    var url: StoreURL {
        get throws {
            guard let text = store ?? System.environment("MINIORM_STORE") else {
                throw ValidationError("Missing expected argument '--store <url>' (or set MINIORM_STORE)")
            }
            guard let url = StoreURL(text) else {
                // What has no scheme may be a password: it is not repeated.
                throw ValidationError(
                    "'--store' takes a URL: \(StoreScheme.all.map(\.form).joined(separator: ", "))")
            }
            guard StoreScheme.all.contains(where: { $0.name == url.scheme }) else {
                throw ValidationError(StoreScheme.unknown(url.scheme))
            }
            return url
        }
    }

    func validate() throws { _ = try url }

    /// Works with the store, and lets go of it afterwards.
    func withStore(_ access: StoreAccess, _ body: (OpenStore) async throws -> Void) async throws {
        let opened = try await StoreScheme.open(url, for: access)
        do { try await body(opened) } catch {
            await opened.close()
            throw error
        }
        await opened.close()
    }
}

/// `--store` and `--collection`.
struct CollectionOptions: ParsableArguments {
    @OptionGroup var stores: StoreOptions

    @Option(name: .shortAndLong, help: ArgumentHelp("The collection.", valueName: "name"))
    var collection: String

    /// Works with a collection that is there, and lets go of its store afterwards.
    func withCollection(
        _ access: StoreAccess, _ body: (AsyncVectorRepository, CollectionDescription, OpenStore) async throws -> Void
    ) async throws {
        try await stores.withStore(access) { opened in
            guard let description = try await opened.store.describeCollection(collection) else {
                throw VectorStoreError(
                    .collectionNotFound, "there is no such collection; `mini-orm collections` lists those that are",
                    store: opened.store.name, collection: collection)
            }
            try await body(opened.repository(description), description, opened)
        }
    }
}

extension OpenStore {
    /// A collection that is there.
    func repository(_ collection: CollectionDescription) async throws -> AsyncVectorRepository {
        try await AsyncVectorRepository(
            store, collection.name, dimension: collection.dimension, metric: collection.metric, autoCreate: false)
    }
}

/// `--filter`.
struct FilterOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            #"Only records whose payload matches, such as 'pos == "verb" && links >= 5'."#, valueName: "condition"))
    var filter: String?

    func validate() throws { _ = try parsed }

    /// The filter. A mistake in its text is wrong usage.
    var parsed: VectorFilter? {
        get throws {
            guard let filter else { return nil }
            do { return try VectorFilter(parsing: filter) } catch {
                throw ValidationError("'--filter': \(error.message)")
            }
        }
    }
}
