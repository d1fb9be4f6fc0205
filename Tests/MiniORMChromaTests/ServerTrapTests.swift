#if Chroma
import Foundation
import MiniORM
import MiniORMChroma
import Testing

/// What this server does differently, on the real one.
struct ServerTrapTests {
    private func open(
        _ store: ChromaVectorStore, _ name: String, metric: VectorMetric = .cosine
    ) async throws -> AsyncVectorRepository {
        try await AsyncVectorRepository(store, "trap-\(name)", dimension: 3, metric: metric, overwrite: true)
    }

    @Test("a key of an earlier version of a record matches nothing, and hides nothing")
    func mergedMetadata() async throws {
        let records = try await open(try ChromaServer.store(), "merge")
        try await records.upsert([VectorRecord(id: "a", vector: [1, 0, 0], payload: ["k": "v", "n": 5])])
        try await records.upsert([VectorRecord(id: "a", vector: [1, 0, 0], payload: ["other": 1])])
        #expect(try await records.count(matching: ["k": "v"]) == 0)
        #expect(try await records.count(matching: .field("n") > 1) == 0)
        #expect(try await records.count(matching: .field("k") != "v") == 1)
        #expect(try await records.query([1, 0, 0], filter: .field("n") >= 5).isEmpty)
        #expect(try await records.query([1, 0, 0], filter: .field("k") != "v").map(\.id) == ["a"])
        try await records.upsert([VectorRecord(id: "a", vector: [1, 0, 0])])
        #expect(try await records.fetch(["a"]).first?.payload == nil)
    }

    @Test("a fractional bound is not truncated against integers")
    func fractions() async throws {
        let records = try await open(try ChromaServer.store(), "fraction")
        try await records.upsert(
            (0..<4).map { VectorRecord(id: "\($0)", vector: [1, 0, 0], payload: ["n": .int($0)]) })
        #expect(try await records.count(matching: .field("n") >= 1.5) == 2)
        #expect(try await records.count(matching: .field("n") == 1.5) == 0)
        #expect(try await records.count(matching: .field("n") < 1.5) == 2)
        #expect(try await records.count(matching: .field("n").in([1.0, 2.5])) == 1)
    }

    @Test("a double is matched exactly, though the server's reader of doubles is not")
    func doubles() async throws {
        let records = try await open(try ChromaServer.store(), "double")
        var generator = SystemRandomNumberGenerator()
        let values = (0..<300).map { _ in Double(bitPattern: generator.next()) }.filter(\.isFinite)
        try await records.upsert(
            values.enumerated().map { VectorRecord(id: "\($0)", vector: [1, 0, 0], payload: ["x": .double($1)]) })
        for value in values.prefix(20) {
            #expect(try await records.count(matching: .field("x") == value) == values.count { $0 == value }, "\(value)")
            #expect(try await records.count(matching: .field("x") > value) == values.count { $0 > value }, "\(value)")
        }
    }

    @Test("deleting counts what was there")
    func deletes() async throws {
        let records = try await open(try ChromaServer.store(), "delete")
        try await records.upsert([VectorRecord(id: "a\n", vector: [1, 0, 0])])
        #expect(try await records.delete(["a\n", "nobody", "a\n"]) == 1)
        #expect(try await records.delete(["a\n"]) == 0)
    }

    @Test("very short and very long vectors keep their cosine and come back")
    func extremes() async throws {
        let records = try await open(try ChromaServer.store(), "extreme")
        let vectors: [[Float]] = [
            [3e38, 3e38, 3e38], [1e-30, 2e-30, 0], [0x1p-133, 0, 0], [0, 0, 0], [-5, 2, 1e-3],
        ]
        try await records.upsert(vectors.enumerated().map { VectorRecord(id: "\($0)", vector: $1) })
        let found = try await records.fetch()
        for (record, vector) in zip(found, vectors) {
            #expect(zip(record.vector, vector).allSatisfy { abs($0 - $1) <= abs($1) * 1e-6 }, "\(record)")
        }
        let hits = try await records.query([1e-35, 2e-35, 0])
        #expect(hits.count == 5 && hits[0].id == "1" && abs(hits[0].score - 1) < 1e-6)
        #expect(hits.first { $0.id == "3" }?.score == 0)
    }

    /// Vectors of any length, in any direction, in which the answer of the embedded store is known.
    @Test(
        "scores that the server's arithmetic loses are ranked all the same",
        arguments: [
            (VectorMetric.dot, Float(0.001)), (.dot, 1e-5), (.dot, 1e-15), (.dot, 1e18), (.l2, 1e-20), (.l2, 3e18),
            (.l2, 5e18),
        ])
    func coarseScores(_ metric: VectorMetric, _ length: Float) async throws {
        let store = try ChromaServer.store()
        let vectors = (0...300).map { row in (0..<8).map { Float(sin(Double(row * 8 + $0) * 78.233)) * length } }
        let query = vectors[300]
        let records = vectors.prefix(300).enumerated().map {
            VectorRecord(id: "\($0)", vector: $1, payload: ["n": .int(Int64($0))])
        }
        let name = "trap-coarse-\(metric)-\(length.exponent)"
        let there = try await AsyncVectorRepository(store, name, dimension: 8, metric: metric, overwrite: true)
        let here = try await AsyncVectorRepository(InMemoryVectorStore(), name, dimension: 8, metric: metric)
        for repository in [there, here] { try await repository.upsert(records) }
        for filter in [nil, VectorFilter.field("n") < 100] {
            for topK in [1, 5, 200] {
                let found = try await there.query(query, topK: topK, filter: filter)
                let wanted = try await here.query(query, topK: topK, filter: filter)
                #expect(found.map(\.id) == wanted.map(\.id), "\(topK)")
                for (found, wanted) in zip(found, wanted) {
                    #expect(abs(found.score - wanted.score) <= abs(wanted.score) * 1e-4)
                }
            }
        }
    }

