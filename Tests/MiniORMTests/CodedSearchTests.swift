import Dispatch
import Synchronization
import Testing

@testable import MiniORM

/// Codes change the time that a query takes and nothing else: ids and the bits of scores are those of the scan that
/// measures every row.
@Suite struct CodedSearchTests {
    typealias Random = InMemoryStoreTests.Random

    enum Kind: String, CaseIterable, Sendable {
        case clustered, isotropic, constant, duplicated, wildNorms, zeros, oneHot, lowRank, farFromOrigin
    }

    struct Source {
        let kind: Kind
        let dimension: Int
        var random: Random
        private var centers: [[Float]] = []

        init(_ kind: Kind, _ dimension: Int, seed: UInt64) {
            (self.kind, self.dimension) = (kind, dimension)
            random = Random(state: seed)
            for _ in 0..<8 { centers.append(gaussian(1)) }
        }

        private mutating func normal() -> Float {
            (0..<6).reduce(Float(-3)) { sum, _ in sum + Float(random.next() >> 40) / 0x1p24 } * 1.4
        }

        private mutating func gaussian(_ scale: Float) -> [Float] { (0..<dimension).map { _ in normal() * scale } }

        mutating func next() -> [Float] {
            let center = centers[Int(random.next() % 8)]
            switch kind {
            case .clustered: return zip(center, gaussian(0.2)).map(+)
            case .isotropic: return gaussian(1)
            case .constant: return centers[0]
            // Small whole numbers: equal scores are equal to the bit.
            case .duplicated: return centers[Int(random.next() % 8)].map { $0.rounded() }
            case .wildNorms:
                let exponent = Int(random.next() % 200) - 100
                return gaussian(exponent % 3 == 0 ? 1 : Float(sign: .plus, exponent: exponent, significand: 1))
            case .zeros: return random.next() % 3 == 0 ? gaussian(1) : [Float](repeating: 0, count: dimension)
            case .oneHot:
                var vector = [Float](repeating: 0, count: dimension)
                vector[Int(random.next() % UInt64(dimension))] = random.next() % 2 == 0 ? 1 : -2
                return vector
            case .lowRank:
                let (a, b) = (normal(), normal())
                return zip(centers[0], centers[1]).map { $0 * a + $1 * b }
            case .farFromOrigin: return zip(centers[0], gaussian(0.01)).map { 30 * $0 + $1 }
            }
        }
    }

    static func records(_ source: inout Source, _ range: Range<Int>) -> [VectorRecord] {
        range.map {
            VectorRecord(id: "r\(($0 * 7919) % 100_003)", vector: source.next(), payload: ["n": .int(Int64($0 % 5))])
        }
    }

    static func search(
        _ threads: Int, codes: Bool, coding: CodingPolicy.Coding = .atOnce, kernel: VectorKernel = .best
    ) -> ExactSearch {
        ExactSearch(
            threads: ScanThreads(threads), kernel: kernel,
            coding: CodingPolicy(
                coding: coding, isOn: codes, evenIfSlower: true, minimumRows: 64, dimensions: 1...4096))
    }

    static func isSame(_ lhs: [[VectorSearchResult]], _ rhs: [[VectorSearchResult]]) -> Bool {
        lhs.map { $0.map { "\($0.id) \($0.score.bitPattern)" } }
            == rhs.map { $0.map { "\($0.id) \($0.score.bitPattern)" } }
    }

    @Test(arguments: Kind.allCases, VectorMetric.allCases)
    func answersAreThoseOfThePlainScan(kind: Kind, metric: VectorMetric) throws {
        var shapes = [(1, 150), (3, 150), (16, 200), (100, 400)]
        if kind != .lowRank { shapes.append((385, 150)) }
        // Axes of many dimensions take long to learn in a debug build.
        if kind == .clustered { shapes.append(metric == .l2 ? (1024, 150) : (384, 300)) }
        for (dimension, rows) in shapes {
            var source = Source(kind, dimension, seed: UInt64(dimension))
            let collection = InMemoryCollection(
                CollectionDescription(name: "c", dimension: dimension, metric: metric))
            try collection.upsert(Self.records(&source, 0..<rows))
            Self.compare(collection, &source, "at first")
            // Rows that come later, rows that are gone, and a collection that has outgrown what it was learned from.
            try collection.upsert(Self.records(&source, rows..<rows + 40))
            _ = try collection.delete((0..<50).map { "r\(($0 * 3 * 7919) % 100_003)" })
            Self.compare(collection, &source, "with later rows and dead ones")
            try collection.upsert(Self.records(&source, rows + 40..<2 * rows + 100))
            Self.compare(collection, &source, "outgrown")
            // So that the test is one of codes.
            if kind != .zeros || dimension > 1 {
                #expect(collection.snapshot.parts.contains { $0.chunk.codes.withLock { $0 != nil } })
            }
        }
    }

