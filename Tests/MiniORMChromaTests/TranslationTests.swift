#if Chroma
import Foundation
import MiniORM
@testable import MiniORMChroma
import NIOCore
import Testing

struct TranslationTests {
    /// What the server is asked, without the records that are not indexed whole, which it always is asked for.
    private func json(
        _ filter: VectorFilter, _ indexed: ChromaIndexedFields = .scalars, conditions: Int = 256,
        _ limits: ChromaLimits? = nil
    ) -> String? {
        var limits = limits ?? ChromaLimits()
        limits.conditions = min(limits.conditions, conditions)
        let keys = IndexedKeys(fields: indexed, bytesPerKey: limits.bytesPerKey)
        guard let clause = WhereClause(filter, keys, limits) else { return nil }
        let text = String(decoding: clause.json, as: UTF8.self)
        let (start, end) = (#"{"$or":["#, #",{"partial":{"$eq":"yes"}}]}"#)
        #expect(text.hasPrefix(start) && text.hasSuffix(end))
        return String(text.dropFirst(start.count).dropLast(end.count))
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
        #expect(json(filter, conditions: 3) == #"{"$and":[{"/a":{"$eq":"1"}},{"/b":{"$eq":"2"}}]}"#)
    }

    @Test func listsHaveALimitOfTheirOwn() {
        let lists = (0..<17).map { list in
            VectorFilter.field("a").in((0..<1_000).map { .int(Int64(list * 1_000 + $0)) })
        }
        #expect(json(.or(lists)) == nil)
        // Numbers count twice.
        #expect(json(.or(Array(lists.prefix(6)))) == nil)
        #expect(json(.or(Array(lists.prefix(5)))) != nil)
        #expect(json(.and(lists)) == json(.and(Array(lists.prefix(5)))))
    }

    @Test func theCloudIsNotAskedToOrderNumbers() {
        #expect(json(.field("a") > 5, .cloud) == nil)
        #expect(json(.field("a") == 5, .cloud) != nil)
        #expect(json(.field("a") >= 5 && .field("b") == true, .cloud) == #"{"/b":{"$eq":true}}"#)
        let eight = VectorFilter.and((0..<8).map { .field("f\($0)") == "x" })
        #expect(json(eight, .cloud) == json(.and((0..<7).map { .field("f\($0)") == "x" })))
        #expect(json(.field(FieldPath(parts: [String(repeating: "k", count: 36)])) == 5, .cloud) == nil)
    }

    private func json(_ filter: VectorFilter, _ limits: ChromaLimits) -> String? {
        json(filter, .scalars, limits)
    }

    private func metadata(
        _ payload: [String: PayloadValue]?, exponent: Int = 0, _ limits: ChromaLimits = ChromaLimits()
    ) throws -> [String: PayloadValue] {
        var json: [UInt8] = []
        let keys = IndexedKeys(fields: .scalarsAndElements, bytesPerKey: limits.bytesPerKey)
        try MetadataFields.append(payload, exponent: exponent, keys, limits, to: &json)
        return try #require(try PayloadValue(json: json).objectValue)
    }

    private func read(_ metadata: [String: PayloadValue]) throws -> (payload: [String: PayloadValue]?, exponent: Int) {
        try MetadataFields.read(
            MetadataFields.text(
                metadata["json"]?.stringValue, metadata.filter { $0.key != "json" }.compactMapValues(\.stringValue)))
    }

    @Test func aRecordOfTooManyValuesIsMarked() throws {
        var limits = ChromaLimits()
        limits.valuesPerRecord = 10
        #expect(try metadata(["a": 1, "b": [1, 2, "x"], "c": nil], limits)["partial"] == nil)
        let fields = Dictionary(uniqueKeysWithValues: (0..<9).map { ("f\($0)", PayloadValue.int($0)) })
        let marked = try metadata(fields, limits)
        #expect(marked["partial"] == "yes")
        #expect(marked.count == 10)
        let elements = try metadata(["a": .array((0..<9).map { .int($0) }), "b": ["c": 1]], limits)
        #expect(elements["partial"] == "yes" && elements["/b/c"] != nil && elements["[]/a"] == nil)
        #expect(try read(marked).payload == fields)
    }

    @Test(arguments: [0, -100]) func aLongPayloadGoesInPieces(_ exponent: Int) throws {
        for length in [4_000, 4_096, 5_000, 20_000, 100_000] {
            for character in ["x", "é", "\"", "👩‍👩‍👧", "\u{1}"] {
                let payload: [String: PayloadValue] = [
                    "text": .string(String(repeating: character, count: length / character.utf8.count)), "n": 1.0,
                ]
                let metadata: [String: PayloadValue]
                do { metadata = try self.metadata(payload, exponent: exponent, .cloud) } catch {
                    // Too long, once it is escaped.
                    #expect(VectorStoreError.Code.unsupportedPayload ~= error)
                    #expect(length == 100_000 && ["\"", "\u{1}"].contains(character))
                    continue
                }
                #expect(metadata.count <= 32)
                #expect(metadata.keys.allSatisfy { $0.utf8.count <= 36 })
                #expect(metadata.values.allSatisfy { $0.stringValue?.utf8.count ?? 0 <= 4_096 })
                let read = try read(metadata)
                #expect(read.payload == payload && read.exponent == exponent)
                // What is left of a longer version of the record is not read; what is missing is noticed.
                var stale = metadata
                stale["json31"] = "left"
                #expect(try self.read(stale).payload == payload)
                if metadata["json1"] != nil {
                    stale["json1"] = nil
                    #expect(throws: VectorStoreError.self) { try self.read(stale) }
                }
            }
        }
    }

    @Test func aFieldWithALongKeyIsNotIndexed() throws {
        let long = String(repeating: "k", count: 36)
        let metadata = try metadata([long: 1, "short": [.string("x")], "o": [.init(long.dropLast(2)): 1]], .cloud)
        #expect(Set(metadata.keys) == ["json", "[]/short"])
    }

    @Test func whatTheCloudDoesNotTakeIsRefusedBeforeItIsSent() async throws {
        let store = try ChromaVectorStore(.cloud(apiKey: "k", tenant: "t", database: "d"))
        let name = String(repeating: "n", count: 129)
        for (name, dimension, code) in [
            (name, 3, VectorStoreError.Code.invalidCollectionName), ("abc", 4_097, .invalidArgument),
        ] {
            let error = await #expect(throws: VectorStoreError.self) {
                try await store.createCollection(
                    CreateCollectionRequest(
                        collection: CollectionDescription(name: name, dimension: dimension, metric: .l2)))
            }
            #expect(error?.code == code)
        }
        #expect(!store.isPossible(id: String(repeating: "é", count: 65)))
        #expect(store.isPossible(id: String(repeating: "é", count: 64)))
        #expect(!store.capabilities.pushedDownOperators.contains(.order))
    }

