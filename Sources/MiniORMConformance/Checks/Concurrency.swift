import MiniORM

// The contract's section 6: time and concurrency.
extension ConformanceCheck {
    static let concurrency: [ConformanceCheck] = [
        ConformanceCheck(
            "many tasks use a store at once", clause: "6 concurrency",
            hint: "a connection serves one call at a time: keep a pool, or a line"
        ) { kit in
            let repository = try await kit.open()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<12 {
                    group.addTask {
                        let ids = (0..<5).map { task * 5 + $0 }
                        try await repository.upsert(
                            ids.map { kit.record($0, [1, Float($0), 2], ["task": .int(Int64(task))]) })
                        let found = try await repository.fetch(ids.map(kit.id))
                        try expectIDs(found.map(\.id), ids.map(kit.id), "what task \(task) wrote")
                        try expect(
                            found.allSatisfy { $0.payload?["task"] == .int(Int64(task)) }, "task \(task) got another's")
                        let hits = try await repository.query([1, Float(ids[0]), 2], topK: 3)
                        try expectEqual(hits.count, 3, "answers of task \(task)")
                        try expectEqual(try await repository.delete([kit.id(ids[0])]), 1, "what task \(task) deleted")
                    }
                }
                try await group.waitForAll()
            }
            try expectEqual(try await repository.count(), 48, "records in the end")
        },
        ConformanceCheck(
            "tasks that create one collection at once all open it", clause: "2 init; 6 concurrency",
            needs: [.dropping],
            hint: "mode .ensure: when somebody else was faster, look at what is there"
        ) { kit in
            try await kit.open().dropCollection()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<6 {
                    group.addTask {
                        let repository = try await kit.open(kit.name(0))
                        try await repository.upsert([kit.record(number, [1, 2, 3])])
                    }
                }
                try await group.waitForAll()
            }
            try expectEqual(try await kit.open(kit.name(0)).count(), 6, "records")
        },
        ConformanceCheck(
            "no call blocks a thread of Swift's pool", clause: "6 concurrency", through: [.bare],
            hint: "a store that blocks, be it for an instant, is a VectorStorePort: bridges give it threads of its own"
        ) { kit in
            _ = try await kit.open()
            let name = kit.name(0), port = kit.port
            let records = (0..<5).map { kit.record($0, [1, Float($0), 2], ["a": 1]) }
            try await port.upsert(UpsertRequest(collection: name, records: records))
            let ids = records.map(\.id)
            let other = CollectionDescription(name: kit.name(1), dimension: 2, metric: kit.metric)
            let create = CreateCollectionRequest(collection: other, mode: .ensure)
            kit.willCreate(other.name)
            var calls: [(String, @Sendable () async throws -> Void)] = [
                ("upsert", { try await port.upsert(UpsertRequest(collection: name, records: records)) }),
                ("query", { _ = try await port.query(QueryRequest(collection: name, vector: [1, 2, 3])) }),
                (
                    "queryBatch",
                    {
                        _ = try await port.queryBatch(
                            QueryBatchRequest(collection: name, vectors: [[1, 2, 3], [3, 2, 1]]))
                    }
                ),
                ("fetch", { _ = try await port.fetch(FetchRequest(collection: name, ids: ids)) }),
                ("count", { _ = try await port.count(CountRequest(collection: name)) }),
                ("scan", { _ = try await port.scan(ScanRequest(collection: name, pageSize: 2)) }),
                ("delete", { _ = try await port.delete(DeleteRequest(collection: name, ids: ids)) }),
                ("createCollection", { try await port.createCollection(create) }),
            ]
            let native = kit.capabilities.nativeOperations
            if kit.capabilities.supportsFilters {
                let request = DeleteMatchingRequest(collection: name, filter: ["a": 1])
                calls.append(("deleteMatching", { _ = try await port.deleteMatching(request) }))
            }
            if native.contains(.describeCollection) {
                calls.append(("describeCollection", { _ = try await port.describeCollection(name) }))
            }
            if native.contains(.listCollections) {
                calls.append(("listCollections", { _ = try await port.listCollections() }))
            }
            if native.contains(.dropCollection) {
                calls.append(
                    (
                        "createCollection and dropCollection",
                        {
                            try await port.createCollection(create)
                            try await port.dropCollection(other.name)
                        }
                    ))
            }
            let watch = BlockingWatch()
            for (what, call) in calls {
                // A lock that is held for a moment may be met once; a call that blocks does so every time.
                var least = UInt64.max
                for _ in 0..<12 where least > 20_000 {
                    least = min(least, try await watch.nanosecondsBlocked(by: call))
                }
                try expect(
                    least <= 20_000,
                    "\(what) held its thread and waited, for \(least / 1000) µs at the least, every time")
            }
        },
        ConformanceCheck(
            "a task that is cancelled gets the error cancelled, and the store goes on", clause: "6 cancelled",
            through: [.async], hint: "look at Task.isCancelled before the call, and cancel what is on its way"
        ) { kit in
            let repository = try await kit.open()
            try await repository.upsert((0..<20).map { kit.record($0, [1, Float($0), 2]) })
            let before = Task {
                // Not Task.sleep, which would throw.
                while !Task.isCancelled { await Task.yield() }
                return try await repository.query([1, 2, 3])
            }
            before.cancel()
            try await expectError(.cancelled, what: "a query in a task that was cancelled before") {
                _ = try await before.value
            }
            for number in 0..<20 {
                let task = Task { try await repository.query([1, 2, 3], topK: 5) }
                for _ in 0..<number { await Task.yield() }
                task.cancel()
                do {
                    try expectEqual(try await task.value.count, 5, "answers of a query that was cancelled too late")
                } catch VectorStoreError.Code.cancelled {}
            }
            try expectEqual(try await repository.query([1, 2, 3], topK: 5).count, 5, "answers after the cancellations")
            try expectEqual(try await repository.count(), 20, "records after the cancellations")
        },
    ]
}
