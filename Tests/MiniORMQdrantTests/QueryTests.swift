#if Qdrant
import MiniORM
import TestSupport
import Testing

@testable import MiniORMQdrant

extension ServerTests {
    /// How many calls queries and reads take, and how large their answers may be.
    @Suite(.onTheService) struct QueryTests {
        private func options(_ change: (inout QdrantOptions) -> Void) -> QdrantOptions {
            var options = QdrantOptions()
            change(&options)
            return options
        }

        private static let records = (0..<300).map { number in
            VectorRecord(id: "\(number)", vector: [Float(number), 1, 0, 0], payload: ["n": .int(Int64(number % 10))])
        }

        private func withRecords(
            _ options: QdrantOptions = QdrantOptions(), strict: [String: PayloadValue]? = nil,
            _ body: (AsyncVectorRepository) async throws -> Void
        ) async throws {
            try await Server.control("/reset", [:])
            let store = try Server.service(options)
            try await Server.withCollection(store, metric: .dot) { repository in
                try await repository.upsert(Self.records)
                if let strict {
                    let name = try await repository.describe().name
                    try await Server.control("/strict", strict.merging(["collection": .string(name)]) { $1 })
                    _ = try await repository.describe()
                }
                try await body(repository)
            }
        }

        /// How often each call is made, but for those that look a collection up.
        private func calls(_ body: () async throws -> Void) async throws -> [String: Int] {
            let before = try await Server.control("/calls").objectValue ?? [:]
            try await body()
            let after = try await Server.control("/calls").objectValue ?? [:]
            var made: [String: Int] = [:]
            for (method, count) in after where method != "Collections.Get" {
                let difference = (count.intValue ?? 0) - (before[method]?.intValue ?? 0)
                if difference > 0 { made[method] = difference }
            }
            return made
        }

        @Test func asManyAsTheServerAllowsIsOneCall() async throws {
            try await withRecords(strict: ["max_query_limit": 100]) { repository in
                let made = try await calls {
                    let found = try await repository.query([1, 0, 0, 0], topK: 100).map(\.id)
                    #expect(found == (200..<300).reversed().map { "\($0)" })
                }
                #expect(made == ["Query": 1])
            }
        }

        @Test func manyAnswersAreNotTheWholeCollection() async throws {
            try await withRecords { repository in
                let made = try await calls { () async throws in
                    #expect(try await repository.query([1, 0, 0, 0], topK: 20_000).count == 300)
                    #expect(try await repository.query([1, 0, 0, 0], topK: .max).count == 300)
                }
                #expect(made == ["Query": 2, "Count": 2])
            }
        }

        @Test func aBatchThatNeedsMoreIsAskedForTogether() async throws {
            try await withRecords { repository in
                let vectors = (0..<20).map { [Float($0) - 9.5, 1, 0, 0] }
                let made = try await calls {
                    let found = try await repository.queryBatch(vectors, topK: 50, filter: .field("n") == 3)
                    #expect(found.map(\.count) == Array(repeating: 30, count: 20))
                    for (vector, results) in zip(vectors, found) {
                        #expect(results.first?.id == (vector[0] < 0 ? "3" : "293"))
                    }
                }
                // One call looks for numbers that are kept only nearly.
                #expect(made == ["QueryBatch": 1, "Count": 1, "Scroll": 1])
            }
        }

        @Test func aBatchThatHasToBeScoredHereIsReadOnce() async throws {
            try await withRecords(strict: ["max_query_limit": 100]) { repository in
                let vectors = (0..<20).map { [Float($0) - 9.5, 1, 0, 0] }
                let made = try await calls {
                    let found = try await repository.queryBatch(vectors, topK: 150)
                    #expect(found.map(\.count) == Array(repeating: 150, count: 20))
                    #expect(found.first?.map(\.id) == (0..<150).map { "\($0)" })
                    #expect(found.last?.map(\.id) == (150..<300).reversed().map { "\($0)" })
                }
                #expect(made == ["QueryBatch": 1, "Scroll": 3])
            }
        }

        @Test func tiesAtTheServersLimitAreBrokenById() async throws {
            let options = options { $0.search.exact = true }
            try await withRecords(options, strict: ["max_query_limit": 100]) { repository in
                let found = try await repository.query([0, 1, 0, 0], topK: 100).map(\.id)
                #expect(found == (0..<300).map { "\($0)" }.sorted().prefix(100).map { $0 })
            }
        }

