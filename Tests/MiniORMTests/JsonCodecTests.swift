import Foundation
import MiniORM
import Testing

enum Status: String, CaseIterable, Sendable, Codable {
    case open, closed = "done"
}

enum Priority: UInt8, Sendable, Codable {
    case low = 1, high
}

let prefix = "__miniorm_json__:"

/// The contract's section 4: rich values as tagged text that the Python library reads and writes.
@Suite struct JsonCodecTests {
    let codec = JsonVectorPayloadCodec().registering(Status.self, as: "app.models:Status").registering(Priority.self)

    /// Texts as Python's `json.dumps` and `isoformat` make them.
    static let golden: [(PayloadValue, String)] = [
        (
            .date(Date(timeIntervalSince1970: 1_795_441_500.5)),
            #"{"__miniorm_codec__":"datetime","value":"2026-11-23T13:45:00.500000+00:00"}"#
        ),
        (
            .date(Date(timeIntervalSinceReferenceDate: -978_307_200 - 1 + 0.123456)),
            #"{"__miniorm_codec__":"datetime","value":"1969-12-31T23:59:59.123456+00:00"}"#
        ),
        (
            .date(Date(timeIntervalSince1970: 951_782_400)),
            #"{"__miniorm_codec__":"datetime","value":"2000-02-29T00:00:00+00:00"}"#
        ),
        (
            .date(Date(timeIntervalSinceReferenceDate: -63_113_904_000)),
            #"{"__miniorm_codec__":"datetime","value":"0001-01-01T00:00:00+00:00"}"#
        ),
        (.calendarDate("2026-02-24"), #"{"__miniorm_codec__":"date","value":"2026-02-24"}"#),
        (.timeOfDay("09:30:00"), #"{"__miniorm_codec__":"time","value":"09:30:00"}"#),
        (.decimal(Decimal(-1025) / 100), #"{"__miniorm_codec__":"decimal","value":"-10.25"}"#),
        (
            .uuid(UUID(uuid: (17, 17, 17, 17, 170, 170, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17))),
            #"{"__miniorm_codec__":"uuid","value":"11111111-aaaa-1111-1111-111111111111"}"#
        ),
        (.data(Data([1, 2, 255])), #"{"__miniorm_codec__":"bytes","value":"AQL/"}"#),
        (
            .tuple([1, 2.0, ["a": "é"]]),
            #"{"__miniorm_codec__":"tuple","items":[1,2.0,{"__miniorm_codec__":"dict","items":{"a":"\u00e9"}}]}"#
        ),
        (.set(["y", "x", "y"]), #"{"__miniorm_codec__":"set","items":["x","y"]}"#),
        (.enumeration(Status.open), #"{"__miniorm_codec__":"enum","class":"app.models:Status","value":"open"}"#),
        (.string("__miniorm_json__:x"), #"{"__miniorm_codec__":"str","value":"__miniorm_json__:x"}"#),
        (
            [1, 1.0, 1e16, 1e-5, nil, true, "\u{7F}é😀"],
            #"[1,1.0,1e+16,1e-05,null,true,"\u007f\u00e9\ud83d\ude00"]"#
        ),
        (
            ["views": 10, "flags": ["a", "b"]],
            #"{"__miniorm_codec__":"dict","items":{"flags":["a","b"],"views":10}}"#
        ),
        (
            ["__miniorm_codec__": "date", "value": "2026-02-24"],
            #"{"__miniorm_codec__":"dict","items":{"__miniorm_codec__":"date","value":"2026-02-24"}}"#
        ),
    ]

    @Test(arguments: golden)
    func writesWhatPythonWrites(_ value: PayloadValue, _ text: String) throws {
        #expect(try codec.encode(["k": value]) == ["k": .string(prefix + text)])
        #expect(try codec.decode(["k": .string(prefix + text)]) == ["k": value])
    }

    @Test(arguments: [nil, true, 1, 1.0, -0.0, "", "é", "__miniorm_json__", "{}"] as [PayloadValue])
    func scalarsStayAsTheyAre(_ value: PayloadValue) throws {
        #expect(try codec.encode(["k": value]) == ["k": value])
        #expect(try codec.decode(["k": value]) == ["k": value])
    }

    static let readings: [(String, PayloadValue)] = [
        (
            #"{"__miniorm_codec__":"datetime","value":"2001-01-01T00:00:00"}"#,
            .date(Date(timeIntervalSinceReferenceDate: 0))
        ),
        (
            #"{"__miniorm_codec__":"datetime","value":"2001-01-01T02:30:00.25+02:30"}"#,
            .date(Date(timeIntervalSinceReferenceDate: 0.25))
        ),
        (
            #"{"__miniorm_codec__":"datetime","value":"2000-12-31T23:59:59-00:00:01"}"#,
            .date(Date(timeIntervalSinceReferenceDate: 0))
        ),
        (
            #"{"__miniorm_codec__":"datetime","value":"2001-01-01 00:00Z"}"#,
            .date(Date(timeIntervalSinceReferenceDate: 0))
        ),
        (#"{"__miniorm_codec__":"decimal","value":"10.50"}"#, .decimal(Decimal(105) / 10)),
        (#"{"__miniorm_codec__":"decimal","value":"1E+3"}"#, .decimal(1000)),
        (
            #"{"__miniorm_codec__":"uuid","value":"11111111-AAAA-1111-1111-111111111111"}"#,
            .uuid(UUID(uuid: (17, 17, 17, 17, 170, 170, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17)))
        ),
        (#"{"__miniorm_codec__":"enum","class":"app.models:Status","value":"closed"}"#, .enumeration(Status.closed)),
        (#"{"__miniorm_codec__":"enum","class":"app.models:Status","value":"new"}"#, "new"),
        (#"{"__miniorm_codec__":"enum","class":"unknown.module:MissingEnum","value":"active"}"#, "active"),
        (
            #"{"__miniorm_codec__":"enum","class":"a:B","value":{"__miniorm_codec__":"date","value":"2026-02-24"}}"#,
            .calendarDate("2026-02-24")
        ),
        (
            #"{"__miniorm_codec__":"dict","items":[["a",1],["b",{"__miniorm_codec__":"tuple","items":[]}]]}"#,
            ["a": 1, "b": .tuple([])]
        ),
        (#"{"a":{"__miniorm_codec__":"date","value":"2026-02-24"}}"#, ["a": .calendarDate("2026-02-24")]),
        (
            #"{"__miniorm_codec__":"date","value":"2026-02-24","x":1}"#,
            ["__miniorm_codec__": "date", "value": "2026-02-24", "x": 1]
        ),
        (#"{"__miniorm_codec__":"date"}"#, ["__miniorm_codec__": "date"]),
        (#"{"__miniorm_codec__":"other","value":1}"#, ["__miniorm_codec__": "other", "value": 1]),
        (#"{"__miniorm_codec__":1,"value":1}"#, ["__miniorm_codec__": 1, "value": 1]),
        (#""text""#, "text"), ("1.5", 1.5),
    ]

    @Test(arguments: readings)
    func readsOtherFormsToo(_ text: String, _ value: PayloadValue) throws {
        #expect(try codec.decode(["k": .string(prefix + text)]) == ["k": value])
    }

    @Test(arguments: [
        "", "{", "x", #"{"a":1}x"#, "NaN", "[1e999]", "99999999999999999999",
        #"{"__miniorm_codec__":"bytes","value":"*"}"#, #"{"__miniorm_codec__":"uuid","value":"1"}"#,
        #"{"__miniorm_codec__":"uuid","value":1}"#, #"{"__miniorm_codec__":"str","value":1}"#,
        #"{"__miniorm_codec__":"decimal","value":"1x"}"#, #"{"__miniorm_codec__":"decimal","value":"NaN"}"#,
        #"{"__miniorm_codec__":"decimal","value":"1e999"}"#, #"{"__miniorm_codec__":"decimal","value":""}"#,
        #"{"__miniorm_codec__":"decimal","value":"1.00000000000000000000000000000000000000000000001"}"#,
        #"{"__miniorm_codec__":"datetime","value":"2026-02-30T00:00:00"}"#,
        #"{"__miniorm_codec__":"datetime","value":"2026-02-24"}"#,
        #"{"__miniorm_codec__":"datetime","value":"2026-02-24T24:00:00"}"#,
        #"{"__miniorm_codec__":"datetime","value":"2026-02-24T00:00:00+"}"#,
        #"{"__miniorm_codec__":"datetime","value":"2026-02-24T00:00:00x"}"#,
        #"{"__miniorm_codec__":"datetime","value":"0000-01-01T00:00:00"}"#,
        #"{"__miniorm_codec__":"date","value":"2100-02-29"}"#, #"{"__miniorm_codec__":"date","value":""}"#,
        #"{"__miniorm_codec__":"time","value":"09:61"}"#, #"{"__miniorm_codec__":"set","items":{}}"#,
        #"{"__miniorm_codec__":"dict","items":[["a"]]}"#, #"{"__miniorm_codec__":"dict","items":1}"#,
    ])
    func malformedTextNamesTheKey(_ text: String) throws {
        let error = #expect(throws: VectorStoreError.self) {
            try codec.decode(["a": 1, "the key": .string(prefix + text)])
        }
        #expect(error?.code == .payloadDecoding)
        #expect(error?.message.contains("\"the key\"") == true)
    }

    /// Not as arguments of the test, which would be described: Foundation's description of such a date traps.
    @Test func whatHasNoFormIsRefused() {
        let values: [PayloadValue] = [
            .date(.distantFuture + 1e12), .date(Date(timeIntervalSinceReferenceDate: .nan)),
            .date(Date(timeIntervalSinceReferenceDate: -.infinity)), .date(.distantPast - 1),
            .calendarDate("24.2.2026"), .timeOfDay("noon"), .decimal(.nan), [.double(.infinity)],
            .tuple([.double(.nan)]), ["a": .calendarDate("")],
            .rich(.enumeration(type: "app.models:Status", rawValue: "open")),
        ]
        for value in values {
            expectError(.unsupportedPayload) { try codec.encode(["k": value]) }
            expectError(.unsupportedFilter) { try codec.encode(.field("k") == value) }
        }
    }

    /// To half a microsecond, or as nearly as a date holds numbers where that is less; and then exactly.
    @Test func datesSurviveToTheMicrosecond() throws {
        var generator = SystemRandomNumberGenerator()
        for round in 0..<20_000 {
            let interval =
                switch round % 4 {
                case 0: Double.random(in: -63_113_904_000..<252_423_993_000, using: &generator)
                case 1: Double.random(in: -1e-3..<1e-3, using: &generator)
                case 2: Double.random(in: -1e9..<1e9, using: &generator)
                default: Double(sign: round % 8 < 4 ? .plus : .minus, exponent: -round % 1074, significand: 1)
                }
            let date = Date(timeIntervalSinceReferenceDate: interval)
            let stored = try codec.encode(["k": .date(date)])
            let decoded = try #require(try codec.decode(stored)["k"]?.dateValue)
            let distance = (decoded.timeIntervalSinceReferenceDate - interval).magnitude
            #expect(distance <= 0.5000001e-6 + interval.ulp, "\(interval) \(stored)")
            #expect(try codec.encode(["k": .date(decoded)]) == stored, "\(interval) \(stored)")
            #expect(try codec.encode(.field("k") == .date(date)).matches(stored))
            #expect(try codec.encode(.field("k") == .date(decoded)).matches(stored))
            #expect(try !codec.encode(.field("k") != .date(date)).matches(stored))
        }
    }

    /// Python before 3.11 reads three or six digits of a second, and no more.
    @Test(arguments: [
        (0.123_456_7, "2001-01-01T00:00:00.123457+00:00"), (0.000_000_4, "2001-01-01T00:00:00+00:00"),
        (0.999_999_6, "2001-01-01T00:00:01+00:00"), (-0.000_000_4, "2001-01-01T00:00:00+00:00"),
        (-0.000_000_6, "2000-12-31T23:59:59.999999+00:00"), (1e-300, "2001-01-01T00:00:00+00:00"),
        (59.999_999_9, "2001-01-01T00:01:00+00:00"),
    ])
    func secondsHaveSixDigitsAtMost(_ interval: Double, _ text: String) throws {
        let stored = try codec.encode(["k": .date(Date(timeIntervalSinceReferenceDate: interval))])
        #expect(stored == ["k": .string(prefix + #"{"__miniorm_codec__":"datetime","value":"\#(text)"}"#)])
    }

    private enum Hidden: String { case a, b }

    /// Swift's name for such a type holds an address, which is another in the next process.
    @Test func aPrivateOrLocalEnumerationNeedsAName() throws {
        enum Local: String { case a, b }
        for value: PayloadValue in [.enumeration(Hidden.a), .enumeration(Local.a), [.enumeration(Local.b)]] {
            for codec in [JsonVectorPayloadCodec(), JsonVectorPayloadCodec().registering(Local.self)] {
                expectError(.unsupportedPayload) { try codec.encode(["k": value]) }
                expectError(.unsupportedFilter) { try codec.encode(.field("k") == value) }
                expectError(.unsupportedFilter) { try codec.encode(.field("k").in([value])) }
            }
        }
        let named = JsonVectorPayloadCodec().registering(Local.self, as: "a:Local").registering(
            Hidden.self, as: "a:Hidden")
        let stored = try named.encode(["k": .enumeration(Local.a), "h": .enumeration(Hidden.b)])
        #expect(
            stored["k"] == .string(prefix + #"{"__miniorm_codec__":"enum","class":"a:Local","value":"a"}"#))
        #expect(try named.decode(stored)["h"]?.enumeration(as: Hidden.self) == .b)
        #expect(try named.encode(.field("k") == .enumeration(Local.a)).matches(stored))
    }

    @Test func decimalsSurvive() throws {
        for text in ["0", "-0.1", "1e127", "1e-127", "123456789012345678901234567890.12345678", "-1000", "0.00001"] {
            let decimal = try #require(Decimal(string: text))
            #expect(try codec.decode(codec.encode(["k": .decimal(decimal)])) == ["k": .decimal(decimal)])
        }
    }

    @Test func enumerationsComeBackAsCases() throws {
        let payload: [String: PayloadValue] = ["s": .enumeration(Status.closed), "p": .enumeration(Priority.high)]
        let decoded = try codec.decode(codec.encode(payload))
        #expect(decoded["s"]?.enumeration(as: Status.self) == .closed)
        #expect(decoded["p"]?.enumeration(as: Priority.self) == .high)
        #expect(decoded["p"]?.enumeration(as: Status.self) == nil)
        let unknowing = try JsonVectorPayloadCodec().decode(codec.encode(payload))
        #expect(unknowing == ["s": "done", "p": 2])
        #expect(unknowing["s"]?.enumeration(as: Status.self) == .closed)
        #expect(PayloadValue.int(256 + 2).enumeration(as: Priority.self) == nil)
    }

    @Test func aRepositoryNamesTheRecord() throws {
        let store = InMemoryVectorStore()
        let raw = try VectorRepository(store, "users", dimension: 1)
        try raw.upsert([VectorRecord(id: "broken", vector: [1], payload: ["k": .string(prefix + "{")])])
        let users = try VectorRepository(store, "users", dimension: 1, payloadCodec: codec)
        let error = #expect(throws: VectorStoreError.self) { try users.fetch(["broken"]) }
        #expect(error?.code == .payloadDecoding)
        #expect(error?.recordID == "broken")
        try users.upsert([VectorRecord(id: "good", vector: [1], payload: ["s": .enumeration(Status.open), "t": ["x"]])])
        #expect(try users.query([1], filter: .field("s") == .enumeration(Status.open)).map(\.id) == ["good"])
        #expect(try users.fetch(["good"]).first?.payload == ["s": .enumeration(Status.open), "t": ["x"]])
    }
}
