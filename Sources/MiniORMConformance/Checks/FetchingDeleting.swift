import MiniORM

// The contract's section 2: fetch, records(matching:), delete, count.
extension ConformanceCheck {
    static let fetching: [ConformanceCheck] = [
        ConformanceCheck(
            "fetch answers in the order asked for", clause: "2 fetch",
            hint: "the repository orders, skips and repeats; the port answers the records of the ids, and no others"
        ) { kit in
            let repository = try await kit.open()
            let records = (0..<9).map { kit.record($0, [Float($0), 1, 1], ["n": .int(Int64($0))]) }
            try await repository.upsert(records)
            let asked = [5, 2, 77, 8, 2, 0, 5]
            let found = try await repository.fetch(asked.map(kit.id))
            try expectIDs(found.map(\.id), [5, 2, 8, 2, 0, 5].map(kit.id), "missing skipped, repeats kept")
            for record in found {
                let expected = records.first { $0.id == record.id }
                try expectPayload(record.payload, expected?.payload, "the payload of \(record.id)")
            }
            try expectEqual(try await repository.fetch([]).count, 0, "records fetched by no id")
            try await expectError(.invalidIdentifier, what: "an empty id") { _ = try await repository.fetch([""]) }
        },
        ConformanceCheck(
            "fetch of nil is every record, ordered by id", clause: "2 fetch",
            hint: "page through all where the engine has a limit on one answer"
        ) { kit in
            let repository = try await kit.open()
            let numbers = (0..<300).map { $0 * 7 % 300 }
            try await repository.upsert(numbers.map { kit.record($0, [Float($0), 1, 1]) })
            try expectIDs(try await repository.fetch().map(\.id), (0..<300).map(kit.id), "all records")
        },
        ConformanceCheck(
            "records are read once each, whatever the page size", clause: "2 records(matching:)",
            hint: "a page begins where the one before ended; a page that holds no match is not the end"
        ) { kit in
            let repository = try await kit.open()
            try await repository.upsert((0..<50).map { kit.record($0, [Float($0), 1, 1], ["n": .int(Int64($0))]) })
            for pageSize in [1, 7, 25, 50, 512] {
                let found = try await repository.records(pageSize: pageSize).map(\.id).sorted()
                try expectIDs(found, (0..<50).map(kit.id), "page size \(pageSize)")
            }
            guard kit.capabilities.supportsFilters else { return }
            for pageSize in [1, 4, 512] {
                let found = try await repository.records(matching: .field("n") >= 41, pageSize: pageSize)
                try expectIDs(found.map(\.id).sorted(), (41..<50).map(kit.id), "page size \(pageSize), filtered")
                let record = found.first { $0.id == kit.id(42) }
                try expectRecord(
                    record, kit.record(42, [42, 1, 1], ["n": 42]), "page size \(pageSize)",
                    bits: kit.capabilities.keepsVectorBits)
            }
            let none = try await repository.records(matching: .field("n") > 99, pageSize: 5)
            try expectEqual(none.count, 0, "records that match nothing")
            try await expectError(.invalidArgument, what: "a page size of 0") {
                _ = try await repository.records(pageSize: 0)
            }
        },
    ]

    static let readingWhileDeleting: [ConformanceCheck] = [
        ConformanceCheck(
            "records are read once each while those that were read are deleted", clause: "2 records(matching:)",
            through: [.bare],
            hint: "a page begins after the last record, not after a number of records: an offset skips some"
        ) { kit in
            let filters: [VectorFilter?] = kit.capabilities.supportsFilters ? [nil, .field("n") >= 0] : [nil]
            for filter in filters {
                let repository = try await kit.open()
                let ids = (0..<60).map(kit.id)
                try await repository.upsert((0..<60).map { kit.record($0, [Float($0), 1, 1], ["n": .int(Int64($0))]) })
                var request = ScanRequest(collection: kit.name(0), filter: filter, pageSize: 7)
                var read: [String] = []
                var pages = 0
                repeat {
                    let page = try await kit.port.scan(request)
                    let found = page.records.map(\.id)
                    read += found
                    if !found.isEmpty {
                        let gone = try await kit.port.delete(DeleteRequest(collection: kit.name(0), ids: found))
                        try expectEqual(gone, found.count, "records of a page, deleted")
                    }
                    request.cursor = page.next
                    pages += 1
                    try expect(pages < 200, "60 records are not at an end after 200 pages of 7")
                } while request.cursor != nil
                try expectIDs(read.sorted(), ids, "read, page by page, by \(filter.map { "\($0)" } ?? "no filter")")
                try expectEqual(try await repository.count(), 0, "records left")
            }
        }
    ]

