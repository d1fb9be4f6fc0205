import Foundation
import MiniORM
import Testing

/// A filter on stored text means exactly what it means on values, or is refused.
@Suite struct JsonCodecFilterTests {
    let codec = JsonVectorPayloadCodec().registering(Status.self, as: "app.models:Status")

    @Test(
        arguments: [
            .contains("a", 1), .field("a.b") == 1, .exists("a.b"), .field("a") == [1], .field("a") != ["b": 1.0],
            .field("a").in(["x", [["b": [1]]]]), .field("a") > .date(Date(timeIntervalSinceReferenceDate: 0)),
            .field("a") < "__miniorm_json__:", .field("a") >= "__miniorm_json__:x", .field("a") < ["x"],
            .field("a") == .tuple([0.0]), .not(.and([.contains("a", 1)])),
        ] as [VectorFilter])
    func whatTextCannotAnswerIsRefused(_ filter: VectorFilter) {
        expectError(.unsupportedFilter) { try codec.encode(filter) }
    }

    private static let scalars: [PayloadValue] = [
        nil, true, false, 0, 1, 1.0, 0.0, -0.0, 2.5, .int(.max), 9_007_199_254_740_993, 9_007_199_254_740_992.0, "",
        "a", "é",
        "e\u{301}", "_", "__miniorm_json__", "__miniorm_json__:", "__miniorm_json__:x", "__miniorm_json__:{}",
        "__miniorm_json__;", "__miniorm_json__;x", "z", .string(prefix + #"{"__miniorm_codec__":"str","value":"a"}"#),
        .string(prefix + #"{"__miniorm_codec__":"date","value":"2026-02-24"}"#),
    ]

    private static let rich: [PayloadValue] = [
        .date(Date(timeIntervalSinceReferenceDate: 0)), .date(Date(timeIntervalSinceReferenceDate: 0.1)),
        .calendarDate("2026-02-24"), .timeOfDay("09:30"), .decimal(1), .decimal(Decimal(15) / 10), .data(Data([1])),
        .uuid(UUID(uuid: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16))),
        .enumeration(Status.open), .enumeration(Status.closed), .rich(.enumeration(type: "a:B", rawValue: "open")),
        .rich(.enumeration(type: "a:B", rawValue: 1)), .rich(.enumeration(type: "a:B", rawValue: 1.0)),
    ]

    private func randomValue(_ depth: Int = 0) -> PayloadValue {
        func some() -> [PayloadValue] { (0..<Int.random(in: 0...2)).map { _ in randomValue(depth + 1) } }
        switch Int.random(in: 0..<(depth < 2 ? 10 : 6)) {
        case 0..<4: return Self.scalars.randomElement() ?? nil
        case 4..<6: return Self.rich.randomElement() ?? nil
        case 6: return .array(some())
        case 7: return .set(some())
        case 8: return .tuple(some())
        default:
            let keys = ["__miniorm_codec__", "value", "items", "a", "é", "e\u{301}"]
            return .object(Dictionary(some().map { (keys.randomElement() ?? "", $0) }) { $1 })
        }
    }

    private func randomFilter(_ depth: Int = 0) -> VectorFilter {
        let path = ["a", "b", "c"].randomElement().map { FieldPath($0) } ?? "a"
        switch Int.random(in: 0..<(depth < 3 ? 8 : 4)) {
        case 0..<3: return .compare(path, VectorFilter.Comparison.allCases.randomElement() ?? .equal, randomValue())
        case 3: return Bool.random() ? .exists(path) : .isIn(path, [randomValue(), randomValue()])
        case 4, 5: return .and([randomFilter(depth + 1), randomFilter(depth + 1)])
        case 6: return .or([randomFilter(depth + 1), randomFilter(depth + 1)])
        default: return .not(randomFilter(depth + 1))
        }
    }

    @Test func randomPayloadsSurvive() throws {
        for _ in 0..<10_000 {
            let payload = ["a": randomValue(), "b": randomValue()]
            let stored = try codec.encode(payload)
            let decoded = try codec.decode(stored)
            // An enumeration that the codec was not told of is its raw value.
            let isKnown = !"\(payload)".contains("a:B")
            if isKnown { #expect(decoded == payload, "\(stored)") }
        }
    }

    @Test func filtersMeanOnTextWhatTheyMeanOnValues() throws {
        var answered = 0
        var matched = 0
        for _ in 0..<20_000 {
            let filter = randomFilter()
            guard let encoded = try? codec.encode(filter) else { continue }
            answered += 1
            for _ in 0..<5 {
                var payload: [String: PayloadValue] = [:]
                for key in ["a", "b", "c"] where Bool.random() { payload[key] = randomValue() }
                let expected = filter.matches(payload)
                if expected { matched += 1 }
                #expect(try encoded.matches(codec.encode(payload)) == expected, "\(filter) \(payload)")
            }
        }
        #expect(answered > 1000)
        #expect(matched > 1000)
    }

    /// Python's naive datetimes are read as UTC, so equality finds them, and only them.
    @Test func equalityFindsNaiveDates() throws {
        func naive(_ text: String) -> String { #"{"__miniorm_codec__":"datetime","value":"\#(text)"}"# }
        let noon = PayloadValue.date(Date(timeIntervalSinceReferenceDate: 43_200.5))
        let later = PayloadValue.date(Date(timeIntervalSinceReferenceDate: 43_201))
        let payloads: [[String: PayloadValue]] = [
            ["k": .string(prefix + naive("2001-01-01T12:00:00.500000"))], try codec.encode(["k": noon]),
            ["k": .string(prefix + naive("2001-01-01T12:00:01"))], ["k": "2001-01-01T12:00:00.500000"], [:],
            [
                "k": .string(
                    prefix + #"{"__miniorm_codec__":"tuple","items":[\#(naive("2001-01-01T12:00:01")),"a"]}"#)
            ],
            try codec.encode(["k": .tuple([later, "a"])]),
        ]
        let filters: [VectorFilter] = [
            .field("k") == noon, .field("k") != noon, .field("k").in([noon, "x"]), .field("k").notIn([noon]),
            .field("k").in([noon, later]), !(.field("k") == later), .field("k") == .tuple([later, "a"]),
            .field("k") != .tuple([later, "a"]), .field("k") == nil, .field("k") == .tuple([noon, "a"]),
        ]
        for filter in filters {
            for payload in payloads {
                let expected = try filter.matches(codec.decode(payload))
                #expect(try codec.encode(filter).matches(payload) == expected, "\(filter) \(payload)")
            }
        }
        // Written again it is aware.
        let again = try codec.encode(codec.decode(payloads[0]))
        #expect(again == payloads[1])
    }

    /// Every operand against every value, one comparison at a time, so that near misses are met for certain.
    @Test func everyPairComparesTheSame() throws {
        let values = Self.scalars + Self.rich
        for operand in values {
            for comparison in VectorFilter.Comparison.allCases {
                let filter = VectorFilter.compare("k", comparison, operand)
                guard let encoded = try? codec.encode(filter) else { continue }
                for value in values {
                    #expect(try encoded.matches(codec.encode(["k": value])) == filter.matches(["k": value]))
                }
            }
        }
    }
}