    /// Two stages and one, along axes and not, whatever the data would have chosen; and chunks coded in different ways.
    @Test(arguments: Kind.allCases, VectorMetric.allCases)
    func everyWayOfCodingIsExact(kind: Kind, metric: VectorMetric) throws {
        for dimension in [45, 100] {
            var source = Source(kind, dimension, seed: 77)
            let collection = InMemoryCollection(
                CollectionDescription(name: "c", dimension: dimension, metric: metric))
            try collection.upsert(Self.records(&source, 0..<400))
            let sample = try #require(RowSample(collection.snapshot, atMost: 256))
            let axes = sample.principalAxes(40)
            let books = [
                CodeBook(dimension: dimension, axes: axes, leading: 8, count: 40),
                CodeBook(dimension: dimension, axes: axes, leading: 32, count: 32),
                CodeBook(dimension: dimension, axes: [], leading: 16, count: 41),
                CodeBook(dimension: dimension, axes: [], leading: 32, count: dimension),
                CodeBook(dimension: dimension),
            ]
            // The axes of rows of low rank are fewer than were asked for.
            let usable = books.filter { $0.axes.isEmpty || $0.axes.count == $0.count * $0.width }
            for shift in 0..<usable.count {
                for (position, part) in collection.snapshot.parts.enumerated() {
                    let codes = ChunkCodes(
                        usable[(position + shift) % usable.count], metric: metric, rows: part.chunk.capacity)
                    let end = part.count / 16 * 16
                    codes.append(part.chunk, from: 0, to: end / 32 * 16)
                    codes.append(part.chunk, from: end / 32 * 16, to: end)
                    part.chunk.codes.withLock { $0 = ChunkCodes.Coded(codes: codes, count: end) }
                }
                Self.compare(collection, &source, "book \(shift)", coding: .never)
            }
        }
    }

