// CPU seconds that this library's client takes for the calls named below; see ../../run.
import Foundation
import MiniORM
import MiniORMQdrant

/// Seconds of this process on all its threads, in user and in kernel mode.
func cpu() -> Double {
    var usage = rusage()
    #if canImport(Glibc)
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    #else
    getrusage(RUSAGE_SELF, &usage)
    #endif
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

struct SplitMix {
    var state: UInt64
    mutating func float() -> Float {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return Float((value ^ value >> 31) >> 40) / Float(1 << 24) - 0.5
    }
}

func vectors(_ count: Int, _ dimension: Int, seed: UInt64) -> [[Float]] {
    var random = SplitMix(state: seed)
    return (0..<count).map { _ in (0..<dimension).map { _ in random.float() } }
}

let dimension = 384
let records = vectors(20_000, dimension, seed: 1).enumerated().map { number, vector in
    VectorRecord(
        id: "record-\(number)", vector: vector,
        payload: [
            "pos": "verb", "links": .int(Int64(number % 10)), "definition": "a definition of some forty characters",
        ])
}
let wanted = vectors(1_000, dimension, seed: 2)
let url = CommandLine.arguments[1]

func measure(_ name: String, _ body: @Sendable () async throws -> Void) async throws {
    let start = cpu()
    try await body()
    print(name, cpu() - start)
}

func check(_ answers: [VectorSearchResult]) {
    guard answers.count == 10 else { fatalError("\(answers.count) answers") }
}

/// Not at the top level, which runs on the main thread: each call would be woken up there too.
func run(_ url: String, _ records: [VectorRecord], _ wanted: [[Float]], _ dimension: Int) async throws {
    let store = try QdrantVectorStore(url: url)
    let repository = try await AsyncVectorRepository(store, "benchmark-ours", dimension: dimension, overwrite: true)
    try await measure("upsert") { try await repository.upsert(records) }
    try await measure("query") { for vector in wanted { check(try await repository.query(vector, topK: 10)) } }
    try await measure("query-8") {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<8 {
                group.addTask {
                    for vector in wanted[(lane * wanted.count / 8)..<((lane + 1) * wanted.count / 8)] {
                        check(try await repository.query(vector, topK: 10))
                    }
                }
            }
            try await group.waitForAll()
        }
    }
    try await measure("batch") {
        for start in stride(from: 0, to: wanted.count, by: 100) {
            for answers in try await repository.queryBatch(Array(wanted[start..<start + 100]), topK: 10) {
                check(answers)
            }
        }
    }
    try await measure("scroll") {
        var read = 0
        for try await record in try repository.records(pageSize: 1_000) { read += record.vector.count / dimension }
        guard read == records.count else { fatalError("\(read) records") }
    }
    try await repository.dropCollection()
    try await store.close()
}

try await Task.detached { [url, records, wanted, dimension] in
    try await run(url, records, wanted, dimension)
}.value
