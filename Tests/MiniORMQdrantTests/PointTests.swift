#if Qdrant
import MiniORM
import SwiftProtobuf
import TestSupport
import Testing

@testable import MiniORMQdrant

@Suite struct PointTests {
    private func collection(_ metric: Qdrant_Distance) throws -> QdrantCollection {
        var info = Qdrant_CollectionInfo()
        info.config.params.vectorsConfig.params.size = 3
        info.config.params.vectorsConfig.params.distance = metric
        info.config.metadata["miniorm"] = .with { $0.structValue.fields["ids"] = .with { $0.stringValue = "any" } }
        return try #require(QdrantCollection(info))
    }

    /// What a server would answer for a record that was sent.
    private func roundTrip(_ record: VectorRecord, _ metric: Qdrant_Distance) throws -> VectorRecord {
        let point = try point(record, metric)
        var answer = Qdrant_RetrievedPoint()
        answer.id = point.id
        answer.payload = point.payload
        answer.vectors.vector.dense = point.vectors.vector.dense
        return try stored(answer, .retrieved).record()
    }

    /// What is sent of a record, read by the generated code.
    private func point(_ record: VectorRecord, _ metric: Qdrant_Distance) throws -> Qdrant_PointStruct {
        var request = ProtobufWriter()
        request.field(1, "name")
        try PointEncoder(collection: collection(metric)).append(record, to: &request)
        let upsert = try Qdrant_UpsertPoints(serializedBytes: request.bytes)
        #expect(upsert.collectionName == "name")
        return try #require(upsert.points.first)
    }

    /// What is read of a point that the generated code wrote.
    private func stored(_ answer: some Message, _ form: StoredPoint.Form) throws -> StoredPoint {
        let bytes: [UInt8] = try answer.serializedBytes()
        return try bytes.withUnsafeBytes { try StoredPoint(form, ProtobufReader($0)) }
    }