    @Test("vectors that are no distance from a query need no further look", arguments: [Float(0), 1])
    func duplicates(_ component: Float) async throws {
        let records = try await open(try ChromaServer.store(), "duplicates-\(Int(component))", metric: .l2)
        try await records.upsert((0..<20).map { VectorRecord(id: "\($0)", vector: [1, component, 2]) })
        try await records.upsert([VectorRecord(id: "near", vector: [1, component, 2.5])])
        let found = try await records.query([1, component, 2], topK: 5)
        #expect(found.map(\.score) == [0, 0, 0, 0, 0])
        #expect(try await records.query([1, component, 2], topK: 21).last?.id == "near")
    }

    @Test("another client's collections are neither listed, described, opened, overwritten nor dropped")
    func foreignCollections() async throws {
        _ = try await ChromaServer.send("DELETE", "/collections/trap-foreign")
        let created = try await ChromaServer.send("POST", "/collections", #"{"name":"trap-foreign"}"#)
        #expect(created.status == 200)
        let store = try ChromaServer.store()
        #expect(try await !store.listCollections().contains("trap-foreign"))
        #expect(try await store.describeCollection("trap-foreign") == nil)
        for (overwrite, code) in [(false, VectorStoreError.Code.collectionMismatch), (true, .collectionAlreadyExists)] {
            let error = await #expect(throws: VectorStoreError.self) {
                _ = try await AsyncVectorRepository(store, "trap-foreign", dimension: 3, overwrite: overwrite)
            }
            #expect(error?.code == code)
        }
        await #expect(throws: VectorStoreError.self) { try await store.dropCollection("trap-foreign") }
        #expect(try await ChromaServer.send("GET", "/collections/trap-foreign").status == 200)
        _ = try await ChromaServer.send("DELETE", "/collections/trap-foreign")
    }

    @Test("a collection that was dropped and created by somebody else is looked up again")
    func staleIDs() async throws {
        let first = try ChromaServer.store(), second = try ChromaServer.store()
        let records = try await open(first, "stale")
        try await records.upsert([VectorRecord(id: "a", vector: [1, 0, 0])])
        _ = try await open(second, "stale")
        try await records.upsert([VectorRecord(id: "b", vector: [1, 0, 0])])
        #expect(try await records.fetch().map(\.id) == ["b"])
        _ = try await open(second, "stale", metric: .l2)
        let error = await #expect(throws: VectorStoreError.self) {
            try await records.upsert([VectorRecord(id: "c", vector: [1, 0, 0])])
        }
        #expect(error?.code == .collectionMismatch)
    }

    @Test("a filter of thousands of terms does not reach the server, and answers")
    func hugeFilters() async throws {
        let records = try await open(try ChromaServer.store(), "huge")
        try await records.upsert(
            (0..<10).map { VectorRecord(id: "\($0)", vector: [1, 0, 0], payload: ["n": .int($0)]) })
        let any = VectorFilter.or((5..<20_000).map { .field("n") == .int(Int64($0)) })
        #expect(try await records.count(matching: any) == 5)
        #expect(try await records.query([1, 0, 0], topK: 3, filter: any).count == 3)
        #expect(try await records.count(matching: .field("n").in((5..<20_000).map { .int(Int64($0)) })) == 5)
    }

    @Test("a rare filter returns as many as match")
    func rareFilter() async throws {
        let store = try ChromaServer.store()
        let records = try await AsyncVectorRepository(store, "trap-rare", dimension: 8, overwrite: true)
        try await records.upsert(
            (0..<3_000).map { index in
                VectorRecord(
                    id: "\(index)", vector: (0..<8).map { _ in Float.random(in: -1...1) },
                    payload: ["rare": .bool(index % 100 == 0), "tags": index % 150 == 0 ? ["x"] : []])
            })
        #expect(try await records.query(Array(repeating: 1, count: 8), topK: 50, filter: ["rare": true]).count == 30)
        #expect(
            try await records.query(Array(repeating: 1, count: 8), topK: 50, filter: .field("tags").contains("x")).count
                == 20)
        #expect(
            try await records.query(Array(repeating: 1, count: 8), topK: 4_000, filter: .field("rare") != true).count
                == 2_970)
    }

    @Test("the plan says what the server evaluates")
    func explain() async throws {
        let records = try await open(try ChromaServer.store(), "explain")
        let plan = try await records.explain(.field("pos") == "verb" && .field("gone") != 1)
        #expect(plan.native == #"{"$or":[{"/pos":{"$eq":"verb"}},{"partial":{"$eq":"yes"}}]}"#)
        #expect(plan.pushedDown == (.field("pos") == "verb"))
        #expect(plan.finished != nil)
    }
}
#endif
