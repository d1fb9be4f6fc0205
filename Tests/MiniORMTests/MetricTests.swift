import MiniORM
import Testing

@Suite struct MetricTests {
    @Test(arguments: [
        ("cosine", VectorMetric.cosine), (" Dot\n", .dot), ("L2", .l2), ("EUCLID", .l2), ("\teuclid ", .l2),
    ])
    func fromText(_ text: String, _ metric: VectorMetric) { #expect(VectorMetric(text) == metric) }

    @Test func scoresInDoublePrecision() {
        #expect(VectorMetric.l2.score([3e38, 3e38], [-3e38, -3e38]) == -.greatestFiniteMagnitude)
        #expect(VectorMetric.dot.score([3e38, 3e38], [3e38, 3e38]) == .greatestFiniteMagnitude)
        #expect(VectorMetric.dot.score([1e8, 1, -1e8], [1, 1, 1]) == 1)
        #expect(VectorMetric.cosine.score([0, 0], [1, 2]) == 0)
        #expect(VectorMetric.cosine.score([1e-30, 0], [3e38, 4]) == 1)
        #expect(VectorMetric.dot.score([1, 2], [1]) == -.infinity)
    }

    @Test(arguments: ["", "manhattan", "co sine", "l 2"])
    func refusesOtherText(_ text: String) { #expect(VectorMetric(text) == nil) }
}
