#if Faiss
import MiniORM
import MiniORMConformance
import Synchronization
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
    private let opened = Mutex<FaissVectorStore?>(nil)

    init(configuration: FaissConfiguration, isPersistent: Bool) {
        self.configuration = configuration
        directory = isPersistent ? TemporaryDirectory() : nil
    }

    /// Of 4 lists 3 are read, and a few hundred records in a graph of 16 neighbours are nearly all looked at.
    var minimumRecall: Double { 0.85 }

    func makeStore() async throws -> ConformanceStore {
        let store: FaissVectorStore
        if let directory {
            store = try FaissVectorStore(directory: directory.path, configuration: configuration)
        } else {
            store = try FaissVectorStore(configuration: configuration)
        }
        opened.withLock { $0 = store }
        return .blocking(store)
    }

    func reopen(_ store: ConformanceStore) async throws -> ConformanceStore? {
        guard directory != nil else { return nil }
        try opened.withLock { $0 }?.close()
        return try await makeStore()
    }

    func cleanUp(_ store: ConformanceStore) async throws { try opened.withLock { $0 }?.close() }
}
#endif
