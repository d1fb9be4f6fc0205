// Our side of Benchmarks/pgvector/compare.py: reads a command a line, answers with a JSON object a line.
#if PgVector
import Foundation
import MiniORM
import MiniORMPgVector

/// Rows of float32 from a NumPy file, version 1.
func rows(_ path: String, dimension: Int) throws -> [[Float]] {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let start = 10 + Int(data[8]) + Int(data[9]) << 8
    return data.dropFirst(start).withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: 4 * dimension).map { row in
            (0..<dimension).map {
                Float(
                    bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: row + 4 * $0, as: UInt32.self))
                )
            }
        }
    }
}

func seconds(_ body: () async throws -> Void) async throws -> Double {
    let start = ContinuousClock.now
    try await body()
    let (whole, atto) = (ContinuousClock.now - start).components
    return Double(whole) + Double(atto) / 1e18
}

func answer(_ object: [String: Any]) throws {
    let line = try JSONSerialization.data(withJSONObject: object)
    FileHandle.standardOutput.write(line + Data("\n".utf8))
}

let arguments = CommandLine.arguments
let (address, folder, dimension) = (arguments[1], arguments[2], 384)
let vectors = try rows(folder + "/vectors.npy", dimension: dimension)
let queries = try rows(folder + "/queries.npy", dimension: dimension)
let lines = try String(contentsOfFile: folder + "/records.jsonl", encoding: .utf8).split(separator: "\n")
let records = try zip(lines, vectors).map { line, vector in
    let value = try PayloadValue(json: String(line))
    guard let members = value.objectValue, let id = members["id"]?.stringValue else {
        throw VectorStoreError(.invalidArgument, "a line of records.jsonl has no id")
    }
    return VectorRecord(id: id, vector: vector, payload: members["payload"]?.objectValue)
}
/// The same ids with other vectors and payloads, for upserts that change every row.
let others = records.map { record in
    VectorRecord(
        id: record.id, vector: record.vector.reversed(),
        payload: record.payload.map { $0.merging(["round": 1]) { $1 } })
}
var isChanged = false
let store = try PgVectorStore(address)
// The comparison asks for `new` first, which makes the collection.
let words = try VectorRepository(store, "bench_ours", dimension: dimension, autoCreate: false)
let concurrent = try await AsyncVectorRepository(
    OffloadedVectorStore(store, threads: 8), "bench_ours", dimension: dimension, autoCreate: false)

while let command = readLine() {
    switch command {
    case "new":
        try words.createCollection(overwrite: true)
        isChanged = false
        try answer(["seconds": try await seconds { try words.upsert(records) }])
    case "again":
        try answer(["seconds": try await seconds { try words.upsert(isChanged ? others : records) }])
    case "changed":
        isChanged.toggle()
        try answer(["seconds": try await seconds { try words.upsert(isChanged ? others : records) }])
    case "scan":
        var read = 0
        let taken = try await seconds {
            for record in try words.records() { read += try record.get().vector.isEmpty ? 0 : 1 }
        }
        try answer(["seconds": taken, "count": read])
    case "queries", "filtered":
        let filter: VectorFilter? = command == "filtered" ? ["pos": "verb"] : nil
        var times: [Double] = []
        var ids: [[String]] = []
        for query in queries {
            times.append(try await seconds { ids.append(try words.query(query, topK: 10, filter: filter).map(\.id)) })
        }
        try answer(["times": times, "ids": ids])
    case "concurrent":
        let next = Counter()
        let taken = try await seconds {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        while let index = await next.take(below: queries.count) {
                            _ = try await concurrent.query(queries[index], topK: 10)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        try answer(["seconds": taken])
    case let command where command.hasPrefix("index "):
        let effort = Int(command.dropFirst(6)) ?? 40
        try answer(["seconds": try await seconds { try store.createIndex("bench_ours", .hnsw(efSearch: effort)) }])
    case let command where command.hasPrefix("effort "):
        try store.setSearchEffort("bench_ours", Int(command.dropFirst(7)) ?? 40)
        try answer([:])
    default: try answer(["error": "unknown command"])
    }
}

actor Counter {
    private var value = 0
    func take(below end: Int) -> Int? {
        guard value < end else { return nil }
        defer { value += 1 }
        return value
    }
}
#else
print("build with --traits PgVector")
#endif
