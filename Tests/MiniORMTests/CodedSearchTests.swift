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

    static func search(_ threads: Int, codes: Bool, kernel: VectorKernel = .best) -> ExactSearch {
        ExactSearch(
            threads: ScanThreads(threads), kernel: kernel,
            coding: CodingPolicy(isOn: codes, minimumRows: 64, dimensions: 1...4096, codesAtOnce: true))
    }

    static func isSame(_ lhs: [[VectorSearchResult]], _ rhs: [[VectorSearchResult]]) -> Bool {
        lhs.map { $0.map { "\($0.id) \($0.score.bitPattern)" } }
            == rhs.map { $0.map { "\($0.id) \($0.score.bitPattern)" } }
    }

    @Test(arguments: Kind.allCases, VectorMetric.allCases)
    func answersAreThoseOfThePlainScan(kind: Kind, metric: VectorMetric) throws {
        for (dimension, rows) in [(1, 300), (3, 300), (16, 500), (100, 1500), (384, 700), (385, 600), (1024, 300)] {
            var source = Source(kind, dimension, seed: UInt64(dimension))
            let collection = InMemoryCollection(
                CollectionDescription(name: "c", dimension: dimension, metric: metric))
            try collection.upsert(Self.records(&source, 0..<rows))
            let plain = Self.search(1, codes: false)
            func compare(_ what: String) {
                let vectors = (0..<6).map { _ in source.next() }
                for options in [
                    QueryOptions(topK: 1), QueryOptions(topK: 10), QueryOptions(topK: 60), QueryOptions(topK: rows + 5),
                    QueryOptions(topK: 7, filter: .field("n") == 3), QueryOptions(topK: 10, minScore: 0.5),
                    QueryOptions(topK: 10, minScore: -1),
                ] {
                    for count in [1, 6] {
                        let queries = PreparedQueries(
                            Array(vectors.prefix(count)), metric: metric, dimension: dimension)
                        let expected = plain.search(collection.snapshot, queries, options)
                        for threads in [1, 3] {
                            let found = Self.search(threads, codes: true).search(collection.snapshot, queries, options)
                            #expect(Self.isSame(found, expected), "\(dimension) \(what) \(options) \(count) \(threads)")
                        }
                    }
                }
            }
            compare("at first")
            // Rows that come later, rows that are gone, and a collection that has outgrown what it was learned from.
            try collection.upsert(Self.records(&source, rows..<rows + 40))
            _ = collection.delete((0..<50).map { "r\(($0 * 3 * 7919) % 100_003)" })
            compare("with rows after the codes and dead ones")
            try collection.upsert(Self.records(&source, rows + 40..<2 * rows + 100))
            compare("outgrown")
        }
    }
}
