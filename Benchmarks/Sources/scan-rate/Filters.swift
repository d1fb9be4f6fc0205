import Foundation
import MiniORM

/// A query with filters that match a part of the rows, beside one without.
func filters(_ vectors: Vectors, rows: Int) throws {
    let store = InMemoryVectorStore(threads: 1)
    let repository = try VectorRepository(store, "filters", dimension: vectors.dimension)
    let start = 0x9E37_79B9_7F4A_7C15 as UInt64
    for first in stride(from: 0, to: rows, by: 1000) {
        try repository.upsert(
            (first..<min(rows, first + 1000)).map { row in
                // Spread over the rows, so that those that match are not side by side.
                let number = Int(((UInt64(row) &+ 1) &* start) >> 40)
                return VectorRecord(
                    id: "row-\(row)", vector: vectors.row(row),
                    payload: [
                        "number": .int(Int64(number)), "percent": .int(Int64(number % 100)),
                        "kind": number % 2 == 0 ? "even" : "odd", "name": .string("name-\(number)"),
                        "list": [.int(Int64(number % 100))],
                    ])
            })
    }
    let all = 1 << 24
    let cases: [(String, VectorFilter?)] = [
        ("unfiltered", nil),
        ("range, 0.1 %", .field("number") < all / 1000),
        ("range, 1 %", .field("number") < all / 100),
        ("equal, 1 %", .field("percent") == 7),
        ("range, 10 %", .field("number") >= all * 9 / 10),
        ("range, 50 %", .field("number") >= all / 4 && .field("number") < all * 3 / 4),
        ("equal, 50 %", .field("kind") == "odd"),
        ("not, 99 %", .field("percent") != 7),
        ("and, 0.5 %", .field("percent") == 7 && .field("number") < all / 2),
        ("text, 1 row", .field("name") == "name-7"),
        ("evaluated, 1 %", .field("list") == [7]),
        ("evaluated, 99 %", .field("list") != [7]),
    ]
    for field in ["number", "percent", "kind", "name", "list"] as [FieldPath] {
        let time = try seconds { try store.indexFields([field], in: "filters") }
        let bytes = try store.fieldIndexes(in: "filters").first { $0.path == field }?.bytes ?? 0
        print(
            String(
                format: "index of %@: %.1f ms, %.1f bytes a row", field.description, time * 1e3,
                Double(bytes) / Double(rows)))
    }
    var times = [[Double]](repeating: [], count: cases.count)
    var counted = times
    var sum: Float = 0
    for round in 0..<61 {
        let query = vectors.row(rows + round)
        for (index, (_, filter)) in cases.enumerated() {
            times[index].append(
                try seconds { sum += try repository.query(query, topK: 10, filter: filter).first?.score ?? 0 })
            guard round < 9 else { continue }
            counted[index].append(try seconds { sum += Float(try repository.count(matching: filter)) })
        }
    }
    let base = median(times[0])
    for (index, (name, filter)) in cases.enumerated() {
        let time = median(times[index])
        print(
            String(
                format: "%@: query %.3f ms, %.1f times unfiltered; count %.3f ms; %d rows", name, time * 1e3,
                base / time,
                median(counted[index]) * 1e3, try repository.count(matching: filter)))
    }
    if sum.isNaN { print("not a number") }
}
