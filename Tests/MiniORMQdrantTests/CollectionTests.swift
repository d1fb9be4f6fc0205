#if Qdrant
import MiniORM
import SwiftProtobuf
import TestSupport
import Testing

@testable import MiniORMQdrant

extension ServerTests {
    /// Collections of others, marks, options, strict mode: what other engines do not have.
    @Suite struct CollectionTests {
        private func options(_ change: (inout QdrantOptions) -> Void) -> QdrantOptions {
            var options = QdrantOptions()
            change(&options)
            return options
        }

        /// A collection as another program would make it.
        private func withForeign(
            _ metric: Qdrant_Distance = .dot, _ body: (QdrantVectorStore, String) async throws -> Void
        ) async throws {
            let store = try Server.store()
            let name = "foreign-\(UInt32.random(in: 0 ... .max))"
            _ = try await store.connection.call(
                QdrantMethods.create,
                .with {
                    $0.collectionName = name
                    $0.vectorsConfig.params.size = 2
                    $0.vectorsConfig.params.distance = metric
                })
            var thrown: (any Error)?
            do { try await body(store, name) } catch { thrown = error }
            _ = try await store.connection.call(QdrantMethods.drop, .with { $0.collectionName = name })
            try await store.close()
            if let thrown { throw thrown }
        }

        private func put(_ store: QdrantVectorStore, _ name: String, _ points: [Qdrant_PointStruct]) async throws {
            _ = try await store.connection.call(
                QdrantMethod<Qdrant_UpsertPoints, Qdrant_PointsOperationResponse>("Points", "Upsert"),
                .with {
                    $0.collectionName = name
                    $0.wait = true
                    $0.points = points
                })
        }

        private func point(_ id: Qdrant_PointId, _ payload: [String: Qdrant_Value]) -> Qdrant_PointStruct {
            .with {
                $0.id = id
                $0.vectors.vector.dense.data = [3, 4]
                $0.payload = payload
            }
        }

        @Test func collectionsOfOthersAreReadAndNeverDropped() async throws {
            try await withForeign { store, name in
                let uuid = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
                try await put(
                    store, name,
                    [
                        point(
                            .with { $0.num = 7 },
                            ["a": .with { $0.stringValue = "x" }, "e": .with { $0.listValue = .init() }]),
                        point(.with { $0.uuid = uuid }, [:]),
                    ])
                let repository = try await AsyncVectorRepository(store, name, dimension: 2, metric: .dot)
                #expect(try await repository.fetch(["7", uuid, "8"]).map(\.id) == ["7", uuid])
                #expect(try await repository.fetch(["7"]).first?.payload == ["a": "x", "e": []])
                #expect(try await repository.count(matching: .field("e").exists) == 1)
                #expect(try await repository.count(matching: .field("e") == nil) == 1)
                #expect(try await repository.query([1, 0], filter: ["a": "x"]).map(\.id) == ["7"])
                #expect(try await repository.listCollections().contains(name))
                try await repository.upsert([VectorRecord(id: "named", vector: [1, 1], payload: ["a": "y"])])
                #expect(try await repository.fetch(["named"]).first?.payload == ["a": "y"])
                #expect(try await repository.delete(["7", "named", "9"]) == 2)
                await expect(.collectionMismatch) { try await repository.dropCollection() }
                await expect(.collectionMismatch) { try await repository.createCollection(overwrite: true) }
                #expect(try await repository.count() == 1)
            }
        }

        /// Each has a collection of its shape afterwards, whoever came last.
        @Test func manyMayOverwriteAtOnce() async throws {
            let name = "raced-\(UInt32.random(in: 0 ... .max))"
            for round in 0..<4 {
                let outcomes = await withTaskGroup(of: VectorStoreError?.self) { group in
                    for _ in 0..<10 {
                        group.addTask {
                            do {
                                let store = try Server.store()
                                _ = try await AsyncVectorRepository(
                                    store, name, dimension: 4, metric: .l2, overwrite: true)
                                try await store.close()
                                return nil
                            } catch { return error as? VectorStoreError ?? VectorStoreError(.backend, "\(error)") }
                        }
                    }
                    return await group.reduce(into: [VectorStoreError]()) { if let error = $1 { $0.append(error) } }
                }
                #expect(outcomes.isEmpty, "round \(round)")
            }
            let store = try Server.store()
            #expect(try await store.describeCollection(name)?.dimension == 4)
            try await store.dropCollection(name)
            try await store.close()
        }

