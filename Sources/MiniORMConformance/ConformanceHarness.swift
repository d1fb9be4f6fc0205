public import MiniORM

/// A store of either kind.
public enum ConformanceStore: Sendable {
    /// One that blocks.
    case blocking(any VectorStorePort)
    /// One that suspends.
    case suspending(any AsyncVectorStorePort)

    /// What the store can do.
    public var capabilities: StoreCapabilities {
        switch self {
        case .blocking(let store): store.capabilities
        case .suspending(let store): store.capabilities
        }
    }

    /// The store's name.
    public var name: String {
        switch self {
        case .blocking(let store): store.name
        case .suspending(let store): store.name
        }
    }
}

/// What the author of an adapter tells the kit: how to make the store that is checked.
///
/// ```swift
/// // Tests/MyStoreTests/ConformanceTests.swift
/// struct MyHarness: ConformanceHarness {
///     func makeStore() async throws -> ConformanceStore { .blocking(MyStore(path: temporaryPath())) }
/// }
///
/// @Test(arguments: ConformanceCheck.all)
/// func conforms(_ check: ConformanceCheck) async throws { try await check(MyHarness()) }
/// ```
public protocol ConformanceHarness: Sendable {
    /// A store. Every check asks for one of its own; they may share what is underneath (a server, say), as checks
    /// keep to collections of their own.
    func makeStore() async throws -> ConformanceStore

    /// Another store value over what a store that ``makeStore()`` made keeps, as after a restart of the program;
    /// `nil` where nothing outlives the store.
    func reopen(_ store: ConformanceStore) async throws -> ConformanceStore?

    /// Called once for every store that was made, after its check; the collections of the check are dropped by then.
    func cleanUp(_ store: ConformanceStore) async throws

    /// What the names of the kit's collections begin with: 1 to 20 characters `[A-Za-z0-9_-]`, a letter or digit
    /// first. Collections with this prefix are overwritten, so it is nobody else's; another one for every process that
    /// checks the same server at the same time.
    var collectionPrefix: String { get }

    /// For a store whose answers are not exact: the share of the true nearest neighbours that it promises to find
    /// among a few hundred records, on average over many queries. A store that declares
    /// `StoreCapabilities.isExact` has to find all.
    var minimumRecall: Double { get }

    /// Passwords, keys and tokens that the store was made with. They must not show in any description.
    var secrets: [String] { get }

    /// A store like the others, with the same ``secrets``, at an address where nobody answers, so that the kit sees the
    /// error of a connection that fails; within seconds, so without many retries. `nil` where there is no such thing.
    func makeUnreachableStore() async throws -> ConformanceStore?

    /// Puts a collection of this name into what is underneath the store, by other means than this library; `nil` where
    /// the harness cannot. The kit tries to overwrite and to drop it, which has to fail.
    func plantForeignCollection(_ name: String, beside store: ConformanceStore) async throws -> ForeignCollection?
}

/// A collection that this library did not create.
public struct ForeignCollection: Sendable {
    let isThere: @Sendable () async throws -> Bool
    let remove: @Sendable () async throws -> Void

    /// A collection.
    ///
    /// - Parameters:
    ///   - isThere: Whether it is there still, with what was in it.
    ///   - remove: Removes it, if it is there.
    public init(
        isThere: @escaping @Sendable () async throws -> Bool, remove: @escaping @Sendable () async throws -> Void
    ) {
        self.isThere = isThere
        self.remove = remove
    }
}

extension ConformanceHarness {
    /// Nothing outlives the store.
    public func reopen(_ store: ConformanceStore) async throws -> ConformanceStore? { nil }
    /// Nothing to clean up.
    public func cleanUp(_ store: ConformanceStore) async throws {}
    /// `conformance`.
    public var collectionPrefix: String { "conformance" }
    /// 0.95.
    public var minimumRecall: Double { 0.95 }
    /// None.
    public var secrets: [String] { [] }
    /// None.
    public func makeUnreachableStore() async throws -> ConformanceStore? { nil }
    /// None.
    public func plantForeignCollection(
        _ name: String, beside store: ConformanceStore
    ) async throws -> ForeignCollection? { nil }
}
