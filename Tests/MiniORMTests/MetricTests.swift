import MiniORM
import Testing

@Suite struct MetricTests {
    @Test(arguments: [
        ("cosine", VectorMetric.cosine), (" Dot\n", .dot), ("L2", .l2), ("EUCLID", .l2), ("\teuclid ", .l2),
    ])
    func fromText(_ text: String, _ metric: VectorMetric) { #expect(VectorMetric(text) == metric) }

    @Test(arguments: ["", "manhattan", "co sine", "l 2"])
    func refusesOtherText(_ text: String) { #expect(VectorMetric(text) == nil) }
}
