import Foundation
import MiniORM
import Testing

/// The call throws an error of this code.
func expectError(
    _ code: VectorStoreError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ call: () throws -> some Any
) {
    let error = #expect(throws: VectorStoreError.self, sourceLocation: sourceLocation) { _ = try call() }
    #expect(error?.code == code, sourceLocation: sourceLocation)
}

/// JSON text tells integers from doubles and keeps every value as it is.
@Suite struct JSONTextTests {
    static let readings: [(String, PayloadValue)] = [
        ("null", PayloadValue.null), (" true\n", true), ("false", false), ("0", 0), ("-0", 0), ("-0.0", -0.0),
        ("1", 1), ("1.0", 1.0), ("1e2", 100.0), ("1E+2", 100.0), ("-12.5e-1", -1.25),
        ("9223372036854775807", .int(.max)), ("-9223372036854775808", .int(.min)),
        ("9007199254740993", .int(9_007_199_254_740_993)), ("9007199254740993.0", 9_007_199_254_740_992.0),
        ("9007199254740991.0", 9_007_199_254_740_991.0), ("1.7976931348623157e308", .double(.greatestFiniteMagnitude)),
        ("5e-324", .double(.leastNonzeroMagnitude)),
        ("2.2250738585072011e-308", .double(Double.leastNormalMagnitude.nextDown)),
        ("1e-400", 0.0), ("0.1e1", 1.0), (#""""#, ""), (#""a\"\\\/\b\f\n\r\t\u00e9""#, "a\"\\/\u{8}\u{C}\n\r\té"),
        (#""\ud83d\ude00""#, "😀"), (#""\u0000""#, "\0"), ("\"é\"", "é"), ("[]", []), ("[ 1 , [ ] ]", [1, []]),
        ("{}", [:]), (#"{ "b" : 1 , "a" : { } }"#, ["a": [:], "b": 1]), (#"{"a":1,"a":2}"#, ["a": 2]),
    ]

    /// ASCII, which takes a way of its own, its ends, and what only looks like UTF-8.
    @Test(
        arguments: [
            [], [0x00], [0x61], [0x61, 0x7F], [0x7F, 0x80], [0x80], [0xC3, 0xA9], [0x61, 0xC3, 0xA9], [0xC3],
            [0xC3, 0x61],
            [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x9F, 0x98], [0xF0, 0x9F, 0x98, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xFF], [0x61, 0xFF, 0x61],
        ] as [[UInt8]])
    func textIsValidUTF8(_ bytes: [UInt8]) {
        let text = bytes.withUnsafeBufferPointer { String(validUTF8: $0) }
        let expected = String(validating: bytes, as: UTF8.self)
        #expect(text.map { Array($0.utf8) } == expected.map { Array($0.utf8) })
        #expect(text == nil || text.map { Array($0.utf8) } == bytes)
    }

    @Test(arguments: readings)
    func reads(_ text: String, _ value: PayloadValue) throws {
        #expect(try PayloadValue(json: text) == value)
        #expect(try PayloadValue(json: Array(text.utf8)) == value)
        #expect(try PayloadValue(json: value.json()) == value)
        #expect(try PayloadValue(json: value.json(asASCII: true)) == value)
    }

    @Test(arguments: [
        "", " ", "nul", "nulll", "tru", "True", "NaN", "Infinity", "-", "+1", "01", "-01", "1.", ".5", "1.e1", "1e",
        "1e+",
        "0x1", "1 2", "9223372036854775808", "-9223372036854775809", "123456789012345678901234567890", "1e309",
        "-1.8e308", "\"", "\"a", "\"\u{1}\"", "\"\n\"", #""\x""#, #""\u12""#, #""\u12G4""#, #""\ud800""#,
        #""\udc00""#, #""\ud800\u0041""#, #""\ud800\ud800""#, "[", "[1", "[1,", "[1,]", "[,1]", "]", "{", "{a:1}",
        #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{"a":1 "b":2}"#, "{1:2}", "'a'", "\u{FEFF}1", "// x\n1",
    ])
    func refuses(_ text: String) {
        expectError(.invalidArgument) { try PayloadValue(json: text) }
    }

    @Test func refusesBytesThatAreNoText() {
        for bytes: [UInt8] in [
            [0x80], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82], [0xFF],
        ] {
            expectError(.invalidArgument) {
                try PayloadValue(json: [UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")])
            }
        }
    }

    @Test func refusesKeysThatADictionaryWouldMerge() {
        expectError(.invalidArgument) {
            try PayloadValue(json: "{\"\u{E9}\":1,\"e\u{301}\":2}")
        }
    }

    @Test func saysWhere() {
        let error = #expect(throws: VectorStoreError.self) { try PayloadValue(json: "{\n \"é\": 1,\n \"b\": ?}") }
        #expect(error?.message == "JSON, line 3, column 7: expected a value")
    }

    @Test func nestsTo512Levels() throws {
        let deep = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
        #expect(try PayloadValue(json: deep).json() == deep)
        let objects = String(repeating: "{\"a\":", count: 511) + "{}" + String(repeating: "}", count: 511)
        #expect(try PayloadValue(json: objects).json() == objects)
        for text in ["[\(deep)]", String(repeating: "[", count: 1_000_000)] {
            expectError(.invalidArgument) { try PayloadValue(json: text) }
        }
    }

    /// Also where the stack is as small as that of a thread of libdispatch on macOS.
    @Test func deepTextFitsASmallStack() async throws {
        let text = String(repeating: "[{\"a\":", count: 256) + "1" + String(repeating: "}]", count: 256)
        let survived = await withCheckedContinuation { continuation in
            let thread = Thread { continuation.resume(returning: (try? PayloadValue(json: text).json()) == text) }
            thread.stackSize = 512 * 1024
            thread.start()
        }
        #expect(survived)
    }

    /// Golden texts: Python's `json.dumps(x, separators=(",", ":"), sort_keys=True)`.
    static let pythonTexts: [(PayloadValue, String)] = [
        (PayloadValue.double(1), "1.0"), (.double(-0.0), "-0.0"), (1e300, "1e+300"), (1e16, "1e+16"),
        (-1.2345678901234568e16, "-1.2345678901234568e+16"), (18014398509481984.0, "1.8014398509481984e+16"),
        (9999999999999998.0, "9999999999999998.0"), (123456789012345680.0, "1.2345678901234568e+17"),
        (0.0001, "0.0001"), (0.00001, "1e-05"), (1.5e-7, "1.5e-07"), (.double(.leastNonzeroMagnitude), "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"), (2.2250738585072014e-308, "2.2250738585072014e-308"),
        (0.1, "0.1"), (100.0, "100.0"),
        ("\u{7F}/é😀\u{1}\u{8}\u{C}\n\r\t\"\\", #""\u007f/\u00e9\ud83d\ude00\u0001\b\f\n\r\t\"\\""#),
        (
            ["b": [1, 1.0, nil, true], "a": [:], "é": "", "Z": []],
            #"{"Z":[],"a":{},"b":[1,1.0,null,true],"\u00e9":""}"#
        ),
    ]

    @Test(arguments: pythonTexts)
    func writesAsPython(_ value: PayloadValue, _ text: String) {
        #expect(value.json(asASCII: true) == text)
    }

    @Test func writesUnicodeAsItIs() { #expect(PayloadValue.string("é😀\u{7F}").json() == "\"é😀\u{7F}\"") }

    /// Strings are looked at in pieces of eight bytes: each special one is found wherever it stands, and beside others.
    @Test func specialBytesAreFoundWhereverTheyStand() throws {
        let specials: [Unicode.Scalar] = [
            "\"", "\\", "\u{0}", "\u{1F}", "\n", " ", "!", "#", "[", "]", "\u{7F}", "é", "😀",
        ]
        for length in 0..<20 {
            for first in 0...length {
                for second in first...length {
                    let pair = (specials.randomElement() ?? " ", specials.randomElement() ?? " ")
                    var text = String.UnicodeScalarView(String(repeating: "a", count: length).unicodeScalars)
                    text.insert(pair.1, at: text.index(text.startIndex, offsetBy: second))
                    text.insert(pair.0, at: text.index(text.startIndex, offsetBy: first))
                    let value = PayloadValue.string(String(text))
                    for asASCII in [false, true] {
                        let json = value.json(asASCII: asASCII)
                        #expect(json == Self.quoted(text, asASCII: asASCII))
                        #expect(try PayloadValue(json: json) == value)
                    }
                }
            }
            for special: UInt8 in [0x00, 0x1F, 0x80, 0xFF] {
                for place in 0...length {
                    for isEscaped in [false, true] {
                        var bytes = [UInt8](repeating: UInt8(ascii: "a"), count: length)
                        bytes.insert(special, at: place)
                        let json = Array((isEscaped ? #""\n"# : "\"").utf8) + bytes + Array("\"".utf8)
                        expectError(.invalidArgument) { try PayloadValue(json: json) }
                    }
                }
            }
        }
    }

    /// The text of a string, a scalar at a time.
    private static func quoted(_ scalars: String.UnicodeScalarView, asASCII: Bool) -> String {
        "\""
            + scalars.map { scalar in
                switch scalar {
                case "\"": return "\\\""
                case "\\": return "\\\\"
                case "\n": return "\\n"
                default:
                    guard scalar.value < 0x20 || asASCII && scalar.value >= 0x7F else { return String(scalar) }
                    return String(scalar).utf16.map { unit in
                        let digits = String(unit, radix: 16)
                        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                    }.joined()
                }
            }.joined() + "\""
    }

    @Test func doublesSurvive() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let number = Double(bitPattern: generator.next())
            guard number.isFinite else { continue }
            let text = PayloadValue.double(number).json()
            #expect(try PayloadValue(json: text) == .double(number), "\(text)")
            guard case .double(let read) = try PayloadValue(json: text) else { continue }
            #expect(read.bitPattern == number.bitPattern)
        }
    }

    @Test func malformedTextIsAnErrorAndNeverATrap() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array(#"{}[]:,"\u0123456789abcdefntrue-+.E \#n\#u{0}é"#.utf8) + [0x80, 0xED, 0xFF]
        let seed = Array(#"{"a":[1,2.5e3,"\u00e9\ud83d\ude00",null,true],"b":{"c":"é"}}"#.utf8)
        for _ in 0..<20_000 {
            var text: [UInt8]
            if Bool.random(using: &generator) {
                text = (0..<Int.random(in: 0..<24)).map { _ in alphabet.randomElement() ?? 0 }
            } else {
                text = Array(seed.prefix(Int.random(in: 0...seed.count)))
                if let index = text.indices.randomElement() { text[index] = alphabet.randomElement() ?? 0 }
            }
            do {
                let value = try PayloadValue(json: text)
                #expect(try PayloadValue(json: value.json()) == value)
                _ = try? VectorRecord(json: text)
            } catch {
                #expect(error.code == .invalidArgument)
            }
        }
    }
}

/// A record survives its JSON line, bit for bit.
@Suite struct RecordJSONTests {
    @Test(arguments: [nil, [:], ["a": 1, "b": [1.0, "é"]]] as [[String: PayloadValue]?])
    func recordsSurvive(_ payload: [String: PayloadValue]?) throws {
        let record = VectorRecord(id: "a\"\0😀", vector: [0, -0.0, 1, .leastNonzeroMagnitude, 0.1], payload: payload)
        #expect(try VectorRecord(json: record.json()) == record)
        #expect(try VectorRecord(json: record.json(asASCII: true)) == record)
    }

    @Test func readsKeysInAnyOrder() throws {
        let text = #" {"vector" : [1, 2.5, -3e0], "payload" : null, "id" : "x"} "#
        #expect(try VectorRecord(json: text) == VectorRecord(id: "x", vector: [1, 2.5, -3]))
        let line = Array("..\(text)\n".utf8)
        #expect(try VectorRecord(json: line[2...]).id == "x")
    }

    @Test(arguments: [
        "[]", "{}", #"{"id":"a"}"#, #"{"vector":[1]}"#, #"{"id":1,"vector":[1]}"#, #"{"id":"a","vector":1}"#,
        #"{"id":"a","vector":[null]}"#, #"{"id":"a","vector":[1e39]}"#, #"{"id":"a","vector":["1"]}"#,
        #"{"id":"a","vector":[1],"payload":[]}"#, #"{"id":"a","vector":[1],"other":1}"#,
        #"{"id":"a","vector":[340282356779733661637539395458142568448]}"#,
    ])
    func refuses(_ text: String) {
        expectError(.invalidArgument) { try VectorRecord(json: text) }
    }

    private func read(_ number: String) throws -> Float {
        try #require(try VectorRecord(json: "{\"id\":\"\",\"vector\":[\(number)]}").vector.first)
    }

    @Test func floatsSurvive() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let number = Float(bitPattern: generator.next())
            guard number.isFinite else { continue }
            let record = VectorRecord(id: "", vector: [number])
            #expect(try VectorRecord(json: record.json()).vector.first?.bitPattern == number.bitPattern)
        }
    }

    /// The quick path against the C library's, on long and short decimals and next to midpoints of two floats.
    @Test func floatsAreTheNearest() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let float = Float(bitPattern: generator.next() & 0x7FFF_FFFF)
            guard float.isFinite, float.nextUp.isFinite else { continue }
            let middle = (Double(float) + Double(float.nextUp)) / 2
            let near = middle.nextUp.description
            let texts = [
                Double(float).description, middle.description, near, middle.nextDown.description,
                middle.description.split(separator: "e")[0].description,
                "\(UInt64.random(in: 0 ... .max))e\(Int.random(in: -60...20))", "0.\(UInt64.random(in: 0 ... .max))",
                "\(UInt64.random(in: 0 ... 1 << 30))e\(Int.random(in: -60...20))",
            ]
            for text in texts {
                let nearest = try #require(Float(text))
                guard nearest.isFinite else { continue }
                #expect(try read(text).bitPattern == nearest.bitPattern, "\(text)")
            }
        }
        #expect(try read("340282356779733661637539395458142568447") == .greatestFiniteMagnitude)
        #expect(try read("1e-60") == 0)
        #expect(try read("-0").sign == .minus)
    }
}
