import MiniORM
import Synchronization

// The contract's section 2: upsert.
extension ConformanceCheck {
    static let upserts: [ConformanceCheck] = [
        ConformanceCheck(
            "upsert replaces whole records", clause: "2 upsert",
            hint: "keys absent from the new payload are gone; engines that merge metadata need a delete first"
        ) { kit in
            let repository = try await kit.open()
            try await repository.upsert([
                kit.record(1, [1, 2, 3], ["old": 1, "both": ["x": 1, "y": 2]]), kit.record(2, [1, 0, 0], ["a": 1]),
                kit.record(3, [0, 1, 0]),
            ])
            let new = [
                kit.record(1, [3, 2, 1], ["both": ["x": 2], "new": nil]), kit.record(2, [0, 0, 1]),
                kit.record(3, [0, 2, 0], [:]),
            ]
            try await repository.upsert(new)
            let found = try await repository.fetch()
            try expectEqual(found.count, 3, "records after the second upsert")
            for (found, record) in zip(found, new) {
                try expectRecord(found, record, "after the second upsert", bits: kit.capabilities.keepsVectorBits)
            }
            if kit.capabilities.supportsFilters {
                try expectEqual(try await repository.count(matching: .exists("old")), 0, "records with the old key")
            }
        },
        ConformanceCheck(
            "of two records with one id in a call the last wins", clause: "2 upsert",
            hint: "the repository sends each id once; a bare port lets the last one count"
        ) { kit in
            let repository = try await kit.open()
            let last = kit.record(1, [0, 1, 0], ["last": true])
            let records = [kit.record(1, [1, 0, 0], ["first": true]), kit.record(2, [1, 1, 1]), last]
            try await repository.upsert(records)
            try expectEqual(try await repository.count(), 2, "records")
            let found = try await repository.fetch([kit.id(1)])
            try expectRecord(found.first, last, "the id that was there twice", bits: kit.capabilities.keepsVectorBits)
        },
        ConformanceCheck(
            "a bad record at the end of a call writes nothing", clause: "2 upsert",
            hint: "every record is checked before any I/O"
        ) { kit in
            let repository = try await kit.open()
            let good = (0..<50).map { kit.record($0, [1, 2, 3]) }
            let bad: [(VectorStoreError.Code, VectorRecord)] = [
                (.invalidVector, kit.record(99, [1, 2])), (.invalidVector, kit.record(99, [1, .nan, 3])),
                (.invalidIdentifier, VectorRecord(id: "", vector: [1, 2, 3])),
                (.unsupportedPayload, kit.record(99, [1, 2, 3], ["x": .double(.infinity)])),
            ]
            for (code, record) in bad {
                try await expectError(code, what: "an upsert with one bad record") {
                    try await repository.upsert(good + [record])
                }
            }
            try expectEqual(try await repository.count(), 0, "records")
        },
        ConformanceCheck(
            "an upsert of nothing does nothing", clause: "2 upsert", hint: "the repository sends nothing"
        ) { kit in
            let repository = try await kit.open()
            try await repository.upsert([])
            try expectEqual(try await repository.count(), 0, "records")
        },
        ConformanceCheck(
            "many records in one call are all there", clause: "2 upsert, fetch, delete, query batch; 6 batches",
            hint: "cut a large call into batches that the engine takes, and put every answer together"
        ) { kit in
            let repository = try await kit.open(dimension: 8)
            var random = RandomValues(seed: 14)
            let records = (0..<1500).map { kit.record($0, random.vector(8), ["n": .int(Int64($0))]) }
            let ids = records.map(\.id)
            try await repository.upsert(records)
            try expectEqual(try await repository.count(), 1500, "records")
            try expectIDs(try await repository.fetch(ids.reversed()).map(\.id), ids.reversed(), "1,500 fetched by id")
            try expectIDs(try await repository.fetch().map(\.id), ids, "all fetched")
            let read = try await repository.records().map(\.id).sorted()
            try expectIDs(read, ids, "all read page by page")
            let asked = (0..<200).map { $0 * 7 }
            let batch = try await repository.queryBatch(asked.map { records[$0].vector }, topK: 1)
            try expectEqual(batch.count, asked.count, "lists of answers to 200 queries")
            try expectEqual(batch.count { $0.count == 1 }, asked.count, "queries of 200 with one answer")
            if kit.capabilities.isExact, kit.metric != .dot {
                try expectIDs(batch.flatMap { $0.map(\.id) }, asked.map(kit.id), "the nearest to each of 200 records")
            }
            var left = 1500
            if kit.capabilities.supportsFilters {
                let gone = try await repository.delete(matching: .field("n") >= 400)
                try expectEqual(gone, 1100, "records deleted by filter")
                left = 400
                try expectEqual(try await repository.count(), left, "records after deleting by filter")
            }
            try expectEqual(try await repository.delete(ids), left, "records deleted by 1,500 ids")
            try expectEqual(try await repository.count(), 0, "records after deleting all")
        },
        ConformanceCheck(
            "readers see an upsert whole or not at all", clause: "6 atomicity", needs: [.atomicity],
            hint: "write in one transaction, and let a reader keep one snapshot"
        ) { kit in
            let repository = try await kit.open()
            try await repository.upsert((0..<40).map { kit.record($0, [1, 1, 1], ["version": 0]) })
            let writing = Writing()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    defer { writing.end() }
                    for version in 1...15 {
                        try await repository.upsert(
                            (0..<40).map { kit.record($0, [1, 1, Float(version)], ["version": .int(Int64(version))]) })
                    }
                }
                for _ in 0..<3 {
                    group.addTask {
                        while !writing.hasEnded {
                            let versions = Set(try await repository.fetch().compactMap { $0.payload?["version"] })
                            try expect(versions.count == 1, "a reader saw \(versions.count) versions at once")
                        }
                    }
                }
                try await group.waitForAll()
            }
        },
        ConformanceCheck(
            "readers see an upsert of many records whole or not at all", clause: "6 atomicity", needs: [.atomicity],
            hint: "batches of one call are one transaction"
        ) { kit in
            let repository = try await kit.open()
            let writing = Writing()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    defer { writing.end() }
                    for call in 0..<3 {
                        try await repository.upsert((0..<1500).map { kit.record(call * 1500 + $0, [1, Float($0), 1]) })
                    }
                }
                group.addTask {
                    while !writing.hasEnded {
                        let count = try await repository.count()
                        try expect(count.isMultiple(of: 1500), "a reader saw \(count) records of calls of 1,500")
                    }
                }
                try await group.waitForAll()
            }
            try expectEqual(try await repository.count(), 4500, "records in the end")
        },
    ]
}

/// Whether the writer that readers watch is at work still.
private final class Writing: Sendable {
    private let ended = Atomic(false)
    var hasEnded: Bool { ended.load(ordering: .acquiring) }
    func end() { ended.store(true, ordering: .releasing) }
}
