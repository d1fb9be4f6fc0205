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
let count = 20_000
let queries = 1_000
let records = vectors(count, dimension, seed: 1).enumerated().map { number, vector in
    VectorRecord(
        id: "record-\(number)", vector: vector,
        payload: [
            "pos": "verb", "links": .int(Int64(number % 10)), "definition": "a definition of some forty characters",
        ])
}
let wanted = vectors(queries, dimension, seed: 2)

let store = try QdrantVectorStore(url: CommandLine.arguments[1])
let repository = try await AsyncVectorRepository(store, "benchmark-ours", dimension: dimension, overwrite: true)

func measure(_ name: String, _ body: () async throws -> Void) async throws {
    let start = cpu()
    try await body()
    print(name, cpu() - start)
}

try await measure("upsert") { try await repository.upsert(records) }
try await measure("query") {
    for vector in wanted {
        let answers = try await repository.query(vector, topK: 10)
        guard answers.count == 10 else { fatalError("\(answers.count) answers") }
    }
}
try await measure("scroll") {
    var read = 0
    for try await record in try repository.records(pageSize: 1_000) { read += record.vector.count / dimension }
    guard read == count else { fatalError("\(read) records") }
}
try await repository.dropCollection()
try await store.close()
