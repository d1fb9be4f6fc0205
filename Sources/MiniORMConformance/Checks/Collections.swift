import MiniORM

// The contract's section 2: a collection's life.
extension ConformanceCheck {
    static let collections: [ConformanceCheck] = [
        ConformanceCheck(
            "opening again with the same arguments keeps the data", clause: "2 init",
            hint: "mode .ensure creates if absent, and otherwise only compares dimension and metric"
        ) { kit in
            let first = try await kit.open()
            try await first.upsert([kit.record(1, [1, 2, 3])])
            let second = try await kit.open(kit.name(0))
            try expectIDs(try await second.fetch().map(\.id), [kit.id(1)], "after opening again")
        },
        ConformanceCheck(
            "opening with another dimension is a mismatch", clause: "2 init",
            hint: "mode .ensure compares the dimension of what is there and throws collectionMismatch"
        ) { kit in
            _ = try await kit.open(dimension: 3)
            try await expectError(.collectionMismatch, what: "dimension 4 over 3") {
                _ = try await kit.open(kit.name(0), dimension: 4)
            }
        },
        ConformanceCheck(
            "opening with another metric is a mismatch", clause: "2 init",
            hint:
                "mode .ensure compares the metric of what is there; keep it with the collection if the engine does not"
        ) { kit in
            let metrics = VectorMetric.allCases.filter(kit.capabilities.metrics.contains)
            guard metrics.count > 1 else { throw CheckSkipped(why: "the store has one metric") }
            _ = try await kit.open(metric: metrics[0])
            try await expectError(.collectionMismatch, what: "\(metrics[1]) over \(metrics[0])") {
                _ = try await kit.open(kit.name(0), metric: metrics[1])
            }
        },
        ConformanceCheck(
            "overwriting drops the data, and may change dimension and metric", clause: "2 init",
            hint: "mode .overwrite drops a collection of this library and creates it anew, and throws for another's"
        ) { kit in
            let first = try await kit.open(dimension: 3)
            try await first.upsert([kit.record(1, [1, 2, 3])])
            let second = try await kit.open(dimension: 2)
            try expectEqual(try await second.count(), 0, "records after overwriting")
            try await second.upsert([kit.record(2, [1, 2])])
            try await second.createCollection(overwrite: true)
            try expectEqual(try await second.count(), 0, "records after createCollection(overwrite: true)")
            try await expectForeignIsLeftAlone(kit)
        },
        ConformanceCheck(
            "creating what is there already throws", clause: "2 createCollection",
            hint: "mode .create throws collectionAlreadyExists and leaves the data alone"
        ) { kit in
            let repository = try await kit.open()
            try await repository.upsert([kit.record(1, [1, 2, 3])])
            try await expectError(.collectionAlreadyExists, what: "createCollection()") {
                try await repository.createCollection()
            }
            try expectEqual(try await repository.count(), 1, "records after the error")
        },
        ConformanceCheck(
            "a collection is there from create to drop", clause: "2 collectionExists, dropCollection",
            needs: [.dropping],
            hint: "after a drop every call throws collectionNotFound, fetch of an empty list too"
        ) { kit in
            let repository = try await kit.open()
            try await repository.upsert([kit.record(1, [1, 2, 3])])
            try expectEqual(try await repository.collectionExists(), true, "collectionExists of a collection")
            try await repository.dropCollection()
            try expectEqual(try await repository.collectionExists(), false, "collectionExists after the drop")
            try await expectError(.collectionNotFound, what: "a second drop") { try await repository.dropCollection() }
            try await repository.createCollection()
            try expectEqual(try await repository.count(), 0, "records of a collection that was dropped and created")
        },
        ConformanceCheck(
            "a missing collection is an error of its own", clause: "6 collectionNotFound", needs: [.dropping],
            hint: "translate the engine's own code for a missing table or collection, not the text of its message"
        ) { kit in
            let repository = try await kit.open()
            try await repository.dropCollection()
            let record = kit.record(1, [1, 2, 3])
            let calls: [(String, () async throws -> Void)] = [
                ("upsert", { try await repository.upsert([record]) }),
                ("query", { _ = try await repository.query([1, 2, 3]) }),
                ("queryBatch", { _ = try await repository.queryBatch([[1, 2, 3], [1, 0, 0]]) }),
                ("fetch", { _ = try await repository.fetch([record.id]) }),
                ("fetch all", { _ = try await repository.fetch() }),
                ("records(matching:)", { _ = try await repository.records() }),
                ("delete", { _ = try await repository.delete([record.id]) }),
                ("delete(matching:)", { _ = try await repository.delete(matching: [:]) }),
                ("count", { _ = try await repository.count() }),
                ("describe", { _ = try await repository.describe() }),
            ]
            for (name, call) in calls where name != "delete(matching:)" || kit.capabilities.supportsFilters {
                let error = try await expectError(.collectionNotFound, what: name, call)
                try expect(error.collection == kit.name(0), "\(name): the error does not name the collection: \(error)")
            }
        },
        ConformanceCheck(
            "describe tells dimension and metric", clause: "2 describe", needs: [.describing],
            hint: "keep name, dimension and metric with the collection; nil for a missing one"
        ) { kit in
            for (number, metric) in VectorMetric.allCases.filter(kit.capabilities.metrics.contains).enumerated() {
                let repository = try await kit.open(number, dimension: number + 2, metric: metric)
                try expectEqual(
                    try await repository.describe(),
                    CollectionDescription(name: kit.name(number), dimension: number + 2, metric: metric), "describe")
            }
            let missing = try await kit.port.describeCollection(kit.name(99))
            try expect(
                missing == nil, "describeCollection of a missing collection: expected nil, got \(missing as Any)")
        },
        ConformanceCheck(
            "collections are listed, ordered by their bytes", clause: "2 listCollections", needs: [.listing],
            hint: "list what this library can open, page by page where the engine pages, and sort by UTF-8 bytes"
        ) { kit in
            let repository = try await kit.open(1)
            _ = try await kit.open(0)
            // In another order than a locale, or a comparison without case, would have them.
            let mixed = ["a", "B", "_c", "-D", "0"].map { kit.name(0) + $0 }
            for name in mixed { _ = try await kit.open(name, overwrite: true) }
            let names = try await repository.listCollections()
            for name in mixed + [kit.name(0), kit.name(1)] {
                try expectEqual(names.count { $0 == name }, 1, "entries of \(name) in the list")
            }
            try expect(
                zip(names, names.dropFirst()).allSatisfy { UTF8Key($0) < UTF8Key($1) },
                "the list is not ordered: \(names)")
            if kit.capabilities.nativeOperations.contains(.dropCollection) {
                try await repository.dropCollection()
                try expect(
                    try await !repository.listCollections().contains(kit.name(1)),
                    "the collection is listed after it was dropped")
            }
        },
        ConformanceCheck(
            "another store value finds what the first one kept", clause: "2 init; capability isPersistent",
            needs: [.persistence],
            hint: "an upsert that returned is kept; the harness's reopen(_:) gives a store over the same storage"
        ) { kit in
            let first = try await kit.open()
            let others = VectorMetric.allCases.filter { $0 != kit.metric && kit.capabilities.metrics.contains($0) }
            var records = (0..<20).map { kit.record($0, [Float($0), 1, 0.1], $0 == 3 ? nil : ["n": .int(Int64($0))]) }
            try await first.upsert(records)
            try expectEqual(try await first.delete([kit.id(18), kit.id(19)]), 2, "records deleted before reopening")
            records.removeLast(2)
            records[5] = kit.record(5, [5, 2, 0.1], ["new": true])
            try await first.upsert([records[5]])
            let before = try await first.query([3, 1, 1], topK: 10)
            if let other = others.first { _ = try await kit.open(2, dimension: 2, metric: other) }
            let drops = kit.capabilities.nativeOperations.contains(.dropCollection)
            if drops {
                let dropped = try await kit.open(1)
                try await dropped.upsert([kit.record(1, [1, 2, 3])])
                try await dropped.dropCollection()
            }
            guard let store = try await kit.harness.reopen(kit.store) else {
                throw Unexpected("the store declares isPersistent, and the harness's reopen(_:) answers nil")
            }
            let second = try await kit.open(kit.name(0), on: store)
            let found = try await second.fetch()
            try expectIDs(found.map(\.id), records.map(\.id), "records after reopening")
            for (found, record) in zip(found, records) {
                try expectRecord(found, record, "after reopening", bits: kit.capabilities.keepsVectorBits)
            }
            let after = try await second.query([3, 1, 1], topK: 10)
            if kit.capabilities.isExact {
                try expectIDs(after.map(\.id), before.map(\.id), "answers after reopening")
            }
            let scores = Dictionary(before.map { ($0.id, $0.score) }) { $1 }
            for answer in after {
                guard let score = scores[answer.id] else { continue }
                try expect(
                    (answer.score - score).magnitude <= 1e-5 * max(1, score.magnitude),
                    "\(answer.id) scores \(answer.score) after reopening, and \(score) before")
            }
            try await expectError(.collectionMismatch, what: "another dimension after reopening") {
                _ = try await kit.open(kit.name(0), dimension: 5, on: store)
            }
            if let other = others.first {
                try await expectError(.collectionMismatch, what: "another metric after reopening") {
                    _ = try await kit.open(kit.name(0), metric: other, on: store)
                }
            }
            if kit.capabilities.nativeOperations.contains(.describeCollection), let other = others.first {
                let description = try await CheckContext.port(of: store).describeCollection(kit.name(2))
                try expectEqual(
                    description, CollectionDescription(name: kit.name(2), dimension: 2, metric: other),
                    "describe after reopening")
            }
            let gone = try await kit.open(kit.name(1), autoCreate: false, on: store)
            try expectEqual(try await gone.collectionExists(), false, "a collection that was dropped before reopening")
            if kit.capabilities.nativeOperations.contains(.listCollections) {
                let names = try await second.listCollections()
                try expect(names.contains(kit.name(0)), "the collection is not listed after reopening")
                try expect(!names.contains(kit.name(1)), "a collection that was dropped is listed after reopening")
            }
            try await kit.harness.cleanUp(store)
        },
    ]
    /// Neither overwritten nor dropped, where the harness can plant a collection that this library did not create.
    private static func expectForeignIsLeftAlone(_ kit: CheckContext) async throws {
        let name = kit.name(7)
        guard let foreign = try await kit.harness.plantForeignCollection(name, beside: kit.store) else { return }
        do {
            try await expectRefusal("overwriting a collection of somebody else's") {
                _ = try await kit.open(name, overwrite: true)
            }
            try await expectRefusal("dropping a collection of somebody else's") {
                try await kit.open(name, autoCreate: false).dropCollection()
            }
            try expect(try await foreign.isThere(), "a collection of somebody else's is gone")
        } catch {
            // The first error is the one to tell.
            try? await foreign.remove()
            throw error
        }
        try await foreign.remove()
    }

    private static func expectRefusal(_ what: String, _ body: () async throws -> Void) async throws {
        do { try await body() } catch is VectorStoreError { return }
        throw Unexpected("\(what): expected an error, and nothing was thrown")
    }
}
