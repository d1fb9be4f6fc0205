#if Chroma
// One turn of the comparison with the official Python client, which `compare` runs in turns with this one:
//   chroma-rate URL DATA turn         upserts, queries, prints a line of JSON
//   chroma-rate URL DATA truth        compares answers with truth.json, exact and from the index
import Foundation
import MiniORM
import MiniORMChroma

struct Failure: Error { var text: String }

func array(_ file: String, _ width: Int) throws -> [[Float]] {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
    let header = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
    let floats = bytes[header...].withUnsafeBytes { raw in
        (0..<raw.count / 4).map {
            Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)))
        }
    }
    return stride(from: 0, to: floats.count, by: width).map { Array(floats[$0..<$0 + width]) }
}

/// User and system time of this process, in seconds.
func cpu() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
}

/// Not at the top level, which runs on the main thread: each call would be woken up there too.
@Sendable func turn(_ store: ChromaVectorStore, _ records: [VectorRecord], _ queries: [[Float]]) async throws {
    let clock = ContinuousClock()
    let words = try await AsyncVectorRepository(store, "bench-swift", dimension: 384, overwrite: true)
    var (start, used) = (clock.now, cpu())
    try await words.upsert(records)
    let rate = Double(records.count) / seconds(clock.now - start), upsertCPU = cpu() - used
    for query in queries.prefix(20) { _ = try await words.query(query) }
    used = cpu()
    var times: [Double] = []
    for query in queries {
        start = clock.now
        _ = try await words.query(query)
        times.append(seconds(clock.now - start))
    }
    let queryCPU = (cpu() - used) / Double(queries.count)
    times.sort()
    print(
        "{\"rate\":\(rate),\"upsert_cpu\":\(upsertCPU),\"p50\":\(times[times.count / 2] * 1e3),\"query_cpu\":\(queryCPU * 1e3)}"
    )
}

guard CommandLine.arguments.count == 4 else { throw Failure(text: "chroma-rate URL DATA turn|truth") }
let (url, data, mode) = (CommandLine.arguments[1], CommandLine.arguments[2], CommandLine.arguments[3])
let vectors = try array("\(data)/vectors.npy", 384), queries = try array("\(data)/queries.npy", 384)
let lines = try String(contentsOfFile: "\(data)/records.jsonl", encoding: .utf8).split(separator: "\n")
let records = try zip(lines, vectors).map { line, vector in
    let members = try PayloadValue(json: String(line)).objectValue ?? [:]
    return VectorRecord(id: members["id"]?.stringValue ?? "", vector: vector, payload: members["payload"]?.objectValue)
}
let store = try ChromaVectorStore(url: url)

if mode == "turn" {
    try await Task.detached { [store, records, queries] in try await turn(store, records, queries) }.value
} else {
    let truth = try PayloadValue(json: String(contentsOfFile: "\(data)/truth.json", encoding: .utf8)).objectValue ?? [:]
    func ids(_ value: PayloadValue) -> [String] {
        (value.arrayValue ?? []).compactMap { $0.arrayValue?.first?.stringValue }
    }
    func scores(_ value: PayloadValue) -> [Double] {
        (value.arrayValue ?? []).compactMap { $0.arrayValue?.last?.doubleValue }
    }
    for metric in VectorMetric.allCases {
        let name = "bench-truth-\(metric)"
        let index = try await AsyncVectorRepository(store, name, dimension: 384, metric: metric, overwrite: true)
        try await index.upsert(records)
        var configuration = try ChromaConfiguration(url: url)
        configuration.isExact = true
        let exact = try await AsyncVectorRepository(
            try ChromaVectorStore(configuration), name, dimension: 384, metric: metric)
        let expected = truth[metric.rawValue]?.arrayValue ?? []
        var found = 0, wrong = 0, worst = 0.0
        let answers = try await exact.queryBatch(Array(queries.prefix(expected.count)))
        for (position, expected) in expected.enumerated() {
            let known = Set(ids(expected))
            found += try await index.query(queries[position]).count { known.contains($0.id) }
            if answers[position].map(\.id) != ids(expected) { wrong += 1 }
            for (hit, score) in zip(answers[position], scores(expected)) {
                worst = max(worst, abs(Double(hit.score) - score))
            }
        }
        print(
            "\(metric): recall \(Double(found) / Double(expected.count * 10)), exact answers that differ: \(wrong) of \(expected.count), largest score difference \(worst)"
        )
    }
}
#else
print("build with --traits Chroma")
#endif
