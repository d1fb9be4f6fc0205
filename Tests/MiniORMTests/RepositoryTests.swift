import MiniORM
import Testing

@Suite struct RepositoryTests {
    @Test func contractExample() throws {
        let store = InMemoryVectorStore()
        let users = try VectorRepository(store, "users", dimension: 3, metric: .cosine)
        try users.upsert([VectorRecord(id: "u1", vector: [0.1, 0.2, 0.3], payload: ["name": "alice"])])
        let hits = try users.query([0.1, 0.2, 0.25], topK: 2, filter: ["name": "alice"])
        #expect(hits.map(\.id) == ["u1"])
        #expect(try users.records().map { try $0.get().id } == ["u1"])
        let filter: VectorFilter = .field("name") == "alice" && !(.field("age") > 3) || .field("x").in(["a", 1])
        #expect(try users.count(matching: filter) == 1)
        do { try users.upsert([VectorRecord(id: "a", vector: [1])]) } catch VectorStoreError.Code.invalidVector {
        } catch { Issue.record(error) }
    }

    @Test func contractExampleInTasks() async throws {
        let users = try await AsyncVectorRepository(InMemoryVectorStore(), "users", dimension: 3, metric: .cosine)
        try await users.upsert([VectorRecord(id: "u1", vector: [0.1, 0.2, 0.3], payload: ["name": "alice"])])
        let hits = try await users.query([0.1, 0.2, 0.25], topK: 2, filter: ["name": "alice"])
        #expect(hits.map(\.id) == ["u1"])
        var ids: [String] = []
        for try await record in try users.records() { ids.append(record.id) }
        #expect(ids == ["u1"])
    }
}
