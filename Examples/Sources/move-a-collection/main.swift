import Foundation
import MiniORM

// A collection that outlives the program, and its move to another store. Any two stores will do: only the lines that
// make them know which engine they are.

let directory = FileManager.default.temporaryDirectory.appendingPathComponent("words-\(UUID().uuidString)").path
defer { try? FileManager.default.removeItem(atPath: directory) }

let source = InMemoryVectorStore()
let words = try VectorRepository(source, "words", dimension: 2, metric: .l2)
try words.upsert(
    (0..<2500).map { number in
        VectorRecord(
            id: "w\(number)", vector: [Float(number), 1],
            payload: ["even": .bool(number.isMultiple(of: 2)), "number": .int(Int64(number))])
    })

let target = try InMemoryVectorStore(at: directory)
let description = try words.describe()
let copy = try VectorRepository(
    target, description.name, dimension: description.dimension, metric: description.metric)

// Memory holds a page, whatever the size of the collection.
var page: [VectorRecord] = []
for element in try words.records(matching: .field("even") == true) {
    page.append(try element.get())
    if page.count == 500 {
        try copy.upsert(page)
        page.removeAll()
    }
}
try copy.upsert(page)
print("moved \(try copy.count()) of \(try words.count()) records")

// What has returned is on the disk; the next program finds it.
try target.close()
let again = try InMemoryVectorStore(at: directory)
let found = try VectorRepository(again, "words", dimension: 2, metric: .l2).query([7.2, 1], topK: 2)
print(found.map(\.id))
