import Foundation
import MiniORM
import Testing

/// The contract's section 4: any `Codable` model becomes a payload and comes back, integers apart from doubles.
@Suite struct PayloadModelTests {
    struct Article: Codable, Equatable {
        enum Kind: Codable, Equatable {
            case note
            case link(URL, rank: Int)
        }
        struct Author: Codable, Equatable {
            var name: String
            var born: Int?
        }
        var title = "Vectors"
        var year = 2026
        var weight = 1.0
        var ratio: Float = 0.1
        var isDraft = false
        var small: Int8 = -5
        var large = UInt64(Int64.max)
        var missing: String?
        var optional: Double? = 2
        var authors = [Author(name: "é", born: 1970), Author(name: "e\u{301}")]
        var nested = ["a": [1: ["x"], 2: []]]
        var kinds = [Kind.note, .link(URL(string: "https://example.org/a?b=c") ?? URL(filePath: "/"), rank: 1)]
        var status = Status.closed
        var priority = Priority.high
        var created = Date(timeIntervalSinceReferenceDate: 793_627_200.123456)
        var identifier = UUID()
        var bytes = Data([0, 255])
        var price = Decimal(1050) / 100
        var tags: Set = ["a", "b"]
        var any: PayloadValue = [1, 1.0, nil, ["k": .set([1, 2])]]
        var pairs: [Status: Int] = [.open: 1]
        var gaps: [Int?] = [1, nil, 3]
        var range = 1..<3
    }

    @Test(arguments: [false, true])
    func modelsSurvive(_ richValues: Bool) throws {
        let article = Article()
        let payload = try PayloadEncoder(richValues: richValues).encode(article)
        #expect(try PayloadDecoder().decode(Article.self, from: payload) == article)
        let codec = JsonVectorPayloadCodec()
        #expect(try PayloadDecoder().decode(Article.self, from: codec.decode(codec.encode(payload))) == article)
    }

    @Test func formsAreDocumentedOnes() throws {
        let payload = try PayloadEncoder().encode(Article())
        #expect(payload["year"] == 2026)
        #expect(payload["weight"] == 1.0)
        #expect(payload["missing"] == nil)
        #expect(payload["created"] == 793_627_200.123456)
        #expect(payload["bytes"] == "AP8=")
        #expect(payload["price"] == "10.5")
        #expect(payload["nested"] == ["a": ["1": ["x"], "2": []]])
        #expect(payload["gaps"] == [1, nil, 3])
        #expect(payload["any"] == [1, 1.0, nil, ["k": .set([1, 2])]])
        let rich = try PayloadEncoder(richValues: true).encode(Article())
        #expect(rich["created"] == .date(Article().created))
        #expect(rich["price"] == .decimal(Decimal(105) / 10))
    }

    class Base: Codable {
        var one = 1
    }
    final class Derived: Base {
        var two = 2
        enum CodingKeys: CodingKey { case two }
        override init() { super.init() }
        required init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            two = try container.decode(Int.self, forKey: .two)
            try super.init(from: container.superDecoder())
        }
        override func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(two, forKey: .two)
            try super.encode(to: container.superEncoder())
        }
    }

    @Test func classesSurvive() throws {
        let model = Derived()
        (model.one, model.two) = (3, 4)
        let payload = try PayloadEncoder().encode(model)
        #expect(payload == ["two": 4, "super": ["one": 3]])
        let decoded = try PayloadDecoder().decode(Derived.self, from: payload)
        #expect(decoded.one == 3 && decoded.two == 4)
    }

    @Test func whatAPayloadCannotHoldIsRefused() {
        func refused(_ model: some Encodable, _ place: String) {
            let error = #expect(throws: VectorStoreError.self) { try PayloadEncoder().encode(model) }
            #expect(error?.code == .unsupportedPayload)
            #expect(error?.message.contains(place) == true)
        }
        refused(["a": ["b": [0, Double.nan]]], "\"a.b[1]\"")
        refused(["a": Float.infinity], "\"a\"")
        refused(["a": UInt64.max], "\"a\"")
        refused(["a": Date(timeIntervalSinceReferenceDate: .nan)], "\"a\"")
        refused([1, 2], "the model")
        refused(1, "the model")
        refused("text", "the model")
    }

    struct Small: Codable { var list: [Item] }
    struct Item: Codable {
        var count: Int8
        var status: Status?
    }

    static let misfits: [([String: PayloadValue], String)] = [
        ([:], "\"list\" is absent"), (["list": nil], "\"list\" is null"), (["list": 1], "\"list\" is not"),
        (["list": [["count": 1.0]]], "\"list[0].count\" is not"),
        (["list": [["count": 128]]], "\"list[0].count\" is not"),
        (["list": [["count": 1], [:]]], "\"list[1].count\" is absent"),
        (["list": [["count": 1, "status": "secret"]]], "\"list[0].status\" is no valid value"),
    ]

    @Test(arguments: misfits)
    func errorsSayWhere(_ payload: [String: PayloadValue], _ place: String) {
        let error = #expect(throws: VectorStoreError.self) { try PayloadDecoder().decode(Small.self, from: payload) }
        #expect(error?.code == .payloadDecoding)
        #expect(error?.message.contains(place) == true, "\(error?.message ?? "")")
        #expect(error?.description.contains("secret") == false)
    }

    @Test func decodesRichValuesAndExactIntegers() throws {
        struct Model: Codable, Equatable {
            var number: Double
            var status: Status
            var day: String
            var pair: [Int]
        }
        let payload: [String: PayloadValue] = [
            "number": 1, "status": .enumeration(Status.closed), "day": .calendarDate("2026-02-24"),
            "pair": .tuple([1, 2]),
        ]
        let model = Model(number: 1, status: .closed, day: "2026-02-24", pair: [1, 2])
        #expect(try PayloadDecoder().decode(Model.self, from: payload) == model)
        expectError(.payloadDecoding) { try PayloadDecoder().decode([String: Double].self, from: ["a": .int(.max)]) }
    }

    @Test func recordsAndResultsDecodeTheirPayloads() throws {
        let item = Item(count: 3, status: .open)
        let record = try VectorRecord(id: "a", vector: [1], encoding: item)
        #expect(try record.decodePayload(as: Item.self).count == 3)
        #expect(
            try VectorSearchResult(id: "a", score: 1, payload: record.payload).decodePayload(as: Item.self).status
                == .open)
        expectError(.payloadDecoding) { try VectorRecord(id: "a", vector: [1]).decodePayload(as: Item.self) }
    }

    @Test func payloadValuesPassThroughOtherEncoders() throws {
        let value: PayloadValue = ["a": [1, 1.5, "x", nil, true], "b": [:]]
        #expect(try JSONDecoder().decode(PayloadValue.self, from: JSONEncoder().encode(value)) == value)
        #expect(throws: EncodingError.self) { try JSONEncoder().encode([PayloadValue.decimal(1)]) }
    }
}
