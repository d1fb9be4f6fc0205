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
    /// Every clause of the contract, through the synchronous repository and the asynchronous one, in several ways side by
    /// side: each has collections of its own.
    @Suite struct ConformanceTests {
        private struct Way: Sendable {
            let harness: QdrantHarness
            /// What the store does not declare this way.
            let undeclared: Set<String>

            init(_ prefix: String, undeclared: Set<String>, _ change: (inout QdrantOptions) -> Void = { _ in }) {
                var options = QdrantOptions()
                change(&options)
                harness = QdrantHarness(collectionPrefix: prefix, options: options)
                self.undeclared = undeclared.union(["isUpsertAtomic"])
            }

            func run(_ check: ConformanceCheck) async {
                do { try await check(harness, undeclared: undeclared) } catch {
                    Issue.record(error, "\(harness.collectionPrefix)")
                }
            }
        }

        private static let ways = [
            Way("kit", undeclared: ["isExact", "idPolicy .uuid"]),
            Way("kit-exact", undeclared: ["an approximate index", "idPolicy .uuid"]) { $0.search.exact = true },
            // Indexes on fields that the kit fills with values of every type.
            Way("kit-indexed", undeclared: ["isExact", "idPolicy .uuid"]) {
                $0.collection.tenantField = "a"
                $0.collection.payloadIndexes = [.init("n", .number), .init("a.b", .keyword), .init("b", .bool)]
            },
            Way("kit-uuid", undeclared: ["isExact", "idPolicy .any"]) { $0.idPolicy = .uuid },
        ]

        @Test(arguments: ConformanceCheck.all)
        func conforms(_ check: ConformanceCheck) async {
            await withTaskGroup(of: Void.self) { group in
                for way in Self.ways { group.addTask { await way.run(check) } }
            }
        }
    }
}
#endif
