#if Qdrant
import Foundation
import MiniORM
import Testing

@testable import MiniORMQdrant

extension ServerTests {
    /// What goes over the wire, against the official Python client and its stubs.
    @Suite struct WireTests {
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
                // The answers' number of doubles that are kept only nearly is asked for before a filter with numbers.
                let smooth: (PayloadValue) -> Bool = { call in
                    call.arrayValue?.first != "Count" || !call.json().contains("__miniorm.rough")
                }
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
                // Before a deletion this library asks which records there are.
                let compared = ours.enumerated().filter { $0.offset != 5 }.map(\.element)
                #expect(theirs.count == 6)
                #expect(compared.count == theirs.count)
                for (lhs, rhs) in zip(compared, theirs) { #expect(lhs.json() == rhs.json()) }
            }
        }
    }
}
#endif