    /// More rows than a query looks through at once: lists that wait, are refined, overflow, and queries that leave.
    @Test(arguments: [Kind.clustered, .isotropic, .duplicated, .farFromOrigin, .wildNorms], VectorMetric.allCases)
    func longScansAreExact(kind: Kind, metric: VectorMetric) throws {
        let dimension = 40
        var source = Source(kind, dimension, seed: 4)
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: dimension, metric: metric))
        try collection.upsert(Self.records(&source, 0..<9000))
        let sample = try #require(RowSample(collection.snapshot, atMost: 512))
        let books = [
            CodeBook(dimension: dimension, axes: sample.principalAxes(32), leading: 8, count: 32),
            CodeBook(dimension: dimension),
        ]
        for (number, part) in collection.snapshot.parts.enumerated() where number != 2 {
            let codes = ChunkCodes(books[number % 5 == 1 ? 1 : 0], metric: metric, rows: part.chunk.capacity)
            let end = part.count / 16 * 16
            codes.append(part.chunk, from: 0, to: end)
            part.chunk.codes.withLock { $0 = ChunkCodes.Coded(codes: codes, count: end) }
        }
        _ = try collection.delete((0..<900).map { "r\(($0 * 5 * 7919) % 100_003)" })
        let snapshot = collection.snapshot
        // Queries like the rows, and others that no bound helps.
        var asked = (0..<9).map { _ in source.next() }
        for query in [2, 5, 6] { asked[query] = (0..<dimension).map { Float($0 % 3) - 1 } }
        let some = RowSelection(
            snapshot.parts.map { part in
                var rows = RowSet()
                for row in 0..<part.count where row / 64 % 3 != 0 && row % 5 < 3 { rows.insert(row) }
                return rows
            })
        for options in [QueryOptions(topK: 1), QueryOptions(topK: 10), QueryOptions(topK: 120)] {
            for (count, selection) in [(1, RowSelection.all), (9, .all), (9, some)] {
                let queries = PreparedQueries(Array(asked.prefix(count)), metric: metric, dimension: dimension)
                let expected = Self.search(1, codes: false).search(snapshot, queries, options, selection)
                let found = Self.search(count == 1 ? 3 : 2, codes: true, coding: .never)
                    .search(snapshot, queries, options, selection)
                #expect(Self.isSame(found, expected), "\(options.topK) \(count)")
            }
        }
    }

    private static func compare(
        _ collection: InMemoryCollection, _ source: inout Source, _ what: String, coding: CodingPolicy.Coding = .atOnce
    ) {
        let snapshot = collection.snapshot
        let (metric, dimension) = (collection.description.metric, source.dimension)
        let vectors = (0..<18).map { _ in source.next() }
        let half = RowSelection(
            snapshot.parts.map { part in
                var set = RowSet()
                for row in 0..<part.count where row % 2 == 0 { set.insert(row) }
                return set
            })
        for (number, options) in [
            QueryOptions(topK: 1), QueryOptions(topK: snapshot.liveCount + 5), QueryOptions(topK: 10),
            QueryOptions(topK: 7, filter: .field("n") == 3), QueryOptions(topK: 10, minScore: 0.5),
            QueryOptions(topK: 60), QueryOptions(topK: 10, minScore: -1),
        ].enumerated() {
            // One query, some, and more than share a look at the rows; once with zero among them.
            var asked = Array(vectors.dropFirst(number % 4 == 1 ? number : 0).prefix([5, 1, 6, 18][number % 4]))
            if number == 2 { asked[5] = [Float](repeating: 0, count: dimension) }
            let queries = PreparedQueries(asked, metric: metric, dimension: dimension)
            let selection = number % 3 == 2 ? half : .all
            let expected = search(1, codes: false).search(snapshot, queries, options, selection)
            let found = search(
                1 + number % 3, codes: true, coding: coding,
                kernel: VectorKernel.available[number % VectorKernel.available.count]
            )
            .search(snapshot, queries, options, selection)
            #expect(isSame(found, expected), "\(dimension) \(what) \(options) \(asked.count)")
        }
    }

    /// Rows are coded in the background while a writer adds and deletes, and queries read all along.
    @Test func codingDisturbsNobody() throws {
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 32, metric: .dot))
        var source = Source(.clustered, 32, seed: 9)
        let batches = (0..<30).map { Self.records(&source, $0 * 100..<$0 * 100 + 100) }
        let vectors = (0..<8).map { _ in source.next() }
        let isRight = Mutex(true)
        let queue = DispatchQueue(label: "readers", attributes: .concurrent)
        let readers = DispatchGroup()
        for reader in 0..<3 {
            queue.async(group: readers) {
                let coded = Self.search(1 + reader, codes: true, coding: .inBackground)
                let queries = PreparedQueries(vectors, metric: .dot, dimension: 32)
                for _ in 0..<60 {
                    let snapshot = collection.snapshot
                    let found = coded.search(snapshot, queries, QueryOptions(topK: 10))
                    let expected = Self.search(1, codes: false).search(snapshot, queries, QueryOptions(topK: 10))
                    if !Self.isSame(found, expected) { isRight.withLock { $0 = false } }
                }
            }
        }
        for batch in batches {
            try collection.upsert(batch)
            _ = try collection.delete(batch.prefix(9).map(\.id))
        }
        readers.wait()
        #expect(isRight.withLock { $0 })
    }

    /// A query finds rows that were added after the axes were learned and have nothing in common with the others.
    @Test func rowsThatTheAxesDoNotKnowAreFound() throws {
        var (source, other) = (Source(.lowRank, 96, seed: 1), Source(.isotropic, 96, seed: 2))
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 96, metric: .cosine))
        try collection.upsert(Self.records(&source, 0..<600))
        let first = PreparedQueries([source.next()], metric: .cosine, dimension: 96)
        _ = Self.search(1, codes: true).search(collection.snapshot, first, QueryOptions(topK: 5))
        try collection.upsert(Self.records(&other, 600..<900))
        Self.compare(collection, &other, "other rows")
        #expect(collection.snapshot.parts.contains { $0.chunk.codes.withLock { $0 != nil } })
    }
}
