import Testing

@testable import MiniORM

/// A search of some rows has the answers of a search of all, without the other rows.
@Suite struct RowSelectionTests {
    typealias Random = InMemoryStoreTests.Random

    @Test(arguments: VectorMetric.allCases, [1, 3])
    func aSelectionLeavesOutTheOtherRows(metric: VectorMetric, threads: Int) throws {
        var random = Random(state: 11)
        let dimension = 24
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: dimension, metric: metric))
        func vector() -> [Float] { (0..<dimension).map { _ in Float.random(in: -1...1, using: &random) } }
        try collection.upsert(
            (0..<40_000).map {
                VectorRecord(
                    id: "r\($0)", vector: $0 % 1000 == 0 ? [Float](repeating: 1e30, count: dimension) : vector())
            })
        _ = try collection.delete((0..<40_000).filter { $0 % 17 == 0 }.map { "r\($0)" })
        let snapshot = collection.snapshot
        #expect(snapshot.parts.count > 2)
        let search = ExactSearch(threads: ScanThreads(threads))
        let queries = PreparedQueries((0..<3).map { _ in vector() }, metric: metric, dimension: dimension)
        let all = search.search(snapshot, queries, QueryOptions(topK: .max))
        for percent in [0, 1, 10, 50, 97, 100] {
            var ids: Set<String> = []
            var parts: [RowSet?] = []
            for (position, part) in snapshot.parts.enumerated() {
                var rows = RowSet()
                for row in 0..<part.count
                where position == 1 || Int.random(in: 0..<100, using: &random) < percent {
                    rows.insert(row)
                    ids.insert(part.chunk.id(row))
                }
                parts.append(position == 1 ? nil : rows)
            }
            let found = search.search(snapshot, queries, QueryOptions(topK: 50), RowSelection(parts))
            #expect(found == all.map { Array($0.filter { ids.contains($0.id) }.prefix(50)) })
        }
    }

    @Test func runsHoldEveryRowOnceAndNoLongGap() {
        var random = Random(state: 5)
        for _ in 0..<300 {
            let density = Int.random(in: 0...100, using: &random)
            var rows = RowSet()
            for row in 0..<Int.random(in: 0..<700, using: &random)
            where Int.random(in: 0..<100, using: &random) < density { rows.insert(row) }
            let gap = Int.random(in: 0...5, using: &random)
            let length = Int.random(in: 1...200, using: &random)
            var covered: [Int] = []
            var end = 0
            rows.forEachRun(bridging: gap, atMost: length) { range in
                #expect(range.lowerBound >= end && !range.isEmpty && range.count <= length)
                end = range.upperBound
                covered += range
            }
            var expected: [Int] = []
            rows.forEach { expected.append($0) }
            #expect(expected.count == rows.count)
            #expect(covered.filter(rows.contains) == expected)
            // What is bridged lies between two rows that are near each other.
            for row in covered where !rows.contains(row) {
                #expect((max(0, row - gap)..<row).contains(where: rows.contains))
                #expect((row + 1...row + max(1, gap)).contains(where: rows.contains))
            }
        }
    }
}
