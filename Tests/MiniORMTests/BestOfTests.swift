import MiniORM
import Testing

/// The best of many are those that sorting all of them would put first.
@Suite struct BestOfTests {
    @Test(arguments: [1, 2, 3, 31, 32, 33, 100, 999, 1000, 5000, Int.max], [nil, Float(5), 20, 1000])
    func theBestAreTheFirstOfAll(limit: Int, minScore: Float?) {
        var generator = SystemRandomNumberGenerator()
        // Few scores, so that most of the order is that of ties.
        let offered = (0..<1000).map { (score: Float(generator.next(upperBound: 20 as UInt32)), candidate: $0) }
            .shuffled()
        for order in [offered, offered.sorted { $0.score < $1.score }, offered.sorted { $0.score > $1.score }] {
            var best = BestOf<Int>(limit, minScore: minScore) { $0 < $1 }
            for (score, candidate) in order { best.offer(candidate, score) }
            let expected = offered.filter { $0.score >= minScore ?? -.infinity }
                .sorted { ($1.score, $0.candidate) < ($0.score, $1.candidate) }.prefix(limit)
            #expect(best.sorted().map(\.candidate) == expected.map(\.candidate))
            #expect(best.sorted().map(\.score) == expected.map(\.score))
        }
    }

    @Test func whatIsNotOfferedIsNotMade() {
        var made = 0
        var best = BestOf<Int>(1, minScore: 1) { $0 < $1 }
        func make() -> Int {
            made += 1
            return made
        }
        for score: Float in [0, 1, .nan, -.infinity] { best.offer(make(), score) }
        #expect(best.sorted().map(\.candidate) == [1] && made == 1)
    }
}
