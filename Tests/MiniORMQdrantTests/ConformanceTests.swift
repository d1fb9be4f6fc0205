#if Qdrant
import MiniORM
import MiniORMConformance
import MiniORMQdrant
import Testing

struct QdrantHarness: ConformanceHarness {
    var collectionPrefix: String
    var options = QdrantOptions()
    var secrets: [String] { [Server.secret] }

    func makeStore() throws -> ConformanceStore { .suspending(try Server.store(options)) }
    func reopen(_ store: ConformanceStore) throws -> ConformanceStore? { .suspending(try Server.store(options)) }
    func cleanUp(_ store: ConformanceStore) async throws {
        if case .suspending(let store) = store { try await store.close() }
    }
}

extension ServerTests {
    /// Every clause of the contract, through the synchronous repository and the asynchronous one.
    @Suite struct ConformanceTests {
        private static func options(_ change: (inout QdrantOptions) -> Void) -> QdrantOptions {
            var options = QdrantOptions()
            change(&options)
            return options
        }

        private func check(
            _ check: ConformanceCheck, _ harness: QdrantHarness, skips: Set<String>
        ) async throws {
            guard case .skipped(let why) = try await check(harness) else { return }
            #expect(skips.contains { why.hasSuffix("does not declare \($0)") }, "skipped: \(why)")
        }

        @Test(arguments: ConformanceCheck.all)
        func conforms(_ check: ConformanceCheck) async throws {
            try await self.check(
                check, QdrantHarness(collectionPrefix: "kit"),
                skips: ["isUpsertAtomic", "isExact", "idPolicy .uuid"])
        }

        @Test(arguments: ConformanceCheck.all)
        func conformsWithExactSearch(_ check: ConformanceCheck) async throws {
            let options = Self.options { $0.search.exact = true }
            try await self.check(
                check, QdrantHarness(collectionPrefix: "kit-exact", options: options),
                skips: ["isUpsertAtomic", "an approximate index", "idPolicy .uuid"])
        }

        /// Indexes on fields that the kit fills with values of every type.
        @Test(arguments: ConformanceCheck.all)
        func conformsWithPayloadIndexes(_ check: ConformanceCheck) async throws {
            let options = Self.options {
                $0.collection.tenantField = "a"
                $0.collection.payloadIndexes = [.init("n", .number), .init("a.b", .keyword), .init("b", .bool)]
            }
            try await self.check(
                check, QdrantHarness(collectionPrefix: "kit-indexed", options: options),
                skips: ["isUpsertAtomic", "isExact", "idPolicy .uuid"])
        }

        @Test(arguments: ConformanceCheck.all)
        func conformsWithUUIDs(_ check: ConformanceCheck) async throws {
            let options = Self.options { $0.idPolicy = .uuid }
            try await self.check(
                check, QdrantHarness(collectionPrefix: "kit-uuid", options: options),
                skips: ["isUpsertAtomic", "isExact", "idPolicy .any"])
        }
    }
}
#endif