        /// The largest floats, brought to length 1 by the server and back, stay numbers.
        @Test func theLargestFloatsStayFinite() async throws {
            let store = try Server.store()
            let name = "large-\(UInt32.random(in: 0 ... .max))"
            let vectors = try await AsyncVectorRepository(store, name, dimension: 2000, metric: .cosine)
            let large = VectorRecord(id: "a", vector: [Float](repeating: .greatestFiniteMagnitude, count: 2000))
            try await vectors.upsert([large])
            let found = try #require(try await vectors.fetch(["a"]).first)
            #expect(found.vector.allSatisfy { abs($0 / .greatestFiniteMagnitude - 1) < 1e-6 })
            try await vectors.upsert([found])
            let query = (0..<2000).map { Float($0 == 0 ? 1.03 : $0 % 2 == 0 ? 1 : -1) }
            let score = try #require(try await vectors.query(query, topK: 1).first).score
            #expect(abs(score) < 1e-4)
            try await store.dropCollection(name)
            try await store.close()
        }

        @Test func aCollectionOfAnotherShapeIsNotOpened() async throws {
            try await withForeign(.manhattan) { store, name in
                let names = try await store.listCollections()
                #expect(!names.contains(name))
                await expect(.collectionMismatch) {
                    _ = try await AsyncVectorRepository(store, name, dimension: 2, metric: .dot)
                }
            }
        }

        @Test func pointsOfOthersInOurCollectionsAreRead() async throws {
            let store = try Server.store()
            try await Server.withCollection(store, dimension: 2, metric: .dot) { repository in
                let name = try await repository.describe().name
                try await put(store, name, [point(.with { $0.num = 5 }, ["a": .with { $0.integerValue = 1 }])])
                try await repository.upsert([VectorRecord(id: "u", vector: [1, 0], payload: ["a": 1])])
                let records = try await repository.fetch()
                #expect(records.map(\.id) == ["5", "u"])
                #expect(records.first?.payload == ["a": 1])
                #expect(try await repository.query([1, 0], filter: ["a": 1]).map(\.id) == ["5", "u"])
            }
        }

        @Test(.onTheService) func theMarkIsAnIndexWhereMetadataIsNotKept() async throws {
            try await Server.control("/settings", ["no_metadata": true])
            try await Server.withCollection(Server.service(options { $0.idPolicy = .uuid })) { repository in
                let id = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
                try await repository.upsert([VectorRecord(id: id, vector: [1, 2, 3, 4])])
                let other = try Server.service()
                let info = try #require(try await other.info(try await repository.describe().name))
                let collection = try #require(QdrantCollection(info))
                #expect(collection.isOurs && collection.creation == nil && collection.identity == .uuid)
                try await repository.createCollection(overwrite: true)
                #expect(try await repository.count() == 0)
                try await other.close()
            }
            try await Server.control("/reset", [:])
        }

        @Test(.onTheService) func vectorsOfOlderServersAreRead() async throws {
            try await Server.control("/settings", ["legacy_vectors": true])
            try await Server.withCollection(Server.service()) { repository in
                try await repository.upsert([VectorRecord(id: "u", vector: [3, 4, 0, 0])])
                #expect(try await repository.fetch(["u"]).first?.vector == [3, 4, 0, 0])
            }
            try await Server.control("/reset", [:])
        }

        /// Alone in their collection, so that nothing else keeps the engine from deciding.
        @Test(arguments: [1_801_439_850_948_199, 9_007_199_254_740_991, 1_801_445_186_561_875] as [Double])
        func aLongIntegralDoubleIsNeverMistaken(_ number: Double) async throws {
            try await Server.withCollection(Server.store(), metric: .dot) { repository in
                try await repository.upsert([
                    VectorRecord(id: "a", vector: [1, 0, 0, 0], payload: ["n": .double(number)])
                ])
                #expect(try await repository.count(matching: .field("n") == .double(number)) == 1)
                #expect(try await repository.count(matching: .field("n") != .double(number)) == 0)
                #expect(try await repository.query([1, 0, 0, 0], filter: .field("n") >= .double(number)).count == 1)
                #expect(try await repository.query([1, 0, 0, 0], filter: .field("n") <= .double(number)).count == 1)
                #expect(try await repository.delete(matching: .field("n") < .double(number)) == 0)
                #expect(try await repository.delete(matching: .field("n") > .double(number)) == 0)
            }
        }

