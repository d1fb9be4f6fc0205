import MiniORM

// A collection of vectors with a typed payload, and a filtered search.

struct User: Codable {
    var name: String
    var age: Int
    var email: String?
}

let store = InMemoryVectorStore()
let users = try VectorRepository(store, "users", dimension: 3, metric: .cosine)
try users.upsert([
    VectorRecord(id: "u1", vector: [0.1, 0.2, 0.3], encoding: User(name: "alice", age: 42, email: "alice@b.example")),
    VectorRecord(id: "u2", vector: [0.9, 0.1, 0.0], encoding: User(name: "bob", age: 17)),
])

for hit in try users.query([0.1, 0.2, 0.25], topK: 2, filter: .field("age") >= 18) {
    let user = try hit.decodePayload(as: User.self)
    print(hit.id, hit.score, user.name, user.email ?? "no address")
}