    /// The test vectors of FIPS 180-4's examples.
    @Test(arguments: [
        ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"), ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
        ),
    ])
    func sha1(_ message: String, _ digest: String) {
        let bytes = SHA1.digest(Array(message.utf8))
        #expect(bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == digest)
    }

    /// Computed by Python's `uuid.uuid5`.
    @Test(arguments: [
        ("u1", "10b59401-f747-59c4-85be-c433fa637f59"), ("é", "53687481-ef61-53ef-8f8b-eb0f38ca1087"),
        ("a longer id, of more than one block of the hash: 0123456789", "41d3c38f-334b-54dc-bec7-ff64bfee30ba"),
    ])
    func pointsAreVersion5UUIDsOfIds(_ id: String, _ uuid: String) {
        #expect(PointIdentity.hashed.point(id).uuid == uuid)
    }

    @Test func idsOfOthersAreKept() {
        let uuid = "6f0c1a52-93de-4c0b-8e57-2d1b7c5a9e40"
        #expect(PointIdentity.natural.point("18446744073709551615").num == .max)
        #expect(PointIdentity.natural.point("007").uuid == PointIdentity.hashed.point("007").uuid)
        #expect(PointIdentity.natural.point(uuid).uuid == uuid)
        #expect(PointIdentity.uuid.point(uuid).uuid == uuid)
        #expect(PointIdentity.uuid.point(uuid.uppercased()).uuid != uuid)
        #expect(PointIdentity.hashed.point(uuid).uuid != uuid)
    }

    @Test(
        arguments: [
            [3, -4, 0], [1e30, 2e30, -3e30], [1e-30, 2e-30, 3e-30], [1e30, 1e-30, 0], [0, 0, 0], [0.1, 0.2, 0.3],
            [.greatestFiniteMagnitude, .leastNonzeroMagnitude, -0.0],
        ] as [[Float]])
    func aVectorKeepsItsLengthUnderCosine(_ vector: [Float]) throws {
        let back = try roundTrip(VectorRecord(id: "u", vector: vector), .cosine).vector
        for (lhs, rhs) in zip(vector, back) { #expect(abs(lhs - rhs) <= 1e-6 * abs(lhs)) }
    }

    @Test func otherMetricsKeepEveryBit() throws {
        let vector: [Float] = [.leastNonzeroMagnitude, -0.0, 0.1]
        for metric in [Qdrant_Distance.dot, .euclid] {
            let back = try roundTrip(VectorRecord(id: "u", vector: vector), metric).vector
            #expect(back.map(\.bitPattern) == vector.map(\.bitPattern))
        }
    }

    @Test(
        arguments: [
            nil, [:], ["__miniorm": ["id": "other"]], ["a": 1, "b": 1.0, "c": -0.0, "d": .int(.min)],
            ["": nil, "a.b\"\\": []],
            ["n": "\0", "l": [[], [[1]], nil, ["x": nil]]],
        ] as [[String: PayloadValue]?])
    func payloadsComeBackAsTheyWere(_ payload: [String: PayloadValue]?) throws {
        let record = VectorRecord(id: "u", vector: [1, 0, 0], payload: payload)
        #expect(try roundTrip(record, .dot) == record)
    }

    @Test func mirroredFieldsTellAnEmptyArrayFromNone() throws {
        let record = VectorRecord(
            id: "u", vector: [1, 0, 0], payload: ["e": [], "n": nil, "l": [["x"], "y"], "z": -0.0])
        let fields = try point(record, .dot).payload
        #expect(fields["n"] == nil)
        #expect(fields["e"]?.listValue.values.count == 1)
        #expect(fields["l"]?.listValue.values.map(\.stringValue) == ["", "y"])
        #expect(fields["z"]?.doubleValue.sign == .plus)
    }

    @Test func fieldsWithDoublesThatAreKeptNearlyAreNoted() throws {
        let rough = 0.09999999999999999
        func noted(_ payload: [String: PayloadValue]) throws -> [String]? {
            let point = try point(VectorRecord(id: "u", vector: [1, 0, 0], payload: payload), .dot)
            return point.payload["__miniorm"]?.structValue.fields["rough"]?.listValue.values.map(\.stringValue)
        }
        #expect(try noted(["a": 0.5, "b": 1, "c": "x"]) == nil)
        let payload: [String: PayloadValue] = [
            "a": .double(rough), "b": ["c d": [0.5, .double(rough)], "e": 1], "f": [["g": .double(rough)], [0.5]],
            "q\"": .double(rough),
        ]
        #expect(try noted(payload) == ["a", "b.\"c d\"", "f.g"])
        let table = Dictionary(uniqueKeysWithValues: (0..<20).map { ("k\($0)", PayloadValue.double(rough)) })
        #expect(try noted(table) == ["*"])
    }

    @Test func optionsThatMakeNoSenseAreRefused() throws {
        let changes: [(inout QdrantOptions) -> Void] = [
            { $0.collection.hnswM = -1 }, { $0.collection.hnswEfConstruct = 3 }, { $0.collection.hnswPayloadM = -1 },
            { $0.collection.shards = 0 }, { $0.collection.replicationFactor = 0 },
            { $0.collection.writeConsistencyFactor = -1 }, { $0.search.consistency = .replicas(0) },
            { $0.collection.quantization = .scalar(quantile: 0.4) },
            { $0.collection.quantization = .scalar(quantile: .nan) },
        ]
        for change in changes {
            var options = QdrantOptions()
            change(&options)
            expect(.invalidArgument) { _ = try QdrantVectorStore(url: "qdrant://localhost", options: options) }
        }
        var options = QdrantOptions()
        options.collection.hnswM = 0
        options.collection.quantization = .scalar(quantile: 0.5)
        _ = try QdrantVectorStore(url: "qdrant://localhost", options: options)
    }

    @Test func aBarePortChecksVectorsAndIds() throws {
        let collection = try collection(.dot)
        for (id, vector, code) in [
            ("", [1, 0, 0], VectorStoreError.Code.invalidIdentifier), ("a\0", [1, 0, 0], .invalidIdentifier),
            ("a", [1, 0], .invalidVector), ("a", [.nan, 0, 0], .invalidVector),
        ] as [(String, [Float], VectorStoreError.Code)] {
            do {
                try collection.check(vector)
                var request = ProtobufWriter()
                try PointEncoder(collection: collection).append(VectorRecord(id: id, vector: vector), to: &request)
                Issue.record("nothing was thrown")
            } catch { #expect(error.code == code) }
        }
    }

    @Test func repliesOfOlderServersAreRead() throws {
        var answer = Qdrant_ScoredPoint()
        answer.id.num = 7
        answer.vectors.vector.data = [1, 2, 3]
        let point = try stored(answer, .scored)
        #expect(point.recordID == "7")
        #expect(point.recordVector == [1, 2, 3])
        #expect(try point.recordPayload() == nil)
    }

    @Test(arguments: [
        ("qdrant://localhost", "qdrant://localhost:6334"), ("qdrants://a.example:443/", "qdrants://a.example:443"),
        ("QDRANT://[::1]:1", "qdrant://[::1]:1"),
    ])
    func addressesAreRead(_ text: String, _ address: String) throws {
        #expect(try QdrantAddress(text).description == address)
    }

    @Test(arguments: [
        "", "http://a", "qdrant://", "qdrant://a:0", "qdrant://a:65536", "qdrant://a:b", "qdrant://user:sesame@a",
        "qdrant://a/?api_key=sesame", "qdrant://[::1", "qdrant://[::1]x",
    ])
    func anAddressThatIsNoneIsRefusedWithoutRepeatingIt(_ text: String) {
        do {
            _ = try QdrantAddress(text)
            Issue.record("nothing was thrown")
        } catch {
            #expect(error.code == .invalidArgument)
            #expect(!error.description.contains("sesame"))
        }
    }

    @Test func aKeyNeverShows() async throws {
        let store = try QdrantVectorStore(url: "qdrant://localhost:1", apiKey: "sesame")
        var dumped = ""
        dump(store, to: &dumped)
        #expect(!dumped.contains("sesame"))
        #expect(!"\(store) \(String(reflecting: store))".contains("sesame"))
        expect(.invalidArgument) { _ = try QdrantVectorStore(url: "qdrant://a", apiKey: "a\r\nb") }
        try await store.close()
    }
}
#endif