        @Test(arguments: [true, false])
        func quantisedSearchesAreScoredByFullVectors(_ isQuantized: Bool) async throws {
            let options = options { if isQuantized { $0.collection.quantization = .scalar() } }
            try await withRecords(options) { repository in
                try await Server.control("/settings", ["capture": true])
                _ = try await repository.query([1, 0, 0, 0], topK: 3)
                let calls = try await Server.control("/captured").arrayValue ?? []
                let query = calls.first { $0.arrayValue?.first == "Query" }?.arrayValue?.last?.objectValue
                #expect(query?["params"] == (isQuantized ? ["quantization": ["rescore": true]] : nil))
            }
            try await Server.control("/reset", [:])
        }

        /// Records of 200 KB where a reply may have 1 MB.
        @Test func repliesThatAreTooLargeAreAskedForInParts() async throws {
            let options = options { $0.connection.maximumReplyBytes = 1 << 20 }
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service(options), metric: .dot) { repository in
                let text = String(repeating: "x", count: 200_000)
                let records = (0..<20).map { number in
                    VectorRecord(
                        id: "\(number)", vector: [Float(number), 1, 0, 0],
                        payload: ["n": .int(Int64(number)), "text": .string(text)])
                }
                for record in records { try await repository.upsert([record]) }
                #expect(try await repository.fetch().count == 20)
                #expect(try await repository.fetch(records.map(\.id)) == records)
                var scanned = 0
                for try await record in try repository.records(matching: .field("text") < "y") {
                    #expect(record.payload?["text"] == .string(text))
                    scanned += 1
                }
                #expect(scanned == 20)
                #expect(try await repository.query([1, 0, 0, 0], topK: 20).map(\.id) == records.reversed().map(\.id))
                let batch = try await repository.queryBatch([[1, 0, 0, 0], [-1, 0, 0, 0]], topK: 2)
                #expect(batch.map { $0.map(\.id) } == [["19", "18"], ["0", "1"]])

                let large = String(repeating: "x", count: 2_000_000)
                try await repository.upsert([
                    VectorRecord(id: "large", vector: [0, 1, 0, 0], payload: ["l": .string(large)])
                ])
                try await Server.control("/reset", [:])
                let error = await expect(.backend) { _ = try await repository.fetch(["large"]) }
                #expect(error?.message.contains("maximumReplyBytes") == true)
                #expect(try await Server.control("/calls").objectValue?["Get"] == 1)
            }
        }

