#if Chroma
import MiniORM
@testable import MiniORMChroma
import Testing

struct TranslationTests {
    private func json(_ filter: VectorFilter, _ indexed: ChromaIndexedFields = .scalars, conditions: Int = 256)
        -> String?
    {
        WhereClause(filter, indexed, conditions: conditions).map { String(decoding: $0.json, as: UTF8.self) }
    }

    @Test func numbersKeepTheirOrderAsIntegers() throws {
        let values: [PayloadValue] = [
            -1e300, .int(.min), -1.5, -1, -0.5, -0x1p-1074, 0, 0x1p-1074, 0.1, 0.30000000000000004, 1, 1.5, 2,
            .int(1 << 53), 1e300,
        ]
        let keys = try values.map { try #require(OrderedNumber.key($0)) }
        #expect(zip(keys, keys.dropFirst()).allSatisfy { $0 < $1 })
        #expect(OrderedNumber.key(1) == OrderedNumber.key(1.0))
        #expect(OrderedNumber.key(0.0) == OrderedNumber.key(-0.0))
        #expect(OrderedNumber.key("1") == nil)
    }

    @Test func aBoundThatSharesItsKeyIsPushedInclusively() {
        #expect(json(.field("n") > 5)?.contains("$gt\"") == true)
        #expect(json(.field("n") > .int(1 << 53 + 1))?.contains("$gte\"") == true)
        #expect(json(.field("n") < .int(1 << 53 + 1))?.contains("$lte\"") == true)
    }

    @Test func whatAStaleKeyCouldHideIsNotPushed() {
        #expect(json(.field("a") != 1) == nil)
        #expect(json(!(.field("a") == 1)) == nil)
        #expect(json(.field("a").notIn([1])) == nil)
        #expect(json(.field("a").exists) == nil)
        #expect(json(.field("a") == nil) == nil)
        #expect(json(.field("a") == 1 || .field("b") != 1) == nil)
        #expect(json(.field("a") == "x" && .field("b") != 1) == #"{"/a":{"$eq":"x"}}"#)
    }

    @Test func whatTheServerRefusesIsNotPushed() {
        #expect(json(.field("a") < "x") == nil)
        #expect(json(.field("a").in([PayloadValue]())) == nil)
        #expect(json(.field("a").in([1, nil])) == nil)
        #expect(json(.field("a") == []) == nil)
        #expect(json(.and([])) == nil)
        #expect(json(.or([])) == nil)
        let many = VectorFilter.or((0..<300).map { .field("a") == .int(Int64($0)) })
        #expect(json(many) == nil)
        var deep: VectorFilter = .field("a") == "x"
        for index in 0..<60 { deep = index % 2 == 0 ? .and([deep, deep]) : .or([deep]) }
        #expect(json(.or([.field("a") == true, deep])) == nil)
    }

    @Test func listsAreOfOneType() {
        #expect(json(.field("a").in(["x", true])) == #"{"$or":[{"/a":{"$in":["x"]}},{"/a":{"$in":[true]}}]}"#)
    }

    @Test func namesAndValuesAreEscaped() {
        #expect(
            json(.field(FieldPath(parts: ["a/b~", "#c\""])) == "$\"}")
                == #"{"/a~1b~0/#c\"":{"$eq":"$\"}"}}"#)
    }

    @Test func elementsAreIndexedOnRequest() {
        #expect(json(.field("a").contains("x")) == nil)
        #expect(json(.field("a").contains("x"), .scalarsAndElements) == #"{"[]/a":{"$contains":"sx"}}"#)
        #expect(json(.field("a") == "x", .none) == nil)
    }

    @Test func aConjunctionIsCutToTheLimitOfConditions() {
        let filter: VectorFilter = .field("a") == "1" && .field("b") == "2" && .field("c") == "3"
        #expect(json(filter, conditions: 2) == #"{"$and":[{"/a":{"$eq":"1"}},{"/b":{"$eq":"2"}}]}"#)
    }

    @Test func payloadsComeBackWithTheirTypes() throws {
        for payload: [String: PayloadValue]? in [
            nil, [:], ["a": 1, "b": 1.0, "c": nil, "d": [1, "x", [:]], "e": ["f": []], "": "", "#": "\0", "$x": true],
        ] {
            for exponent in [0, -100, 127] {
                var json: [UInt8] = []
                MetadataFields.append(payload, exponent: exponent, .scalarsAndElements, to: &json)
                let text = try PayloadValue(json: json).objectValue?[MetadataFields.payload]?.stringValue
                let read = try MetadataFields.read(text)
                #expect(read.payload.map(PayloadValue.object) == payload.map(PayloadValue.object))
                #expect(read.exponent == exponent)
            }
        }
        #expect(throws: VectorStoreError.self) { try MetadataFields.read("not ours") }
        #expect(try MetadataFields.read(nil).payload == nil)
    }

    @Test func distancesBecomeScores() {
        #expect(ChromaScore.score(.l2, distance: 25) == -5)
        #expect(ChromaScore.score(.dot, distance: -3) == 4)
        #expect(ChromaScore.score(.cosine, distance: -1e-6) == 1)
        #expect(ChromaScore.score(.cosine, distance: 1) == nil, "too coarse: scored from the vectors")
        #expect(ChromaScore.score(.l2, distance: nil) == nil)
        #expect(ChromaScore.score(.cosine, [0, 0], [1, 2]) == 0)
    }

    @Test func veryShortAndVeryLongVectorsAreScaledExactly() {
        for vector: [Float] in [[1e-30, 2e-30], [3e38, 3e38], [0x1p-133, 0]] {
            let exponent = VectorScale.exponent(vector)
            #expect(exponent != 0)
            let stored = vector.map { VectorScale.scaled($0, by: -exponent) }
            #expect(VectorScale.exponent(stored) == 0)
            #expect(stored.map { VectorScale.scaled($0, by: exponent) } == vector)
        }
        #expect(VectorScale.exponent([0, 0]) == 0)
        #expect(VectorScale.exponent([0.1, 0.2]) == 0)
    }

    @Test func base64IsTheStandardOne() {
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            var bytes: [UInt8] = []
            Base64.append(Array(text.utf8), to: &bytes)
            #expect(String(decoding: bytes, as: UTF8.self) == encoded)
        }
    }

