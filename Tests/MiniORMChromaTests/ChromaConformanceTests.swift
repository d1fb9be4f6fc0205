#if Chroma
import Foundation
import MiniORM
import MiniORMChroma
import MiniORMConformance
import Testing

/// The whole contract on the real server: asynchronously, and through the synchronous face.
@Suite(.serialized)
struct ChromaConformanceTests {
    struct Harness: ConformanceHarness {
        var isExact = false
        var isBlocking = false
        var indexed = ChromaIndexedFields.scalars
        var limits = ChromaLimits()
        var collectionPrefix: String

        private func store() throws -> ConformanceStore {
            let store = try ChromaServer.store {
                $0.isExact = isExact
                $0.indexedFields = indexed
                $0.limits = limits
                $0.credentials = .bearer("a-secret-token")
            }
            return isBlocking ? .blocking(BlockingVectorStore(store)) : .suspending(store)
        }

        func makeStore() async throws -> ConformanceStore { try store() }
        func reopen(_ old: ConformanceStore) async throws -> ConformanceStore? { try store() }
        func cleanUp(_ store: ConformanceStore) async throws {
            if case .suspending(let store) = store { try await store.close() }
        }
        var secrets: [String] { ["a-secret-token"] }
    }

    @Test("contract, asynchronous", arguments: ConformanceCheck.all)
    func conforms(_ check: ConformanceCheck) async throws { try await check(Harness(collectionPrefix: "kit-async")) }

    @Test("contract, exact, elements indexed", arguments: ConformanceCheck.all)
    func conformsExactly(_ check: ConformanceCheck) async throws {
        try await check(
            Harness(isExact: true, indexed: .scalarsAndElements, collectionPrefix: "kit-exact"))
    }

    @Test("contract, within the quotas of Chroma Cloud", arguments: ConformanceCheck.all)
    func conformsWithinQuotas(_ check: ConformanceCheck) async throws {
        var limits = ChromaLimits.cloud
        // The contract asks for longer ids than Chroma Cloud takes, which is the one clause that it cannot keep.
        limits.bytesPerID = nil
        try await check(Harness(limits: limits, collectionPrefix: "kit-cloud"))
    }

    @Test("contract, synchronous", arguments: ConformanceCheck.all)
    func conformsBlocking(_ check: ConformanceCheck) async throws {
        try await check(Harness(isBlocking: true, collectionPrefix: "kit-sync"))
    }
}
#endif
