// What it takes to write a store, to keep it in a directory, and to open it.
//
//   swift run -c release store-rate DIRECTORY [rows] [dimension] [batch]     (1,000,000 x 384 in batches of 10,000)
//
// DIRECTORY is made, and removed at the end.
import Foundation
import MiniORM

func seconds(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let elapsed = try clock.measure(body).components
    return Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
}

func line(_ what: String, _ seconds: Double, bytes: Int = 0) {
    let rate = bytes > 0 ? String(format: "%10.2f GB/s", Double(bytes) / seconds / 1e9) : ""
    print(what.padding(toLength: 44, withPad: " ", startingAt: 0) + String(format: "%10.2f ms", seconds * 1e3) + rate)
}

let arguments = CommandLine.arguments
guard arguments.count > 1 else {
    print("usage: store-rate DIRECTORY [rows] [dimension] [batch]")
    exit(64)
}
let directory = arguments[1]
let rows = arguments.count > 2 ? Int(arguments[2]) ?? 1_000_000 : 1_000_000
let dimension = arguments.count > 3 ? Int(arguments[3]) ?? 384 : 384
let batch = arguments.count > 4 ? Int(arguments[4]) ?? 10_000 : 10_000
let bytes = rows * dimension * 4
let collection = CreateCollectionRequest(
    collection: CollectionDescription(name: "c", dimension: dimension, metric: .cosine))

var generator = SystemRandomNumberGenerator()
let batches = stride(from: 0, to: rows, by: batch).map { first in
    (first..<min(rows, first + batch)).map { row in
        var state = UInt64(row) &* 0x9E37_79B9_7F4A_7C15 | 1
        let vector = (0..<dimension).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int64(bitPattern: state) >> 40) / 0x1p23
        }
        return VectorRecord(id: "record-\(row)", vector: vector, payload: ["row": .int(Int64(row))])
    }
}

// Three times: the first takes memory that the system may have to find first, the others what was given back.
for _ in 0..<3 {
    // The same vectors, from the same places to new ones.
    let copying = seconds {
        let target = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        var offset = 0
        for batch in batches {
            for record in batch {
                record.vector.withUnsafeBytes { source in
                    if let base = source.baseAddress {
                        (target + offset).copyMemory(from: base, byteCount: source.count)
                    }
                    offset += source.count
                }
            }
        }
        target.deallocate()
    }
    line("copy of the vectors", copying, bytes: bytes)
    let store = InMemoryVectorStore()
    try store.createCollection(collection)
    let upserting = try seconds {
        for records in batches { try store.upsert(UpsertRequest(collection: "c", records: records)) }
    }
    line("upsert in memory", upserting, bytes: bytes)
    print(String(format: "  of the rate of the copy: %.2f", copying / upserting))
}

for synchronization in [Durability.Synchronization.never, .always] {
    try? FileManager.default.removeItem(atPath: directory)
    var durability = Durability()
    durability.synchronization = synchronization
    let store = try InMemoryVectorStore(at: directory, durability: durability)
    try store.createCollection(collection)
    let upserting = try seconds {
        for records in batches { try store.upsert(UpsertRequest(collection: "c", records: records)) }
    }
    line("upsert in a directory, \(synchronization)", upserting, bytes: bytes)
    line("  close, with a checkpoint", try seconds { try store.close() })
}

func files() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).map { directory + "/" + $0 }
}

func readAll() throws -> Int {
    var total = 0
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { buffer.deallocate() }
    for path in try files() {
        let descriptor = open(path, O_RDONLY)
        while case let count = read(descriptor, buffer, 1 << 20), count > 0 { total += count }
        close(descriptor)
    }
    return total
}

func forgetPages() throws {
    for path in try files() {
        let descriptor = open(path, O_RDONLY)
        #if os(Linux)
        fsync(descriptor)
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
        #endif
        close(descriptor)
    }
}

for pages in ["in the page cache", "on the disk"] {
    var total = 0
    if pages == "on the disk" { try forgetPages() }
    let reading = try seconds { total = try readAll() }
    line("read all files, \(pages)", reading, bytes: total)
    if pages == "on the disk" { try forgetPages() }
    var store: InMemoryVectorStore?
    let opening = try seconds { store = try InMemoryVectorStore(at: directory) }
    line("open", opening)
    print(String(format: "  of the time to read the files: %.4f", opening / reading))
    if let store {
        let fetch = FetchRequest(collection: "c", ids: ["record-\(rows / 3)"])
        line("  first fetch by id", try seconds { _ = try store.fetch(fetch) })
        line("  second fetch by id", try seconds { _ = try store.fetch(fetch) })
        let request = QueryRequest(collection: "c", vector: batches[0][0].vector)
        line("  first query", try seconds { _ = try store.query(request) }, bytes: bytes)
        line("  second query", try seconds { _ = try store.query(request) }, bytes: bytes)
        let one = UpsertRequest(collection: "c", records: [batches[0][0]])
        line("  first upsert of one", try seconds { try store.upsert(one) })
        line("  another upsert of one", try seconds { try store.upsert(one) })
        try store.close()
    }
}
try FileManager.default.removeItem(atPath: directory)
