#if Chroma
import Foundation
import MiniORM
import MiniORMChroma
import MiniORMConformance
import Testing

/// The whole contract on the real server, in several ways side by side.
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
        var undeclared: Set<String> {
            ["isUpsertAtomic", "idPolicy .uuid", isExact ? "an approximate index" : "isExact"]
        }
    }

    /// Each has collections of its own.
    private static let ways: [Harness] = {
        var cloud = ChromaLimits.cloud
        // The contract asks for longer ids than Chroma Cloud takes, which is the one clause that it cannot keep.
        cloud.bytesPerID = nil
        return [
            Harness(collectionPrefix: "kit-async"),
            Harness(isExact: true, indexed: .scalarsAndElements, collectionPrefix: "kit-exact"),
            Harness(limits: cloud, collectionPrefix: "kit-cloud"),
            Harness(isBlocking: true, collectionPrefix: "kit-sync"),
        ]
    }()

    @Test(
        "contract: asynchronous, synchronous, exact, and within the quotas of Chroma Cloud",
        arguments: ConformanceCheck.all)
    func conforms(_ check: ConformanceCheck) async {
        await withTaskGroup(of: Void.self) { group in
            for way in Self.ways {
                group.addTask {
                    do { try await check(way, undeclared: way.undeclared) } catch {
                        Issue.record(error, "\(way.collectionPrefix)")
                    }
                }
            }
        }
    }
}
#endif