        /// Beyond single precision the engine leaves records out, or cannot tell them apart.
        @Test(arguments: [(VectorMetric.l2, Float(5e18)), (.l2, 3e38), (.l2, 1e-19), (.dot, 3e37), (.dot, 1e-18)])
        func scoresBeyondSinglePrecisionAreRanked(_ metric: VectorMetric, _ length: Float) async throws {
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service(), metric: metric) { repository in
                let records = (0..<40).map { number in
                    VectorRecord(id: "\(number)", vector: [Float(number) / 40 * length, length / 4, 0, length / 2])
                }
                let here = try await AsyncVectorRepository(InMemoryVectorStore(), "here", dimension: 4, metric: metric)
                for repository in [repository, here] { try await repository.upsert(records) }
                for query in [[length, 0, 0, length], [-length, length, 0, 0]] {
                    for topK in [3, 40, 100] {
                        let found = try await repository.query(query, topK: topK)
                        let wanted = try await here.query(query, topK: topK)
                        #expect(found.map(\.id) == wanted.map(\.id), "\(topK)")
                        for (found, wanted) in zip(found, wanted) {
                            #expect(abs(found.score - wanted.score) <= abs(wanted.score) * 1e-4)
                        }
                    }
                }
            }
        }

        @Test func aRecordWhoseSumOverflowsBothWaysIsFound() async throws {
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service(), dimension: 2, metric: .dot) { repository in
                let vectors: [String: [Float]] = [
                    "both": [3e38, -3e38], "one": [1, 0], "less": [-1, 0], "least": [-2, 0], "far": [-3e38, -3e38],
                ]
                let records = vectors.map { VectorRecord(id: $0, vector: $1) }
                let here = try await AsyncVectorRepository(InMemoryVectorStore(), "here", dimension: 2, metric: .dot)
                for repository in [repository, here] { try await repository.upsert(records) }
                for query in [[3e38, 2.9e38], [3e38, 3e38], [2, 2], [-3e38, 1]] as [[Float]] {
                    let topK = query[1] == 2.9e38 ? 2 : 5
                    let found = try await repository.query(query, topK: topK)
                    let wanted = try await here.query(query, topK: topK)
                    #expect(found.map(\.id) == wanted.map(\.id), "\(query)")
                    #expect(found.map(\.score) == wanted.map(\.score), "\(query)")
                }
            }
        }

        @Test func distancesThatVanishAreTold() async throws {
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service(), dimension: 2, metric: .l2) { repository in
                let near = (0..<10).map { VectorRecord(id: "\($0)", vector: [Float(9 - $0) * 1e-24, 0]) }
                try await repository.upsert(near)
                let found = try await repository.query([0, 0], topK: 3)
                #expect(found.map(\.id) == ["9", "8", "7"])
                #expect(zip(found, [0, -1e-24, -2e-24] as [Float]).allSatisfy { abs($0.score - $1) < 1e-28 })
                #expect(try await repository.query([0, 0], topK: 3, minScore: 0).map(\.id) == ["9"])
                // Duplicates are ordinary, and no reason to read everything.
                try await repository.upsert((10..<20).map { VectorRecord(id: "\($0)", vector: [0, 1]) })
                let made = try await calls { () async throws in
                    #expect(try await repository.query([0, 1], topK: 5).map(\.score) == [0, 0, 0, 0, 0])
                }
                #expect(made == ["Query": 1, "Get": 1])
            }
        }

        @Test func aRightAngleIsZero() async throws {
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service(), dimension: 16) { repository in
                let records = (0..<40).map { number in
                    VectorRecord(
                        id: "\(number)",
                        vector: (0..<16).map { [1, -1, 0.5, -0.5][(number * ($0 + 3) + $0 / 3) % 4] })
                }
                let here = try await AsyncVectorRepository(InMemoryVectorStore(), "here", dimension: 16)
                for repository in [repository, here] { try await repository.upsert(records) }
                for query in records.prefix(8).map(\.vector) {
                    let found = try await repository.query(query, topK: 100, minScore: 0)
                    let wanted = try await here.query(query, topK: 100, minScore: 0)
                    #expect(Set(found.map(\.id)) == Set(wanted.map(\.id)))
                }
            }
        }

        @Test func batchesAreCutByBytes() async throws {
            let options = options { $0.write.batchBytes = 10_000 }
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service(options), metric: .dot) { repository in
                let text = String(repeating: "x", count: 900)
                let records = (0..<100).map { number in
                    VectorRecord(id: "\(number)", vector: [1, 0, 0, 0], payload: ["text": .string(text)])
                }
                // The text is sent twice: for filters, and to be given back.
                let made = try await calls { try await repository.upsert(records) }
                #expect((20...34).contains(made["Upsert"] ?? 0), "\(made)")
                #expect(try await repository.count() == 100)
                // A record that does not fit goes alone.
                let large = VectorRecord(
                    id: "large", vector: [1, 0, 0, 0],
                    payload: ["text": .string(text + String(repeating: "y", count: 20_000))])
                let more = try await calls { try await repository.upsert([large, records[0]]) }
                #expect(more == ["Upsert": 2])
            }
        }

        @Test func writesNeedNotBeWaitedFor() async throws {
            let options = options { $0.write.waits = false }
            try await Server.control("/reset", [:])
            try await Server.control("/settings", ["capture": true])
            try await Server.withCollection(Server.service(options), metric: .dot) { repository in
                try await repository.upsert(Self.records)
                while try await repository.count() < 300 { try await Task.sleep(for: .milliseconds(20)) }
                #expect(try await repository.delete(["1", "2"]) == 2)
                while try await repository.count() > 298 { try await Task.sleep(for: .milliseconds(20)) }
                let calls = try await Server.control("/captured").arrayValue ?? []
                for method in ["Upsert", "Delete"] {
                    let sent = calls.filter { $0.arrayValue?.first == .string(method) }
                    #expect(!sent.isEmpty)
                    // What is not so is left out of the message.
                    #expect(sent.allSatisfy { $0.arrayValue?.last?.objectValue?["wait"] == false })
                }
            }
            try await Server.control("/reset", [:])
        }
    }
}
#endif