    @Test func namesBeyondTheServersRuleAreRefused() {
        for name in ["ab", "a..b", "1.2.3.4", "-ab", "a b", "a/b", "é-é", "ab.", String(repeating: "a", count: 513)] {
            #expect(throws: VectorStoreError.self, "\(name)") { try CollectionName.check(name) }
        }
        for name in ["abc", "a.b", "1.2.3.456", "a-b_c.d", String(repeating: "a", count: 512)] {
            #expect(throws: Never.self, "\(name)") { try CollectionName.check(name) }
        }
    }

    @Test func urls() throws {
        let plain = try ChromaConfiguration(url: "chroma://host")
        #expect(plain.port == 8000 && !plain.usesTLS && plain.tenant == "default_tenant")
        let full = try ChromaConfiguration(url: "chromas://u:s3cret@host:99/t/d?exact=true")
        #expect(full.port == 99 && full.usesTLS && full.tenant == "t" && full.database == "d" && full.isExact)
        #expect(full.credentials.header?.value == "Basic dTpzM2NyZXQ=")
        #expect(!"\(full) \(full.credentials)".contains("s3cret"))
        var dumped = ""
        dump(try ChromaVectorStore(full), to: &dumped)
        dump(full.credentials, to: &dumped)
        #expect(!dumped.contains("s3cret") && !dumped.contains("dTpzM2NyZXQ="))
        for url in ["http://host", "chroma://", "chroma://h/one", "chroma://h?what=1", "chroma://h:0"] {
            #expect(throws: VectorStoreError.self, "\(url)") { try ChromaConfiguration(url: url) }
        }
    }
}
#endif
