import Testing

@testable import MiniORM

/// Scores where rounding is at its worst: what a floor lets through depends on the score and on nothing else.
@Suite struct EdgeScoreTests {
    private static func repository(
        _ dimension: Int, _ metric: VectorMetric, _ rows: [(id: String, vector: [Float])]
    ) throws -> VectorRepository {
        let repository = try VectorRepository(InMemoryVectorStore(), "edge", dimension: dimension, metric: metric)
        try repository.upsert(rows.map { VectorRecord(id: $0.id, vector: $0.vector) })
        return repository
    }

    /// Each of 16 sums begins with 1, and every further square is a little more than half of a unit in its last place.
    private static func roundingUp(_ dimension: Int, by factor: Float = 1.01) -> [Float] {
        (0..<dimension).map { $0 < 16 ? 1 : (0x1p-24 * factor).squareRoot() }
    }

    /// Products of 1, 2^-30, -1 and 2^-110 in one sum, of which 2^-30 is lost.
    private static let cancelling: (query: [Float], row: [Float]) = {
        var (query, row) = ([Float](repeating: 0, count: 64), [Float](repeating: 0, count: 64))
        for (place, value) in [1, 0x1p-30, -1, 0x1p-110].enumerated() {
            (query[16 * place], row[16 * place]) = (1, Float(value))
        }
        return (query, row)
    }()

    @Test(arguments: [1536, 3072, 16_384, 65_536]) func oppositeVectorsPassAFloorOfMinusOne(dimension: Int) throws {
        let query = Self.roundingUp(dimension)
        let repository = try Self.repository(dimension, .cosine, [("a", query.map { -$0 })])
        for minScore in [nil, -1] as [Float?] {
            #expect(try repository.query(query, topK: 10, minScore: minScore).map(\.score) == [-1])
        }
    }

    @Test func tiesAtMinusOneAreByID() throws {
        let query = Self.roundingUp(3072)
        let repository = try Self.repository(
            3072, .cosine, [("z", query.map { -1.37 * $0 }), ("a", query.map { -$0 })])
        #expect(try repository.query(query, topK: 2).map(\.id) == ["a", "z"])
        #expect(try repository.query(query, topK: 1).map(\.id) == ["a"])
    }

    @Test(arguments: [VectorMetric.dot, .cosine]) func aFloorAgreesWithTheScoreOfProductsThatCancel(
        metric: VectorMetric
    ) throws {
        let (query, row) = Self.cancelling
        var between = [Float](repeating: 0, count: 64)
        between[0] = 1e-20
        for rows in [[("r", row), ("s", between)], [("s", between), ("r", row)]] {
            // In a block of sixteen and on its own.
            for filling in [0, 40] {
                let others = (0..<filling).map { ("f\($0)", between.map { -$0 }) }
                let repository = try Self.repository(64, metric, rows + others)
                let all = try repository.query(query, topK: 100)
                #expect(try repository.query(query, topK: 1) == Array(all.prefix(1)))
                for found in all {
                    let wanted = all.filter { $0.score >= found.score }
                    #expect(try repository.query(query, topK: 100, minScore: found.score) == wanted)
                }
            }
        }
    }

    /// What float32 would lose of tiny products is there all the same.
    @Test func tinyProductsAreExact() throws {
        let repository = try Self.repository(2, .dot, [("a", [1.1e-20, 1e-21])])
        let score = try #require(try repository.query([1.3e-20, 1e-20]).first?.score)
        #expect((Double(score) / (1.1e-20 * 1.3e-20 + 1e-41) - 1).magnitude < 1e-4)
    }

    @Test(arguments: [24_576, 24_592, 32_768, 65_536], VectorMetric.allCases)
    func scoresOfWideVectorsAreWithinTheContract(dimension: Int, metric: VectorMetric) throws {
        for factor: Float in [0.99, 1.01] {
            let query = Self.roundingUp(dimension, by: factor)
            let row = metric == .l2 ? [Float](repeating: 0, count: dimension) : query
            let repository = try Self.repository(dimension, metric, [("a", row), ("b", row.map { 0.5 * $0 })])
            let square = query.reduce(0) { $0 + Double($1) * Double($1) }
            let expected = metric == .dot ? square : metric == .l2 ? -square.squareRoot() : 1
            let all = try repository.query(query, topK: 2)
            let first = try #require(all.first)
            #expect(first.id == "a" && (Double(first.score) / expected - 1).magnitude < 1e-4)
            #expect(try repository.query(query, topK: 1) == [first])
            #expect(try repository.query(query, topK: 2, minScore: first.score).first == first)
        }
    }
}
