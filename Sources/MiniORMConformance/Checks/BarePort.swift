import MiniORM

// What a port does that no repository stands before.
extension ConformanceCheck {
    static let barePort: [ConformanceCheck] = [
        ConformanceCheck(
            "every operation that is declared is there", clause: "2, the port; ARCHITECTURE, wrappers",
            through: [.bare],
            hint: "an operation in nativeOperations is implemented; a wrapper forwards it, or takes it out"
        ) { kit in
            let repository = try await kit.open()
            try await repository.upsert([kit.record(1, [1, 2, 3], ["a": 1])])
            let name = kit.name(0)
            let port = kit.port
            let filter: VectorFilter? = kit.capabilities.supportsFilters ? ["a": 1] : nil
            var calls: [(StoreOperations, String, () async throws -> Void)] = [
                (
                    .queryBatch, "queryBatch",
                    {
                        let answers = try await port.queryBatch(
                            QueryBatchRequest(collection: name, vectors: [[1, 2, 3], [1, 0, 0]]))
                        try expectEqual(answers.map(\.count), [1, 1], "queryBatch")
                    }
                ),
                (
                    .count, "count",
                    {
                        try expectEqual(
                            try await port.count(CountRequest(collection: name, filter: filter)), 1, "count")
                    }
                ),
                (
                    .scan, "scan",
                    {
                        let page = try await port.scan(ScanRequest(collection: name, filter: filter, pageSize: 10))
                        try expectIDs(page.records.map(\.id), [kit.id(1)], "scan")
                    }
                ),
                (
                    .describeCollection, "describeCollection",
                    {
                        let description = try await port.describeCollection(name)
                        try expectEqual(description?.dimension, 3, "describeCollection")
                    }
                ),
                (
                    .listCollections, "listCollections",
                    {
                        try expect(try await port.listCollections().contains(name), "listCollections does not list it")
                    }
                ),
            ]
            if let filter {
                calls.append(
                    (
                        .explain, "explain",
                        {
                            _ = try await port.explain(ExplainRequest(collection: name, filter: filter))
                        }
                    ))
                calls.append(
                    (
                        .deleteMatching, "deleteMatching",
                        {
                            let request = DeleteMatchingRequest(collection: name, filter: filter)
                            try expectEqual(try await port.deleteMatching(request), 1, "deleteMatching")
                        }
                    ))
            }
            calls.append((.dropCollection, "dropCollection", { try await port.dropCollection(name) }))
            calls.append((.close, "close", { try await port.close() }))
            for (operation, operationName, call) in calls where kit.capabilities.nativeOperations.contains(operation) {
                if operation == .close {
                    // The store that is closed is one of its own; where only one may write, it is over the same storage.
                    let reopened = try await kit.harness.reopen(kit.store)
                    let store = if let reopened { reopened } else { try await kit.harness.makeStore() }
                    try await CheckContext.port(of: store).close()
                    try await kit.harness.cleanUp(store)
                    continue
                }
                do { try await call() } catch { throw Unexpected("\(operationName): \(error)") }
            }
        },
        ConformanceCheck(
            "a bare port says that a collection is missing", clause: "6 collectionNotFound", through: [.bare],
            hint: "fetch of an empty list too: repositories use it to ask whether a collection is there"
        ) { kit in
            let name = kit.name(9), port = kit.port
            if kit.capabilities.nativeOperations.contains(.dropCollection) {
                _ = try? await port.dropCollection(name)
            }
            let calls: [(String, () async throws -> Void)] = [
                ("fetch of no id", { _ = try await port.fetch(FetchRequest(collection: name, ids: [])) }),
                ("fetch", { _ = try await port.fetch(FetchRequest(collection: name, ids: nil)) }),
                ("query", { _ = try await port.query(QueryRequest(collection: name, vector: [1, 2, 3])) }),
                (
                    "upsert",
                    {
                        try await port.upsert(UpsertRequest(collection: name, records: [kit.record(1, [1, 2, 3])]))
                    }
                ),
                ("delete", { _ = try await port.delete(DeleteRequest(collection: name, ids: [kit.id(1)])) }),
                ("count", { _ = try await port.count(CountRequest(collection: name)) }),
                ("scan", { _ = try await port.scan(ScanRequest(collection: name, pageSize: 5)) }),
            ]
            for (what, call) in calls { try await expectError(.collectionNotFound, what: what, call) }
        },
        ConformanceCheck(
            "a bare port survives what a repository would not send", clause: "6, no trap", through: [.bare],
            hint: "an error or an answer, never a trap: empty lists, repeats, topK of 0 and less, huge pages"
        ) { kit in
            let repository = try await kit.open()
            let name = kit.name(0), port = kit.port
            let last = kit.record(1, [0, 1, 0], ["last": true])
            try await port.upsert(
                UpsertRequest(collection: name, records: [kit.record(1, [1, 0, 0], ["first": 1]), last]))
            try expectRecord(
                try await repository.fetch().first, last, "an upsert of an id twice",
                bits: kit.capabilities.keepsVectorBits)
            try await port.upsert(UpsertRequest(collection: name, records: []))
            try expectEqual(
                try await port.delete(DeleteRequest(collection: name, ids: [])), 0, "records deleted by no id")
            try expectEqual(
                try await port.fetch(FetchRequest(collection: name, ids: [])).count, 0, "records fetched by no id")
            for topK in [0, -1, Int.min] {
                let options = QueryOptions(topK: topK)
                let found = try? await port.query(QueryRequest(collection: name, vector: [1, 2, 3], options: options))
                try expect(found?.isEmpty ?? true, "a query for \(topK) answers found something")
            }
            let none = try? await port.queryBatch(QueryBatchRequest(collection: name, vectors: []))
            try expect(none?.isEmpty ?? true, "a batch of no query found something")
            for vector: [Float] in [[], [1], [1, 2, 3, 4], [.nan, 1, 2]] {
                _ = try? await port.query(QueryRequest(collection: name, vector: vector))
                _ = try? await port.upsert(UpsertRequest(collection: name, records: [kit.record(2, vector)]))
            }
            for pageSize in [Int.max, 0, -5] {
                _ = try? await port.scan(ScanRequest(collection: name, pageSize: pageSize))
            }
            let other = ScanRequest(collection: name, pageSize: 5, cursor: ScanCursor("no cursor of this store"))
            _ = try? await port.scan(other)
        },
    ]
}