    @Test func theHostOfTheCloudHasItsLimits() throws {
        #expect(try ChromaConfiguration(url: "chromas://api.trychroma.com/t/d").limits == .cloud)
        #expect(try ChromaConfiguration(url: "chromas://Europe.api.TryChroma.com:443/t/d").limits == .cloud)
        #expect(ChromaConfiguration.cloud(apiKey: "k", tenant: "t", database: "d").limits == .cloud)
        #expect(try ChromaConfiguration(url: "chromas://nottrychroma.com/t/d").limits == ChromaLimits())
    }

    @Test func limitsThatAreTooLowAreRefused() {
        for change: (inout ChromaLimits) -> Void in [
            { $0.recordsPerAnswer = 1 }, { $0.valuesPerRecord = 1 }, { $0.bytesPerValue = 8 }, { $0.bytesPerKey = 5 },
            { $0.requestsInFlight = 0 }, { $0.writesInFlight = 0 }, { $0.recordsPerRead = 0 },
        ] {
            var configuration = ChromaConfiguration()
            change(&configuration.limits)
            #expect(throws: VectorStoreError.self) { try ChromaVectorStore(configuration) }
        }
    }

    @Test func retryAfterIsANumberOrADate() {
        let now = 784_111_777.0
        #expect(RetryAfter.secondsSince1970("Sun, 06 Nov 1994 08:49:37 GMT") == Int(now))
        #expect(RetryAfter.secondsSince1970("Thu, 01 Jan 1970 00:00:00 GMT") == 0)
        #expect(RetryAfter.secondsSince1970("Thu, 29 Feb 2024 23:59:60 GMT") == 1_709_251_200)
        #expect(RetryAfter.pause("Sun, 06 Nov 1994 08:49:40 GMT", now: now) == .seconds(3))
        #expect(RetryAfter.pause("Sun, 06 Nov 1994 08:00:00 GMT", now: now) == .zero)
        #expect(RetryAfter.pause("120", now: now) == .seconds(120))
        #expect(RetryAfter.pause("99999999999999999999", now: now) == .seconds(86_400))
        for text in ["", "-1", "soon", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT"] {
            #expect(RetryAfter.pause(text, now: now) == nil, "\(text)")
        }
    }

