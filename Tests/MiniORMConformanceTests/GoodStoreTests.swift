import MiniORM
import MiniORMConformance
import Testing

/// A new store for each check.
struct Harness: ConformanceHarness {
    let make: @Sendable () -> ConformanceStore
    var reopening: @Sendable (ConformanceStore) throws -> ConformanceStore? = { _ in nil }
    var unreachable: ConformanceStore?
    var secrets: [String] = []
    var planting: @Sendable (String, ConformanceStore) throws -> ForeignCollection? = { _, _ in nil }

    func makeStore() -> ConformanceStore { make() }
    func reopen(_ store: ConformanceStore) throws -> ConformanceStore? { try reopening(store) }
    func makeUnreachableStore() -> ConformanceStore? { unreachable }
    func plantForeignCollection(_ name: String, beside store: ConformanceStore) throws -> ForeignCollection? {
        try planting(name, store)
    }
}

/// The embedded store passes every check, and so does what is built on its five required calls.
@Suite struct GoodStoreTests {
    /// As long as the collections live in memory.
    private static let undeclared: Set<String> = ["isPersistent", "idPolicy .uuid"]

    @Test(arguments: ConformanceCheck.all)
    func theEmbeddedStoreConforms(_ check: ConformanceCheck) async throws {
        try await check(Harness { .blocking(InMemoryVectorStore()) }, undeclared: Self.undeclared)
    }

    @Test(arguments: ConformanceCheck.all)
    func aStoreThatSuspendsConforms(_ check: ConformanceCheck) async throws {
        try await check(
            Harness { .suspending(OffloadedVectorStore(InMemoryVectorStore())) }, undeclared: Self.undeclared)
    }

    @Test(arguments: ConformanceCheck.all)
    func fiveCallsAreEnough(_ check: ConformanceCheck) async throws {
        let outcome = try await check(Harness { .blocking(BrokenStore { _ in }) })
        if case .skipped(let why) = outcome { #expect(why.contains("declare") || why.contains("without")) }
    }

    @Test func everyCheckHasANameOfItsOwn() {
        #expect(Set(ConformanceCheck.all.map(\.name)).count == ConformanceCheck.all.count)
        #expect(ConformanceCheck.all.allSatisfy { !$0.hint.isEmpty && !$0.clause.isEmpty })
    }

    @Test func aRunReportsEveryCheckInOrder() async {
        let reports = await ConformanceRun(
            Harness { .blocking(InMemoryVectorStore()) }, checks: Array(ConformanceCheck.all.prefix(3))
        ).run()
        #expect(reports.map(\.check.name) == ConformanceCheck.all.prefix(3).map(\.name))
        #expect(reports.allSatisfy { !$0.hasFailed })
    }
}