        @Test func roughlyKeptDoublesNeverDecide() async throws {
            try await Server.withCollection(Server.store(), metric: .dot) { repository in
                let numbers = [
                    0.1, 0.09999999999999999, 0.10000000000000002, 9.223372036854775e18, 1, 1_801_439_850_948_199,
                    9_007_199_254_740_991, 1_801_445_186_561_875,
                ]
                try await repository.upsert(
                    numbers.enumerated().map {
                        VectorRecord(id: "\($0)", vector: [1, 0, 0, 0], payload: ["n": .double($1), "m": 1.5])
                    })
                for number in numbers {
                    #expect(try await repository.count(matching: .field("n") == .double(number)) == 1)
                    #expect(try await repository.count(matching: .field("n") != .double(number)) == numbers.count - 1)
                    #expect(
                        try await repository.count(matching: .field("n") < .double(number))
                            == numbers.count { $0 < number })
                }
                #expect(try await repository.explain(.field("n") == 1).finished != nil)
                // Another field's numbers are all exact.
                #expect(try await repository.explain(.field("m") == 1.5).finished == nil)
                #expect(try await repository.delete(matching: .field("n") == 9_007_199_254_740_990) == 0)
                #expect(try await repository.delete(matching: .field("n") > 9_007_199_254_740_990) == 2)
                #expect(try await repository.delete(["0", "1", "2", "5", "7"]) == 5)
                #expect(try await repository.explain(.field("n") == 1).finished == nil)
            }
        }

        @Test func aDimensionThatIsNoneIsRefusedByABarePort() async throws {
            let store = try Server.store()
            for dimension in [-1, 0, 65_537] {
                let collection = CollectionDescription(name: "none", dimension: dimension, metric: .dot)
                await expect(.invalidArgument) {
                    try await store.createCollection(CreateCollectionRequest(collection: collection, mode: .ensure))
                }
            }
            try await store.close()
        }

        @Test(.onTheService) func aNameThatNoCallTakesIsNotListed() async throws {
            try await Server.control("/reset", [:])
            try await Server.control("/settings", ["listed_too": ["a:b"]])
            try await Server.withCollection(Server.service(), name: "listed-1") { repository in
                let names = try await repository.listCollections()
                #expect(names.contains("listed-1") && !names.contains("a:b"))
            }
            try await Server.control("/reset", [:])
        }

        /// Two programs of ours meet where the server keeps no metadata: one opens what the other is still to mark.
        @Test(.onTheService) func aCollectionIsNotTakenForAnothersBeforeItIsMarked() async throws {
            try await Server.control("/settings", ["no_metadata": true])
            try await withForeign { _, name in
                let store = try Server.service()
                let repository = try await AsyncVectorRepository(store, name, dimension: 2, metric: .dot)
                #expect(try await repository.count() == 0)
                _ = try await store.connection.call(
                    QdrantMethods.createIndex,
                    .with {
                        $0.collectionName = name
                        $0.wait = true
                        $0.fieldName = Reserved.marker(.hashed)
                        $0.fieldType = .bool
                    })
                try await repository.upsert([VectorRecord(id: "7", vector: [1, 0])])
                #expect(try await store.collection(name).isOurs)
                let points = try await store.connection.call(
                    QdrantMethods.scroll, .with { $0.collectionName = name })
                #expect(points.points.map(\.id) == [PointIdentity.hashed.point("7")])
                try await store.close()
            }
            try await Server.control("/reset", [:])
        }

        /// Another program creates a collection of that name after this library has looked and before it creates it.
        @Test(.onTheService, arguments: [false, true])
        func aCollectionThatAnotherProgramWasFasterToCreateStaysItsOwn(_ keepsNoMetadata: Bool) async throws {
            try await Server.control("/reset", [:])
            try await Server.control("/settings", ["no_metadata": .bool(keepsNoMetadata)])
            try await Server.control("/faults", ["method": "Collections.Create", "delay": 2])
            let store = try Server.service()
            let name = "raced-\(UInt32.random(in: 0 ... .max))"
            let ours = Task { try await AsyncVectorRepository(store, name, dimension: 2, metric: .dot) }
            while try await Server.control("/calls").objectValue?["Collections.Create"] == nil {}
            let other = try Server.service()
            _ = try await other.connection.call(
                QdrantMethods.create,
                .with {
                    $0.collectionName = name
                    $0.vectorsConfig.params.size = 2
                    $0.vectorsConfig.params.distance = .dot
                })
            let repository = try await ours.value
            await expect(.collectionMismatch) { try await repository.dropCollection() }
            #expect(try await other.collection(name).isOurs == false)
            _ = try await other.connection.call(QdrantMethods.drop, .with { $0.collectionName = name })
            try await store.close()
            try await other.close()
            try await Server.control("/reset", [:])
        }

