import CVectorKernels
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
            var (sum, draws) = (Float(-3), 0)
            while draws < 6 {
                sum += Float(random.next() >> 40) / 0x1p24
                draws += 1
            }
            return sum * 1.4
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
                CodeBook(dimension: dimension, axes: axes, leading: 24, count: 40, coarse: 16),
                CodeBook(dimension: dimension, axes: axes, leading: 40, count: 40, coarse: 39),
                CodeBook(dimension: dimension, axes: [], leading: 41, count: dimension, coarse: 27),
                CodeBook(dimension: dimension, axes: [], leading: dimension, count: dimension, coarse: dimension),
            ]
            // The axes of rows of low rank are fewer than were asked for.
            let usable = books.filter { $0.axes.isEmpty || $0.axes.count == $0.count * $0.width }
            var memory = CodeMemory()
            for shift in 0..<usable.count {
                for (position, part) in collection.snapshot.parts.enumerated() {
                    let codes = ChunkCodes(
                        usable[(position + shift) % usable.count], metric: metric, rows: part.chunk.capacity,
                        in: &memory)
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
            CodeBook(dimension: dimension, axes: sample.principalAxes(32), leading: 24, count: 32, coarse: 16),
        ]
        var memory = CodeMemory()
        for (number, part) in collection.snapshot.parts.enumerated() where number != 2 {
            let book = books[number % 5 == 1 ? 1 : number % 5 == 3 ? 2 : 0]
            let codes = ChunkCodes(book, metric: metric, rows: part.chunk.capacity, in: &memory)
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

    private static func codedBooks(_ collection: InMemoryCollection) -> [CodeBook] {
        collection.snapshot.parts.compactMap { part in part.chunk.codes.withLock { $0?.codes.book } }
    }

    private static func ask(_ collection: InMemoryCollection, _ vector: [Float], topK: Int = 5) {
        let queries = PreparedQueries(
            [vector], metric: collection.description.metric, dimension: collection.description.dimension)
        _ = search(1, codes: true).search(collection.snapshot, queries, QueryOptions(topK: topK))
    }

    /// Rows that replace others are new ones: axes are learned again though there are no more rows than before.
    @Test func axesAreLearnedAgainWhenEveryRecordIsReplaced() throws {
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 48, metric: .cosine))
        var (source, other) = (Source(.lowRank, 48, seed: 1), Source(.clustered, 48, seed: 2))
        try collection.upsert(Self.records(&source, 0..<600))
        Self.ask(collection, source.next())
        let coding = collection.snapshot.coding
        // A few do not matter.
        try collection.upsert(Self.records(&source, 0..<60))
        Self.ask(collection, source.next())
        #expect(coding.timesChosen == 1)
        try collection.upsert(Self.records(&other, 0..<600))
        #expect(collection.snapshot.liveCount == 600)
        Self.ask(collection, other.next())
        #expect(coding.timesChosen == 2)
        let book = try #require(coding.book)
        #expect(Self.codedBooks(collection).allSatisfy { $0 === book })
        Self.compare(collection, &other, "replaced")
    }

    /// Searches that cost far more than expected have the axes chosen anew, once while the rows are the same.
    @Test func disappointmentIsReasonToChooseAnewOnce() throws {
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 48, metric: .cosine))
        var source = Source(.clustered, 48, seed: 3)
        try collection.upsert(Self.records(&source, 0..<600))
        Self.ask(collection, source.next())
        let (coding, kind) = (collection.snapshot.coding, CollectionCoding.Kind(topK: 5, isFiltered: false))
        #expect(coding.timesChosen == 1)
        var bad = CodedSearch.Tally.Counts()
        (bad.bounded, bad.measured) = (600, 500)
        func disappoint(_ count: Int, _ kind: CollectionCoding.Kind) {
            for _ in 0..<count { coding.learn(from: bad, kind, collection.snapshot) }
            for _ in 0..<20 { Self.ask(collection, source.next()) }
        }
        // As soon as there are queries to choose by.
        var good = CodedSearch.Tally.Counts()
        good.bounded = 600
        let asked = PreparedQueries((0..<16).map { _ in source.next() }, metric: .cosine, dimension: 48)
        for query in 0..<16 {
            coding.learn(from: good, kind, collection.snapshot, asked: AskedQuery(asked, query, floor: 0.9))
        }
        Self.ask(collection, source.next())
        #expect(coding.timesChosen == 2)
        let book = try #require(coding.book)
        disappoint(200, CollectionCoding.Kind(topK: 5000, isFiltered: false))
        disappoint(200, CollectionCoding.Kind(topK: 5, isFiltered: true))
        #expect(coding.timesChosen == 2)
        disappoint(100, kind)
        #expect(coding.timesChosen == 3)
        disappoint(200, kind)
        #expect(coding.timesChosen == 3)
        // Nothing was better, so no row was coded anew.
        #expect(coding.book === book)
        // With a quarter of new rows, at once.
        try collection.upsert(Self.records(&source, 600..<800))
        disappoint(1, kind)
        #expect(coding.timesChosen > 3)
    }

    /// Rows with strong directions in common, and queries without: the stages that are right for queries like the rows
    /// rule out nothing, and give way once such queries were asked.
    @Test(arguments: VectorMetric.allCases)
    func stagesAreChosenByTheQueriesThatAreAsked(metric: VectorMetric) throws {
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 128, metric: metric))
        var (strong, weak) = (Source(.lowRank, 128, seed: 6), Source(.isotropic, 128, seed: 7))
        func unit(_ vector: [Float]) -> [Float] {
            let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return vector.map { $0 / norm }
        }
        func row() -> [Float] { zip(unit(strong.next()), unit(weak.next())).map { $0 + 0.1 * $1 } }
        try collection.upsert((0..<3000).map { VectorRecord(id: "r\($0)", vector: row(), payload: nil) })
        for _ in 0..<40 { Self.ask(collection, row()) }
        let first = try #require(collection.snapshot.coding.book)
        #expect(collection.snapshot.coding.timesChosen == 2)
        for _ in 0..<40 { Self.ask(collection, weak.next()) }
        // Those before are forgotten; new rows are reason to look again.
        try collection.upsert((3000..<6100).map { VectorRecord(id: "r\($0)", vector: row(), payload: nil) })
        Self.ask(collection, weak.next())
        let second = try #require(collection.snapshot.coding.book)
        #expect(second.leading > first.leading)
        #expect(Self.codedBooks(collection).allSatisfy { $0 === second })
        Self.compare(collection, &weak, "asked")
        Self.compare(collection, &strong, "not asked")
    }

    /// A sample has whole groups of rows, and a norm for each.
    @Test func aSampleIsCutToWholeGroups() throws {
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 32, metric: .dot))
        var source = Source(.clustered, 32, seed: 5)
        try collection.upsert(Self.records(&source, 0..<151))
        let sample = try #require(RowSample(collection.snapshot, atMost: 4096))
        #expect(sample.count == 144)
        #expect(sample.rows.count == 144 * sample.width && sample.norms.count == 144)
        let first = try #require(collection.snapshot.parts.first?.chunk)
        #expect(sample.norms[0] == 1 / first.inverseNorm(0))
    }

    /// Queries that want only some of the rows, or only good ones, do not say what the others are worth; nor does one that
    /// is asked again and again.
    @Test func queriesThatLeaveRowsOutChooseNoStages() throws {
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 256, metric: .cosine))
        var source = Source(.clustered, 256, seed: 9)
        try collection.upsert(Self.records(&source, 0..<1200))
        let some = RowSelection(
            collection.snapshot.parts.map { part in
                var rows = RowSet()
                for row in 0..<part.count where row % 3 != 0 { rows.insert(row) }
                return rows
            })
        func ask(_ vector: [Float], _ options: QueryOptions, _ selection: RowSelection = .all) {
            let queries = PreparedQueries([vector], metric: .cosine, dimension: 256)
            _ = Self.search(1, codes: true).search(collection.snapshot, queries, options, selection)
        }
        let one = source.next()
        for _ in 0..<40 {
            ask(source.next(), QueryOptions(topK: 5), some)
            ask(source.next(), QueryOptions(topK: 5, minScore: 0.9))
            ask(one, QueryOptions(topK: 5))
        }
        #expect(collection.snapshot.coding.timesChosen == 1)
        for _ in 0..<40 { ask(source.next(), QueryOptions(topK: 5)) }
        #expect(collection.snapshot.coding.timesChosen == 2)
    }

    /// The least cosine of a row among the answers is that at which its score is the worst answer's:
    /// here of (0.5, 2, -1).
    @Test(arguments: VectorMetric.allCases)
    func theLeastCosineOfAnAnswerGivesTheWorstScore(metric: VectorMetric) {
        let query: [Float] = [3, 0, 4]
        let score: Float =
            switch metric {
            case .cosine: -2.5 / (5 * Float(5.25).squareRoot())
            case .dot: -2.5
            case .l2: -Float(6.25 + 4 + 25).squareRoot()
            }
        let asked = AskedQuery(
            PreparedQueries([query], metric: metric, dimension: 3), 0, floor: Double(score))
        let least = asked.leastCosine(rowNorm: 5.25.squareRoot())
        #expect(abs(least - (1.5 - 4) / (5 * Float(5.25).squareRoot())) < 1e-6)
        #expect(zip(asked.vector, [0.6, 0, 0.8] as [Float]).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    /// A kind of search that codes do not help goes without for a while; others go on with them.
    @Test func searchesOfOneKindDoNotPauseOthers() throws {
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 48, metric: .cosine))
        var source = Source(.clustered, 48, seed: 3)
        try collection.upsert(Self.records(&source, 0..<600))
        Self.ask(collection, source.next())
        let coding = collection.snapshot.coding
        let policy = Self.search(1, codes: true).coding
        let (small, large) = (
            CollectionCoding.Kind(topK: 5, isFiltered: false), CollectionCoding.Kind(topK: 500, isFiltered: false)
        )
        func isWorthwhile(_ kind: CollectionCoding.Kind) -> Bool {
            coding.isWorthwhile(collection.snapshot, metric: .cosine, kind, policy)
        }
        var (good, bad) = (CodedSearch.Tally.Counts(), CodedSearch.Tally.Counts())
        (good.bounded, bad.bounded, bad.measured) = (600, 600, 600)
        coding.learn(from: good, large, collection.snapshot)
        for _ in 0..<40 { coding.learn(from: bad, large, collection.snapshot) }
        #expect(!isWorthwhile(large) && isWorthwhile(small))
        // Not for ever.
        #expect((0..<20).contains { _ in isWorthwhile(large) })
        for _ in 0..<20 { coding.learn(from: good, large, collection.snapshot) }
        #expect((0..<20).contains { _ in isWorthwhile(large) } && isWorthwhile(large))
    }

    /// A collection that is gone is not coded any further, and its rows are let go.
    @Test func codingEndsWithTheCollection() throws {
        var source = Source(.clustered, 64, seed: 5)
        let policy = CodingPolicy(coding: .inBackground, evenIfSlower: true, minimumRows: 64)
        weak var chunk: RowChunk?
        var snapshot: CollectionSnapshot?
        do {
            let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 64, metric: .dot))
            try collection.upsert(Self.records(&source, 0..<2000))
            snapshot = collection.snapshot
            chunk = collection.snapshot.parts.first?.chunk
            #expect(chunk != nil)
        }
        // It is gone before the first query's work has begun: nothing is learned.
        let kind = CollectionCoding.Kind(topK: 5, isFiltered: false)
        if let snapshot { _ = snapshot.coding.isWorthwhile(snapshot, metric: .dot, kind, policy) }
        #expect(snapshot?.coding.book == nil)
        snapshot = nil
        #expect(chunk == nil)
        // And while it is being coded.
        do {
            let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 64, metric: .dot))
            try collection.upsert(Self.records(&source, 0..<2000))
            chunk = collection.snapshot.parts.first?.chunk
            let snapshot = collection.snapshot
            _ = snapshot.coding.isWorthwhile(snapshot, metric: .dot, kind, policy)
        }
        let clock = ContinuousClock()
        let begun = clock.now
        while chunk != nil, clock.now - begun < .seconds(60) {
            _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .milliseconds(1))
        }
        #expect(chunk == nil)
    }

    /// The bounds of all rows for a query by the first stage, and by both.
    private static func bounds(
        _ codes: ChunkCodes, rows count: Int, _ queries: PreparedQueries
    ) -> (first: [Float], second: [Float])? {
        let coded = CodedQueries(queries, codes.book, .best)
        var rows = codes.rows
        var numbers = (0..<count + 32).map { UInt32($0) }
        var first = [Float](repeating: .nan, count: count + 32)
        let present = [UInt64](repeating: .max, count: count / 64 + 1)
        return numbers.withUnsafeMutableBufferPointer { numbers in
            first.withUnsafeMutableBufferPointer { bounds in
                var found = cvk_found(
                    numbers: numbers.baseAddress, bounds: bounds.baseAddress, count: 0,
                    threshold: -.greatestFiniteMagnitude)
                cvk_code_scan(
                    VectorKernel.best.raw, coded.shape, &rows, 0, count / 16, present, 0, coded.pointer(0), 1, &found)
                guard found.count == count else { return nil }
                let first = Array(bounds.prefix(count))
                guard rows.records != nil else { return (first, first) }
                let kept = cvk_refine(
                    VectorKernel.best.raw, coded.shape, &rows, 0, coded.pointer(0), -.greatestFiniteMagnitude,
                    numbers.baseAddress, bounds.baseAddress, count)
                guard kept == count else { return nil }
                return (first, Array(bounds.prefix(count)))
            }
        }
    }

    /// In double precision. A loop of its own, which is quick in a debug build too.
    private static func product(_ lhs: [Float], _ rhs: [Float]) -> Double {
        lhs.withUnsafeBufferPointer { lhs in
            rhs.withUnsafeBufferPointer { rhs in
                var (sum, index) = (0.0, 0)
                while index < lhs.count {
                    sum += Double(lhs[index]) * Double(rhs[index])
                    index += 1
                }
                return sum
            }
        }
    }

    /// A row's bound of the cosine is no lower than the cosine, in double precision and as the kernel measures it.
    private static func check(
        _ vectors: [[Float]], _ query: [Float], _ book: CodeBook, _ what: String
    ) throws -> (lowest: Double, rounding: Double, firstMean: Double, secondMean: Double) {
        let chunk = try #require(RowChunk(dimension: book.dimension, capacity: vectors.count))
        let records = vectors.map { VectorRecord(id: "r", vector: $0, payload: nil) }
        #expect(chunk.place(records, from: 0, nil, in: records.indices) == nil)
        for record in records { chunk.append(record.id, record.payload) }
        var memory = CodeMemory()
        let codes = ChunkCodes(book, metric: .cosine, rows: vectors.count, in: &memory)
        codes.append(chunk, from: 0, to: vectors.count)
        let queries = PreparedQueries([query], metric: .cosine, dimension: book.dimension)
        let bounds = try #require(Self.bounds(codes, rows: vectors.count, queries))
        var (lowest, rounding, firstMean, secondMean) = (Double.infinity, 0.0, 0.0, 0.0)
        for (row, vector) in vectors.enumerated() {
            let norms = (Self.product(vector, vector) * Self.product(query, query)).squareRoot()
            let exact = Self.product(vector, query) / norms
            var measure: Float = 0
            withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: 1) { address in
                withUnsafeMutablePointer(to: &measure) { measure in
                    address.initializeElement(at: 0, to: chunk.address(of: row))
                    queries.measure(
                        0..<1, picked: UnsafeBufferPointer(address), .best,
                        into: UnsafeMutableBufferPointer(start: measure, count: 1))
                }
            }
            // As for a dot product: a cosine would be cut off at 1.
            let score = Double(measure) * chunk.inverseNorm(row) / queries.norm(0)
            rounding = max(rounding, score - exact)
            firstMean += (Double(bounds.first[row]) - exact) / Double(vectors.count)
            secondMean += (Double(bounds.second[row]) - exact) / Double(vectors.count)
            for bound in [bounds.first[row], bounds.second[row]] {
                #expect(Double(bound) >= max(exact, score), "\(what), row \(row)")
                lowest = min(lowest, Double(bound) - max(exact, score))
            }
        }
        return (lowest, rounding, firstMean, secondMean)
    }

    @Test(arguments: Kind.allCases.filter { $0 != .zeros })
    func everyBoundIsAtLeastTheScore(kind: Kind) throws {
        for dimension in [64, 1100, 4096] {
            var source = Source(kind, dimension, seed: 6)
            let vectors = (0..<64).map { _ in source.next() }
            var random = Source(.isotropic, dimension, seed: 7)
            // Orthonormal rows, from noise.
            let width = rowWidth(dimension: dimension)
            var axes = [Double](repeating: 0, count: 24 * width)
            for axis in 0..<24 {
                let noise = axis == 0 && vectors[0].contains { $0 != 0 } ? vectors[0] : random.next()
                for (index, value) in noise.enumerated() { axes[axis * width + index] = Double(value) }
            }
            cvk_orthonormalize(&axes, 24, width)
            let books = [
                CodeBook(dimension: dimension), CodeBook(dimension: dimension, axes: [], leading: 40, count: 57),
                CodeBook(dimension: dimension, axes: axes.map(Float.init), leading: 7, count: 24),
                CodeBook(dimension: dimension, axes: axes.map(Float.init), leading: 24, count: 24),
                CodeBook(dimension: dimension, axes: axes.map(Float.init), leading: 21, count: 24, coarse: 15),
                CodeBook(dimension: dimension, axes: [], leading: 50, count: 60, coarse: 37),
                CodeBook(dimension: dimension, axes: [], leading: dimension, count: dimension, coarse: dimension),
            ]
            for (number, book) in books.enumerated() {
                for query in [vectors[0], source.next(), random.next()] where query.contains(where: { $0 != 0 }) {
                    _ = try Self.check(vectors, query, book, "\(dimension) book \(number)")
                }
            }
        }
    }

    /// Coarse codes leave a tenth of a row's length unknown, and the second stage a fraction of that.
    @Test func coarseCodesRuleRowsOut() throws {
        let dimension = 384
        var source = Source(.isotropic, dimension, seed: 12)
        let vectors = (0..<256).map { _ in source.next() }, query = source.next()
        func slack(coarse: Int) throws -> (first: Double, second: Double) {
            let book = CodeBook(
                dimension: dimension, axes: [], leading: dimension, count: dimension, coarse: coarse)
            let found = try Self.check(vectors, query, book, "coarse \(coarse)")
            return (found.firstMean, found.secondMean)
        }
        let (whole, coarse) = (try slack(coarse: 0), try slack(coarse: dimension))
        #expect(whole.first < 0.02 && whole.second == whole.first)
        #expect(coarse.first > 0.05 && coarse.first < 0.13)
        #expect(coarse.second < 0.03)
    }

    /// In few dimensions there are rows and queries for which nothing of a bound is too much.
    @Test func boundsHoldWhereTheyAreTight() throws {
        var lowest = Double.infinity
        for dimension in 2...5 {
            var source = Source(.isotropic, dimension, seed: UInt64(dimension))
            let vectors = (0..<512).map { _ in source.next() }
            for coarse in 1...dimension {
                for count in [dimension - 1, dimension] where count >= coarse {
                    let book = CodeBook(
                        dimension: dimension, axes: [], leading: count, count: dimension, coarse: coarse)
                    for _ in 0..<6 {
                        lowest = min(lowest, try Self.check(vectors, source.next(), book, "\(dimension)").lowest)
                    }
                }
            }
        }
        #expect(lowest < 1e-3)
    }

    /// A plan expects of its codes what they do: strong directions first, none, and rows of few components.
    @Test(arguments: ["decaying", "isotropic", "sparse"]) func plansExpectWhatCodesDo(kind: String) throws {
        let (dimension, count) = (192, 2048)
        var source = Source(.isotropic, dimension, seed: 31)
        func vector() -> [Float] {
            var vector = source.next()
            for index in vector.indices {
                if kind == "decaying" { vector[index] /= 1 + Float(index) / 16 }
                if kind == "sparse", source.random.next() % 16 != 0 { vector[index] = 0 }
            }
            let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return norm > 0 ? vector.map { $0 / norm } : vector
        }
        let vectors = (0..<count).map { _ in vector() }
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: dimension, metric: .cosine))
        try collection.upsert(vectors.enumerated().map { VectorRecord(id: "\($0)", vector: $1, payload: nil) })
        let sample = try #require(RowSample(collection.snapshot, atMost: count))
        let queries = (0..<16).map { _ in vector() }
        let floors = queries.map { query in vectors.map { Self.product($0, query) }.sorted(by: >)[0] }
        let asked = zip(queries, floors).map { AskedQuery(vector: $0, cosine: Float($1)) }
        // As if of many, so that turning a query onto axes costs little.
        let plan = try #require(CodePlan.best(sample, asked, rows: 500 * count, below: .infinity))
        if kind == "decaying" { #expect(plan.book.coarse > 0) }

        let chunk = try #require(RowChunk(dimension: dimension, capacity: count))
        let records = vectors.map { VectorRecord(id: "r", vector: $0, payload: nil) }
        #expect(chunk.place(records, from: 0, nil, in: records.indices) == nil)
        for record in records { chunk.append(record.id, record.payload) }
        var memory = CodeMemory()
        let codes = ChunkCodes(plan.book, metric: .cosine, rows: count, in: &memory)
        codes.append(chunk, from: 0, to: count)
        var counts = CodedSearch.Tally.Counts()
        for (query, floor) in zip(queries, floors) {
            let prepared = PreparedQueries([query], metric: .cosine, dimension: dimension)
            let bounds = try #require(Self.bounds(codes, rows: count, prepared))
            counts.bounded += count
            if plan.book.recordBytes > 0 { counts.refined += bounds.first.filter { Double($0) >= floor }.count }
            counts.measured += bounds.second.filter { Double($0) >= floor }.count
        }
        let actual = CodePlan.cost(plan.book, counts)
        #expect(abs(actual - plan.cost) <= 0.25 * plan.cost, "\(actual) instead of \(plan.cost)")
    }

    /// Axes that are not quite orthonormal: along one that is too long, opposite vectors seem to be more than opposite.
    /// No tail makes up for that, only `skew` in the margin.
    @Test func boundsHoldForAxesThatAreAskew() throws {
        let dimension = 32
        for error in [Float(0x1p-10), 0x1p-5] {
            var axes = [Float](repeating: 0, count: dimension * dimension)
            for axis in 0..<dimension { axes[axis * dimension + axis] = axis == 0 ? 1 + error : 1 }
            var vector = [Float](repeating: 0, count: dimension)
            vector[0] = 1
            let rows = [[Float]](repeating: vector.map { -$0 }, count: 16)
            for leading in [16, dimension] {
                let book = CodeBook(dimension: dimension, axes: axes, leading: leading, count: dimension)
                #expect(book.skew > Double(error))
                let found = try Self.check(rows, vector, book, "askew")
                #expect(found.lowest < Double(error))
            }
        }
    }

    /// Many components of which each is rounded up: the measured score is above the true one by more than all else that
    /// a margin makes up for.
    @Test func boundsHoldWhereTheKernelRoundsUpward() throws {
        let dimension = 16_384
        // A long chain of additions to a sum of one binade, each a little more than half a unit in its last place.
        var worst = 0.0
        for step in 0..<40 {
            let small = Float(0.00197) + Float(step) * 0x1p-24
            var vector = [Float](repeating: small, count: dimension)
            for index in 0..<16 { vector[index] = 127 * small }
            let found = try Self.check(
                [[Float]](repeating: vector, count: 16), vector, CodeBook(dimension: dimension), "rounding")
            worst = max(worst, found.rounding)
        }
        #expect(worst > 0x1p-16)
    }

    /// Rows that have a direction in common are ruled out as well as those that have none: it is not in the codes'
    /// scale.
    @Test func aCommonDirectionDoesNotSpoilTheCodes() throws {
        var (centred, shifted) = (Source(.clustered, 96, seed: 8), Source(.clustered, 96, seed: 8))
        func spread(_ source: inout Source, _ shift: Float) throws -> Double {
            let vectors = (0..<512).map { _ -> [Float] in
                let vector = source.next()
                let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
                return vector.map { $0 / norm + shift / Float(96).squareRoot() }
            }
            let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 96, metric: .cosine))
            try collection.upsert(vectors.enumerated().map { VectorRecord(id: "\($0)", vector: $1, payload: nil) })
            let sample = try #require(RowSample(collection.snapshot, atMost: 512))
            let book = CodeBook(dimension: 96, axes: sample.principalAxes(64), leading: 64, count: 64)
            return try Self.check(Array(vectors.prefix(128)), vectors[200], book, "shifted \(shift)").lowest
        }
        // How far the nearest bound is from its score, relative to what is left of the rows beside the direction.
        let (without, with) = (try spread(&centred, 0), try spread(&shifted, 2))
        #expect(with < without)
    }
}
