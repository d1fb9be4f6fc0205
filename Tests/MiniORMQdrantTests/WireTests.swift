#if Qdrant
import Foundation
import MiniORM
import Testing

@testable import MiniORMQdrant

extension ServerTests {
    /// What goes over the wire, against the official Python client and its stubs.
    @Suite(.onTheService) struct WireTests {
        private var package: URL {
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
        }

        private func python(_ arguments: String...) throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: try Server.python)
            process.arguments = arguments
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }

        @Test func theProtocolIsThatOfTheOfficialStubs() throws {
            try python(
                package.appending(path: "Tests/Services/qdrant_proto_check.py").path,
                package.appending(path: "Sources/MiniORMQdrant/Generated/qdrant.proto").path)
        }

        private func captured() async throws -> [PayloadValue] {
            try await Server.control("/captured").arrayValue ?? []
        }

        @Test func requestsAreThoseOfTheOfficialClient() async throws {
            try await Server.control("/reset", [:])
            let options = {
                var options = QdrantOptions(); options.search.exact = true; return options
            }()
            let store = try Server.service(options)
            try await Server.withCollection(store, dimension: 3, metric: .dot) { repository in
                let name = try await repository.describe().name
                let filter: VectorFilter = .field("pos") == "verb" && .field("links") >= 5
                // Before a filter with numbers goes out, doubles that are kept only nearly are looked for.
                let smooth: (PayloadValue) -> Bool = { !$0.json().contains("__miniorm.rough") }
                try await Server.control("/settings", ["capture": true])
                try await repository.upsert([
                    VectorRecord(
                        id: "a", vector: [0.5, -1.5, 2],
                        payload: [
                            "pos": "verb", "links": 7, "ratio": 0.5, "flag": true, "words": ["a", "b"],
                            "inner": ["x": 1],
                        ])
                ])
                // Asks for one more than topK.
                _ = try await repository.query([1, 0, 0.25], topK: 2, filter: filter)
                for try await _ in try repository.records(matching: filter, pageSize: 100) {}
                _ = try await repository.fetch(["a"])
                _ = try await repository.count(matching: filter)
                _ = try await repository.delete(["a"])
                let ours = try await captured().filter(smooth)

                try await Server.control("/reset", [:])
                try await Server.control("/settings", ["capture": true])
                let port = try #require(URL(string: try Server.serviceURL)?.port)
                try python(
                    package.appending(path: "Tests/Services/qdrant_wire_calls.py").path, "\(port)", name)
                let theirs = try await captured()
                try await Server.control("/reset", [:])
                // This library counts what a short answer should have, and asks what there is before it deletes.
                let compared = ours.enumerated().filter { ![2, 6].contains($0.offset) }.map(\.element)
                #expect(theirs.count == 6)
                #expect(compared.count == theirs.count)
                for (lhs, rhs) in zip(compared, theirs) { #expect(lhs.json() == rhs.json()) }
            }
        }

        /// What is sent about collections and for many points at once; this library makes other calls between.
        @Test func requestsAboutCollectionsAreThoseOfTheOfficialClient() async throws {
            try await Server.control("/reset", [:])
            var options = QdrantOptions()
            options.search.exact = true
            options.collection.shards = 2
            options.collection.replicationFactor = 1
            options.collection.hnswM = 8
            options.collection.hnswEfConstruct = 64
            options.collection.vectorsOnDisk = true
            options.collection.quantization = .scalar(quantile: 0.75, alwaysInMemory: true)
            options.collection.tenantField = "pos"
            options.collection.payloadIndexes = [.init("links", .number), .init("flag", .bool)]
            let name = "wire-\(UInt32.random(in: 0 ... .max))"
            try await Server.control("/settings", ["capture": true])
            try await Server.withCollection(
                Server.service(options), dimension: 3, metric: .dot, name: name
            ) { repository in
                _ = try await repository.listCollections()
                let filter: VectorFilter = .field("pos") == "verb" && .field("links") >= 5
                _ = try await repository.queryBatch([[1, 0, 0.25], [0, 1, 0]], topK: 2, filter: filter)
                try await repository.upsert([
                    VectorRecord(id: "a", vector: [0.5, -1.5, 2], payload: ["pos": "verb", "links": 7])
                ])
                #expect(try await repository.delete(matching: filter) == 1)
            }
            let ours = try await captured()
            let create = ours.first { $0.arrayValue?.first == "Collections.Create" }
            let mark = create?.arrayValue?.last?.objectValue?["metadata"]?.objectValue?["miniorm"]
            let fields = mark?.objectValue?["struct_value"]?.objectValue?["fields"]?.objectValue
            let creation = try #require(fields?["creation"]?.objectValue?["string_value"]?.stringValue)

            try await Server.control("/reset", [:])
            try await Server.control("/settings", ["capture": true])
            let port = try #require(URL(string: try Server.serviceURL)?.port)
            try python(
                package.appending(path: "Tests/Services/qdrant_wire_calls.py").path, "\(port)", name, creation)
            let theirs = try await captured()
            try await Server.control("/reset", [:])
            #expect(theirs.count == 11)
            let sent = ours.map { $0.json() }
            for call in theirs {
                #expect(sent.contains(call.json()), "\(call.json())\nis not in\n\(sent.joined(separator: "\n"))")
            }
        }
    }
}
#endif