    @Test func aListThatShrinksWhileItIsReadLosesNothing() async throws {
        for canGrow in [true, false] {
            for vanishing in [[0], [3], [9], [0, 5, 20], Array(0..<12), Array(8..<10), Array(0..<100)] {
                var list = (0..<100).map(String.init), reads = 0
                let ids = try await IDList.read(blockSize: 10, canGrow: canGrow) { offset, count in
                    reads += 1
                    // After the first block, and once more later, some are gone and others come.
                    if reads == 2 || reads == 4 {
                        let gone = Set(vanishing.map { String($0 + (reads == 2 ? 0 : 15)) })
                        list.removeAll(where: gone.contains)
                        list.append("new \(reads)")
                    }
                    return Array(list.dropFirst(offset).prefix(count))
                }
                #expect(Set(ids).count == ids.count)
                #expect(Set(list).isSubset(of: ids), "\(canGrow) \(vanishing)")
            }
        }
    }

    @Test func aListThatNeverStopsShrinkingIsATypedError() async {
        var list = (0..<1_000).map(String.init)
        let error = await #expect(throws: VectorStoreError.self) {
            _ = try await IDList.read(blockSize: 10, canGrow: false) { offset, count in
                defer { list.removeFirst() }
                return Array(list.dropFirst(offset).prefix(count))
            }
        }
        #expect(error?.code == .unavailable)
    }

    @Test func payloadsComeBackWithTheirTypes() throws {
        for payload: [String: PayloadValue]? in [
            nil, [:], ["a": 1, "b": 1.0, "c": nil, "d": [1, "x", [:]], "e": ["f": []], "": "", "#": "\0", "$x": true],
        ] {
            for exponent in [0, -100, 127] {
                let read = try read(metadata(payload, exponent: exponent))
                #expect(read.payload.map(PayloadValue.object) == payload.map(PayloadValue.object))
                #expect(read.exponent == exponent)
            }
        }
        #expect(throws: VectorStoreError.self) { try MetadataFields.read("not ours") }
        // A number of pieces that nobody of ours has written.
        for count in ["-9223372036854775808", "-1", "0", "9223372036854775807"] {
            #expect(throws: VectorStoreError.self) {
                try MetadataFields.read(MetadataFields.text("c\(count) {}", [:]))
            }
        }
        #expect(try MetadataFields.read(nil).payload == nil)
    }

    @Test func distancesBecomeScores() {
        #expect(ChromaScore.score(.l2, distance: 25, of: [5, 0]) == -5)
        #expect(ChromaScore.score(.dot, distance: -3, of: [2, 0]) == 4)
        #expect(ChromaScore.score(.cosine, distance: -1e-6, of: [1, 0]) == 1)
        #expect(ChromaScore.score(.cosine, distance: 1, of: [1, 0]) == nil, "too coarse: scored from the vectors")
        #expect(ChromaScore.score(.l2, distance: nil, of: [5, 0]) == nil)
        #expect(ChromaScore.score(.l2, distance: 1e-38, of: [5, 1]) == nil)
        #expect(ChromaScore.score(.l2, distance: 0, of: [5, 1]) == 0)
        #expect(ChromaScore.score(.l2, distance: 0, of: [5, 0]) == nil, "1e-30 is as near to 0")
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
            #expect(Base64.text(Array(text.utf8)) == encoded)
        }
        // All lengths, as eight bytes are read at a time.
        for count in 0..<40 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255) }
            #expect(Base64.text(bytes) == Data(bytes).base64EncodedString())
        }
    }

    @Test func theTextOfAFloatReadsBackToIt() throws {
        var floats = (0..<20_000).map { _ in Float(bitPattern: .random(in: 0...UInt32.max)) }.filter(\.isFinite)
        for exponent in -149...127 {
            let power = Float(sign: .plus, exponent: exponent, significand: 1)
            floats += [power, power.nextUp, power.nextDown, -power]
        }
        for exponent in -45...38 {
            let power = try #require(Float("1e\(exponent)"))
            floats += [power, power.nextUp, power.nextDown]
        }
        floats += [
            0, -0.0, 0.1, 1, 16_777_215, .greatestFiniteMagnitude, .leastNonzeroMagnitude, .leastNormalMagnitude,
        ]
        var text: [UInt8] = []
        FloatText.append(floats, to: &text)
        let read = try PayloadValue(json: "[\(String(decoding: text, as: UTF8.self))]").arrayValue ?? []
        #expect(read.count == floats.count)
        // By way of a double, as the server reads it.
        for (value, float) in zip(read, floats) { #expect(value.doubleValue.map(Float.init) == float) }
    }

    @Test func noFloatsHaveNoText() {
        var text: [UInt8] = []
        FloatText.append([], to: &text)
        #expect(text.isEmpty)
    }

    @Test(arguments: [true, false])
    func bodiesEndBeforeTheyBecomeTooLong(_ isBase64: Bool) throws {
        let mark = ChromaCollection.Mark(
            dimension: 3, metric: .dot, indexed: IndexedKeys(fields: .scalars), creation: "")
        var records = (0..<20).map { index in
            VectorRecord(id: "r\(index)", vector: [1, 2, Float(index)], payload: ["n": .int(Int64(index))])
        }
        records[7].payload = ["long": .string(String(repeating: "x", count: 3_000))]
        var limits = ChromaLimits()
        limits.bytesPerWrite = 700
        var rest = records[...], lengths: [Int] = []
        while !rest.isEmpty {
            let (body, count) = try UpsertBody.first(of: rest, limit: 9, mark, limits, isBase64: isBase64)
            let members = try PayloadValue(json: body.readableBytesView).objectValue ?? [:]
            #expect(members["ids"]?.arrayValue == rest.prefix(count).map { .string($0.id) })
            #expect(members["metadatas"]?.arrayValue?.count == count)
            let vectors = members["embeddings"]?.arrayValue ?? []
            if isBase64 {
                let bytes = rest.prefix(count).map { $0.vector.flatMap { $0.bitPattern.littleEndianBytes } }
                #expect(vectors == bytes.map { .string(Base64.text($0)) })
            } else {
                let floats = vectors.map { ($0.arrayValue ?? []).map { $0.doubleValue.map(Float.init) } }
                #expect(floats == rest.prefix(count).map(\.vector))
            }
            // Only a single record may be longer.
            #expect(body.readableBytes <= limits.bytesPerWrite || count == 1)
            lengths.append(count)
            rest = rest.dropFirst(count)
        }
        #expect(lengths.reduce(0, +) == 20 && lengths.contains(1) && lengths.contains { $0 > 1 })
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
        let slash = try ChromaConfiguration(url: "chroma://host/a%2Fb%20%C3%A9/d%25")
        #expect(slash.tenant == "a/b é" && slash.database == "d%")
        #expect(full.credentials.header?.value == "Basic dTpzM2NyZXQ=")
        #expect(!"\(full) \(full.credentials)".contains("s3cret"))
        var dumped = ""
        dump(try ChromaVectorStore(full), to: &dumped)
        dump(full.credentials, to: &dumped)
        #expect(!dumped.contains("s3cret") && !dumped.contains("dTpzM2NyZXQ="))
        for url in [
            "http://host", "chroma://", "chroma://h/one", "chroma://h/%FF/d", "chroma://h/t/%FF", "chroma://h?what=1",
            "chroma://h:0",
        ] {
            #expect(throws: VectorStoreError.self, "\(url)") { try ChromaConfiguration(url: url) }
        }
    }
}

extension UInt32 {
    fileprivate var littleEndianBytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: self >> ($0 * 8)) } }
}
#endif