    static let deleting: [ConformanceCheck] = [
        ConformanceCheck(
            "delete counts what was there, repeats once", clause: "2 delete",
            hint: "count the records that existed; engines that answer the number of ids asked for need a look first"
        ) { kit in
            let repository = try await kit.open()
            try await repository.upsert((0..<6).map { kit.record($0, [Float($0), 1, 1]) })
            try expectEqual(try await repository.delete([1, 1, 77, 3, 1].map(kit.id)), 2, "records deleted")
            try expectEqual(try await repository.delete([1, 3].map(kit.id)), 0, "records deleted again")
            try expectEqual(try await repository.delete([]), 0, "records deleted by no id")
            try expectIDs(try await repository.fetch().map(\.id), [0, 2, 4, 5].map(kit.id), "what is left")
            let found = try await repository.query([1, 1, 1], topK: 10).map(\.id).sorted()
            try expectIDs(found, [0, 2, 4, 5].map(kit.id), "what a query finds")
        },
        ConformanceCheck(
            "delete by filter deletes what matches and nothing else", clause: "2 delete(matching:)",
            needs: [.filters], hint: "never with a wider filter than the one asked for: finish it before deleting"
        ) { kit in
            let repository = try await kit.open()
            try await repository.upsert(
                (0..<20).map { number in
                    kit.record(
                        number, [1, 1, 1], number % 5 == 4 ? nil : ["n": .int(Int64(number)), "t": ["a", "b"]])
                })
            try expectEqual(try await repository.delete(matching: .field("n") < 2.5), 3, "records deleted")
            try expectEqual(try await repository.delete(matching: .field("n") < 2.5), 0, "records deleted again")
            try expectEqual(try await repository.delete(matching: ["t": "a"]), 0, "records whose t is a text")
            try expectEqual(try await repository.delete(matching: .or([])), 0, "records that match nothing")
            try expectEqual(try await repository.delete(matching: ["n": nil]), 4, "records without n")
            try expectEqual(try await repository.count(), 13, "records left")
            try expectEqual(try await repository.delete(matching: [:]), 13, "records deleted by the filter of all")
        },
        ConformanceCheck(
            "count counts", clause: "2 count", hint: "the number of records that match, however many there are"
        ) { kit in
            let repository = try await kit.open()
            try await repository.upsert((0..<30).map { kit.record($0, [1, 1, 1], ["n": .int(Int64($0 % 3))]) })
            try await repository.upsert([kit.record(3, [1, 1, 2], ["n": 9])])
            try expectEqual(try await repository.count(), 30, "records")
            guard kit.capabilities.supportsFilters else {
                let calls: [(String, () async throws -> Void)] = [
                    ("count", { _ = try await repository.count(matching: ["n": 0]) }),
                    ("query", { _ = try await repository.query([1, 1, 1], filter: ["n": 0]) }),
                    ("queryBatch", { _ = try await repository.queryBatch([[1, 1, 1]], filter: ["n": 0]) }),
                    ("records(matching:)", { _ = try await repository.records(matching: ["n": 0]) }),
                    ("delete(matching:)", { _ = try await repository.delete(matching: ["n": 0]) }),
                ]
                for (what, call) in calls {
                    try await expectError(.unsupportedFilter, what: "\(what) with a filter", call)
                }
                return try expectEqual(try await repository.count(), 30, "records after filters were refused")
            }
            try expectEqual(try await repository.count(matching: ["n": 0]), 9, "records with n 0")
            try expectEqual(try await repository.count(matching: ["n": 9.0]), 1, "records with n 9")
            try expectEqual(try await repository.count(matching: [:]), 30, "records that match the filter of all")
            try expectEqual(try await repository.count(matching: .or([])), 0, "records that match nothing")
        },
    ]
}
