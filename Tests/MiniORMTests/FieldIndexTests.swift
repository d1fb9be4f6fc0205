import MiniORMConformance
import Testing

@testable import MiniORM

/// The contract's section 5 with indexes: the answers are the evaluator's, whatever was written in between.
@Suite struct FieldIndexTests {
    typealias Random = InMemoryStoreTests.Random

    static func store(dimension: Int = 1) throws -> InMemoryVectorStore {
        let store = InMemoryVectorStore(threads: 2)
        try store.createCollection(
            CreateCollectionRequest(collection: CollectionDescription(name: "c", dimension: dimension, metric: .dot)))
        return store
    }

    /// Compares every way to filter with the evaluator on all records.
    static func compare(_ store: InMemoryVectorStore, _ filter: VectorFilter, _ note: String) throws {
        let all = try store.fetch(FetchRequest(collection: "c", ids: nil))
        let expected = all.filter { filter.matches($0.payload) }.map(\.id).sorted()
        #expect(try store.count(CountRequest(collection: "c", filter: filter)) == expected.count, "\(note): \(filter)")
        let options = QueryOptions(topK: .max, filter: filter)
        let found = try store.query(QueryRequest(collection: "c", vector: [1], options: options))
        #expect(found.map(\.id).sorted() == expected, "\(note): \(filter)")
        var scanned: [String] = []
        var request = ScanRequest(collection: "c", filter: filter, pageSize: 100)
        repeat {
            let page = try store.scan(request)
            scanned += page.records.map(\.id)
            request.cursor = page.next
        } while request.cursor != nil
        #expect(scanned.sorted() == expected, "\(note): \(filter)")
        let plan = try store.explain(ExplainRequest(collection: "c", filter: filter))
        for record in all.prefix(100) {
            let parts =
                (plan.pushedDown?.matches(record.payload) ?? true) && (plan.finished?.matches(record.payload) ?? true)
            #expect(parts == filter.matches(record.payload), "\(note): \(filter)")
        }
    }

    /// Declared for every field, for some, or for none.
    @Test(arguments: [0, 50, 100], 0..<6 as Range<UInt64>)
    func randomFiltersAnswerAsTheEvaluator(declared percent: Int, seed: UInt64) throws {
        var values = RandomValues(seed: seed)
        let store = try Self.store()
        var payloads: [[String: PayloadValue]?] = []
        for path in RandomValues.keys where Int.random(in: 0..<100, using: &values.generator) < percent {
            try store.indexFields([FieldPath(parts: path)], in: "c")
        }
        for round in 0..<25 {
            let records = (0..<Int.random(in: 0..<120, using: &values.generator)).map { _ in
                let payload = values.payload()
                payloads.append(payload)
                let id = "r\(Int.random(in: 0..<600, using: &values.generator))"
                return VectorRecord(
                    id: id, vector: [Float.random(in: -1...1, using: &values.generator)], payload: payload)
            }
            try store.upsert(UpsertRequest(collection: "c", records: records))
            if round % 5 == 4 {
                let filter = values.filter(depth: 2, for: payloads)
                let all = try store.fetch(FetchRequest(collection: "c", ids: nil))
                let expected = all.count { filter.matches($0.payload) }
                let deleted = try store.deleteMatching(DeleteMatchingRequest(collection: "c", filter: filter))
                #expect(deleted == expected, "seed \(seed): \(filter)")
                #expect(try store.count(CountRequest(collection: "c")) == all.count - expected)
            }
            if round % 7 == 3 {
                // Every row gets its place in an index, not only those of full chunks.
                try store.indexFields(store.fieldIndexes(in: "c").map(\.path), in: "c")
            }
            for _ in 0..<6 {
                try Self.compare(store, values.filter(depth: 3, for: payloads), "seed \(seed), round \(round)")
            }
        }
    }

