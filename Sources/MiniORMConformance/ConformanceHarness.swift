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
}