        /// A key that may read and not create indexes opens what is complete, and what lacks the library's own index.
        @Test(.onTheService) func aStartWithTheSameArgumentsCreatesNoIndexAgain() async throws {
            try await Server.control("/reset", [:])
            let options = options {
                $0.collection.tenantField = "tenant"
                $0.collection.payloadIndexes = [.init("n", .number), .init("é", .bool)]
            }
            try await Server.withCollection(Server.service(options)) { repository in
                let name = try await repository.describe().name
                try await Server.control(
                    "/faults", ["method": "CreateFieldIndex", "times": 100, "status": "PERMISSION_DENIED"])
                let store = try Server.service(options)
                let again = try await AsyncVectorRepository(store, name, dimension: 4)
                #expect(try await again.count() == 0)
                let lacking = try Server.service(self.options { $0.collection.payloadIndexes = [.init("m", .number)] })
                await expect(.unauthorized) { _ = try await AsyncVectorRepository(lacking, name, dimension: 4) }
                try await Server.control("/reset", [:])
                try await store.close()
                try await lacking.close()
            }
        }

        /// The library's own index is no condition of opening a collection.
        @Test(.onTheService) func aReaderOpensACollectionThatLacksTheOwnIndex() async throws {
            try await Server.control("/reset", [:])
            let store = try Server.service()
            let name = "cut-off-\(UInt32.random(in: 0 ... .max))"
            try await Server.control("/faults", ["method": "CreateFieldIndex", "status": "INTERNAL"])
            await expect(.backend) { _ = try await AsyncVectorRepository(store, name, dimension: 4) }
            try await Server.control("/faults", ["method": "CreateFieldIndex", "status": "PERMISSION_DENIED"])
            try await Server.withCollection(store, name: name) { repository in
                #expect(try await store.collection(name).knowsRough == false)
                try await repository.upsert([VectorRecord(id: "a", vector: [1, 0, 0, 0], payload: ["n": 1.5])])
                #expect(try await repository.count(matching: .field("n") == 1.5) == 1)
            }
        }

        @Test(
            arguments: [
                .scalar(quantile: 0.99, alwaysInMemory: true), .product(compression: .x4),
                .binary(alwaysInMemory: true),
            ] as [QdrantCollectionOptions.Quantization])
        func collectionOptionsAndSearchOptionsAreSent(_ quantization: QdrantCollectionOptions.Quantization) async throws
        {
            let options = options {
                $0.collection.shards = 2
                $0.collection.replicationFactor = 1
                $0.collection.writeConsistencyFactor = 1
                $0.collection.vectorsOnDisk = true
                $0.collection.payloadOnDisk = true
                $0.collection.hnswM = 8
                $0.collection.hnswEfConstruct = 64
                $0.collection.hnswPayloadM = 8
                $0.collection.quantization = quantization
                $0.search.rescore = true
                $0.search.oversampling = 2
                $0.search.ef = 64
                $0.search.consistency = .majority
                $0.write.ordering = .strong
            }
            if Server.isTheService {
                try await Server.control("/reset", [:])
                try await Server.control("/settings", ["capture": true])
            }
            try await Server.withCollection(Server.store(options), metric: .dot) { repository in
                try await repository.upsert((0..<50).map { VectorRecord(id: "\($0)", vector: [Float($0), 0, 1, 2]) })
                let best = try await repository.query([1, 0, 0, 0], topK: 3).map(\.id)
                // A bit for each of four components cannot find the best; that there are answers is all to be had.
                if case .binary = quantization {
                    #expect(best.count == 3)
                } else {
                    #expect(best == ["49", "48", "47"])
                }
            }
            guard Server.isTheService else { return }
            let calls = try #require(try await Server.control("/captured").arrayValue)
            let create = calls.first { $0.arrayValue?.first == "Collections.Create" }?.arrayValue?.last?.objectValue
            #expect(create?["shard_number"] == 2)
            #expect(create?["replication_factor"] == 1)
            #expect(create?["write_consistency_factor"] == 1)
            #expect(create?["on_disk_payload"] == true)
            #expect(create?["hnsw_config"] == ["m": "8", "ef_construct": "64", "payload_m": "8"])
            #expect(create?["quantization_config"]?.objectValue?.count == 1)
            let query = calls.first { $0.arrayValue?.first == "Query" }?.arrayValue?.last?.objectValue
            #expect(query?["params"] == ["hnsw_ef": "64", "quantization": ["rescore": true, "oversampling": 2.0]])
            #expect(query?["read_consistency"] == ["type": "Majority"])
            try await Server.control("/reset", [:])
        }
    }
}
#endif