    /// Many distinct numbers, so that ranges come from ranks; several segments in a chunk, and a tail.
    @Test func numbersAndTextsAreFoundByRange() throws {
        var random = Random(state: 3)
        let store = try Self.store()
        var numbers = RandomValues.numbers
        for _ in 0..<400 { numbers.append(.double(Double(Int.random(in: -9...9, using: &random)) / 4)) }
        for _ in 0..<400 { numbers.append(.int((1 << 53) + Int64.random(in: -3...3, using: &random))) }
        for _ in 0..<400 { numbers.append(.int(.max - Int64.random(in: 0...2000, using: &random))) }
        for offset in [9_000, 11_000] {
            let records = (0..<offset).map { index in
                let number = numbers[Int.random(in: numbers.indices, using: &random)]
                let text = String(repeating: "x", count: index % 140) + RandomValues.strings[index % 20]
                return VectorRecord(
                    id: "r\(offset).\(index)", vector: [1],
                    payload: ["n": number, "i": .int(Int64(index)), "s": .string(text), "t": [number, .string(text)]])
            }
            try store.upsert(UpsertRequest(collection: "c", records: records))
            try store.indexFields(["n", "i", "s", "t"], in: "c")
        }
        let all = try store.fetch(FetchRequest(collection: "c", ids: nil))
        #expect(all.count == 20_000)
        func check(_ filter: VectorFilter) throws {
            let found = try store.count(CountRequest(collection: "c", filter: filter))
            #expect(found == all.count { filter.matches($0.payload) }, "\(filter)")
        }
        for _ in 0..<12 {
            let record = all[Int.random(in: all.indices, using: &random)].payload ?? [:]
            let other = all[Int.random(in: all.indices, using: &random)].payload ?? [:]
            for comparison in VectorFilter.Comparison.allCases {
                for field in ["n", "i", "s"] {
                    try check(.compare(FieldPath(field), comparison, record[field] ?? .null))
                }
            }
            try check(.field("i") >= (record["i"] ?? .null) && .field("i") < (other["i"] ?? .null))
            try check(.isIn("n", [record["n"] ?? .null, other["n"] ?? .null, 3.25, "x"]))
            try check(.contains("t", record["n"] ?? .null) || .contains("t", other["s"] ?? .null))
        }
        let many = (0..<300).map { PayloadValue.int(Int64($0 * 33)) }
        try check(.isIn("i", many))
        try check(.not(.isIn("i", many)))
    }

    /// A snapshot keeps its answers when the indexes have gone on.
    @Test func anIndexOfLaterRowsServesAnEarlierSnapshot() throws {
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 1, metric: .dot))
        func add(_ ids: Range<Int>) throws {
            try collection.upsert(
                ids.map { VectorRecord(id: "r\($0)", vector: [1], payload: ["n": .int(Int64($0 % 10))]) })
        }
        try add(0..<70)
        let first = collection.snapshot
        try add(70..<20_000)
        collection.index(["n"])
        let second = collection.snapshot
        for residue in 0..<10 {
            let filter: VectorFilter = .field("n") == residue
            #expect(collection.selectAsIs(filter, in: first).count == 7)
            #expect(collection.selectAsIs(.not(filter), in: first).count == 63)
            #expect(collection.selectAsIs(filter, in: second).count == 2000)
        }
        // All of the chunks of the first snapshot go; the index forgets them.
        #expect(try collection.delete(matching: .field("n") <= 8) == 18_000)
        #expect(collection.select(.field("n") == 1, in: first).count == 7)
        #expect(collection.select(.field("n") == 9, in: collection.snapshot).count == 2000)
        let live = Set(collection.snapshot.parts.map(\.serial))
        #expect(collection.fields.all.allSatisfy { live.isSuperset(of: $0.index.current.segments.keys) })
        #expect(collection.selectAsIs(.field("n") == 9, in: collection.snapshot).finished == nil)
    }

    @Test func numberKeysAreOrderedAsNumbers() {
        var values: [PayloadValue] = RandomValues.numbers
        for power in 0..<64 {
            let near = Int64(truncatingIfNeeded: UInt64(1) << UInt64(power))
            for integer in [near, near &- 1, near &+ 1, 0 &- near, 1 &- near] {
                values += [.int(integer), .double(Double(integer)), .double(Double(integer).nextUp)]
            }
        }
        func key(_ value: PayloadValue) -> NumberKey? {
            switch value {
            case .int(let value): NumberKey(value)
            case .double(let value): NumberKey(value)
            default: nil
            }
        }
        for lhs in values {
            for rhs in values {
                guard let left = key(lhs), let right = key(rhs), let order = lhs.order(to: rhs) else {
                    Issue.record("\(lhs) \(rhs)")
                    return
                }
                if (left < right) != (order < 0) || (left == right) != (order == 0) { Issue.record("\(lhs) \(rhs)") }
            }
        }
        #expect(NumberKey(Double.nan) == nil)
    }
}
