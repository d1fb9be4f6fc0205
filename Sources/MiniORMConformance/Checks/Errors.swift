import MiniORM

// The contract's section 6: errors.
extension ConformanceCheck {
    static let errors: [ConformanceCheck] = [
        ConformanceCheck(
            "an error names the store and the collection", clause: "6 errors",
            hint: "the repository adds what the store does not say"
        ) { kit in
            let repository = try await kit.open()
            let thrown = [
                try await expectError(.invalidVector, what: "a query") { _ = try await repository.query([1]) },
                try await expectError(.collectionAlreadyExists, what: "a create") {
                    try await repository.createCollection()
                },
                try await expectError(.collectionMismatch, what: "opening") {
                    _ = try await kit.open(kit.name(0), dimension: 9)
                },
            ]
            for error in thrown {
                try expectEqual(error.store, kit.store.name, "the store of \(error)")
                try expectEqual(error.collection, kit.name(0), "the collection of \(error)")
                try expect(!error.message.isEmpty, "an error has no message")
            }
        },
        ConformanceCheck(
            "no secret, vector or payload shows in a description", clause: "6 secrets",
            hint: "describe a store by its kind and address; cut credentials from URLs; keep data out of messages"
        ) { kit in
            let repository = try await kit.open()
            let payload: [String: PayloadValue] = ["private": "pr1v4te-p4yl0ad", "bad": .double(.nan)]
            let error = try await expectError(.unsupportedPayload, what: "an upsert") {
                try await repository.upsert([kit.record(1, [0.123456, 2, 3], payload)])
            }
            var texts = [
                "\(error)", String(reflecting: error), "\(kit.store.name)", "\(kit.port)",
                String(reflecting: kit.store),
                String(reflecting: kit.port), "\(repository)",
            ]
            if let store = try await kit.harness.makeUnreachableStore() {
                texts += try await descriptions(ofUnreachable: store, kit)
                try await kit.harness.cleanUp(store)
            }
            for text in texts {
                for secret in kit.harness.secrets where !secret.isEmpty {
                    try expect(!text.contains(secret), "a secret shows in a description of \(kit.store.name)")
                }
            }
            try expect(
                !texts[0].contains("pr1v4te") && !texts[0].contains("0.123456"), "an error shows the record's data")
        },
    ]

    /// What a store that nobody answers says of itself and of its failure.
    private static func descriptions(
        ofUnreachable store: ConformanceStore, _ kit: CheckContext
    ) async throws -> [String] {
        do { _ = try await kit.open(kit.name(0), on: store) } catch let error as VectorStoreError {
            let causes = sequence(first: error as any Error) { ($0 as? VectorStoreError)?.cause }
            return causes.flatMap { ["\($0)", String(reflecting: $0)] } + [String(reflecting: store)]
        }
        throw Unexpected("a collection was opened in the harness's makeUnreachableStore()")
    }
}
