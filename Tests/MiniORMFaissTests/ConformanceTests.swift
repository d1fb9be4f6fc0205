#if Faiss
import MiniORM
import MiniORMConformance
import Testing

@testable import MiniORMFaiss

/// The conformance kit, in memory and in a directory, exact and approximate.
@Suite struct ConformanceTests {
    @Test(arguments: ConformanceCheck.all)
    func `flat, in memory`(_ check: ConformanceCheck) async throws {
        try await check(FaissHarness(configuration: FaissConfiguration(), isPersistent: false))
    }

    @Test(arguments: ConformanceCheck.all)
    func `flat, in a directory`(_ check: ConformanceCheck) async throws {
        try await check(FaissHarness(configuration: FaissConfiguration(), isPersistent: true))
    }

    @Test(arguments: ConformanceCheck.all)
    func `a graph, in a directory`(_ check: ConformanceCheck) async throws {
        let configuration = FaissConfiguration(index: .hnsw(m: 16, efConstruction: 80, efSearch: 64))
        try await check(FaissHarness(configuration: configuration, isPersistent: true))
    }

    @Test(arguments: ConformanceCheck.all)
    func `inverted lists, in memory`(_ check: ConformanceCheck) async throws {
        let configuration = FaissConfiguration(index: .ivfFlat(lists: 4, probes: 3))
        try await check(FaissHarness(configuration: configuration, isPersistent: false))
    }
}

private final class FaissHarness: ConformanceHarness {
    private let configuration: FaissConfiguration
    private let directory: TemporaryDirectory?
    init(configuration: FaissConfiguration, isPersistent: Bool) {
        self.configuration = configuration
        directory = isPersistent ? TemporaryDirectory() : nil
    }

    /// Of 4 lists 3 are read, and a few hundred records in a graph of 16 neighbours are nearly all looked at.
    var minimumRecall: Double { 0.85 }

    func makeStore() async throws -> ConformanceStore {
        if let directory {
            return .blocking(try FaissVectorStore(directory: directory.path, configuration: configuration))
        }
        return .blocking(try FaissVectorStore(configuration: configuration))
    }

    func reopen(_ store: ConformanceStore) async throws -> ConformanceStore? {
        directory == nil ? nil : try await makeStore()
    }

    func cleanUp(_ store: ConformanceStore) async throws {
        if case .blocking(let store) = store { try store.close() }
    }
}
#endif
