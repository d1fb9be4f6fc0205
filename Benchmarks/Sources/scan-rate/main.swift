// How near an exact query comes to the rate at which the same core reads memory, and what a million records take.
//
//   swift run -c release scan-rate VECTORS.npy [rows]          the rates (100,000 rows unless said otherwise)
//   swift run -c release scan-rate memory VECTORS.npy [rows]   the memory (1,000,000 rows)
//   swift run -c release scan-rate filter VECTORS.npy [rows]   what filters cost (117,659 rows)
//
// VECTORS.npy holds float32 vectors. More rows are made from them with seeded noise.
import CStreamRate
import Foundation
import MiniORM

struct Vectors {
    let dimension: Int
    let floats: [Float]
    var count: Int { floats.count / dimension }

    /// A NumPy file, version 1, little-endian float32, two dimensions.
    init?(npy path: String) {
        guard let data = FileManager.default.contents(atPath: path), data.count > 10 else { return nil }
        let headerEnd = 10 + Int(data[8]) + Int(data[9]) << 8
        guard data.count > headerEnd, let header = String(data: data[10..<headerEnd], encoding: .ascii),
            header.contains("'<f4'"), let open = header.lastIndex(of: "("), let close = header.lastIndex(of: ")")
        else { return nil }
        let shape = header[header.index(after: open)..<close].split(separator: ",")
            .compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        guard shape.count == 2, data.count == headerEnd + shape[0] * shape[1] * 4 else { return nil }
        dimension = shape[1]
        floats = data[headerEnd...].withUnsafeBytes { bytes in
            (0..<shape[0] * shape[1]).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
        }
    }

    /// Row `index` of as many as are asked for: beyond the file's own, with noise.
    func row(_ index: Int) -> [Float] {
        let start = index % count * dimension
        var row = Array(floats[start..<start + dimension])
        if index < count { return row }
        var state = UInt64(index) &* 0x9E37_79B9_7F4A_7C15
        for component in row.indices {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            row[component] += Float(Int64(bitPattern: state) >> 40) / 0x1p23 * 0.02
        }
        return row
    }
}

func seconds(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let elapsed = try clock.measure(body).components
    return Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

/// Resident memory in bytes.
func residentBytes() -> Int {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return 0 }
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
}

func fill(_ repository: VectorRepository, _ vectors: Vectors, _ rows: Int) throws {
    for start in stride(from: 0, to: rows, by: 1000) {
        try repository.upsert(
            (start..<min(rows, start + 1000)).map { VectorRecord(id: "row-\($0)", vector: vectors.row($0)) })
    }
}

func rates(_ vectors: Vectors, rows: Int) throws {
    let store = InMemoryVectorStore(threads: 1)
    let gigabytes = Double(rows * vectors.dimension * 4) / 1e9
    let count = rows * vectors.dimension / 128 * 128
    guard let stream = stream_memory(count) else { return }
    for row in 0..<count / vectors.dimension {
        for (index, component) in vectors.row(row).enumerated() { stream[row * vectors.dimension + index] = component }
    }
    for metric in VectorMetric.allCases {
        let repository = try VectorRepository(store, metric.rawValue, dimension: vectors.dimension, metric: metric)
        try fill(repository, vectors, rows)
        var streamed: [Double] = [], queried: [Double] = []
        var sum: Float = 0
        for round in 0..<41 {
            streamed.append(seconds { sum += stream_sum(stream, count) })
            let query = vectors.row(rows + round)
            queried.append(try seconds { sum += try repository.query(query, topK: 10)[0].score })
        }
        let batch = (0..<256).map { vectors.row(rows + $0) }
        var batched: [Double] = []
        for _ in 0..<3 { batched.append(try seconds { sum += try repository.queryBatch(batch, topK: 10)[0][0].score }) }
        let (read, query) = (gigabytes / median(streamed), gigabytes / median(queried))
        print(
            String(
                format:
                    "%@: read %.1f GB/s, query %.1f GB/s (%.2f ms), ratio %.2f; best of each %.1f, %.1f, ratio %.2f; "
                    + "batch of 256: %.1f ms, %.0f queries/s",
                metric.rawValue, read, query, median(queried) * 1e3, query / read,
                gigabytes / (streamed.min() ?? 1), gigabytes / (queried.min() ?? 1),
                (streamed.min() ?? 1) / (queried.min() ?? 1), median(batched) * 1e3, 256 / median(batched)))
        if sum.isNaN { print("not a number") }
        try repository.dropCollection()
    }
}

func memory(_ vectors: Vectors, rows: Int) throws {
    let before = residentBytes()
    let store = InMemoryVectorStore()
    let repository = try VectorRepository(store, "memory", dimension: vectors.dimension)
    let time = try seconds { try fill(repository, vectors, rows) }
    let used = residentBytes() - before
    let bytes = rows * vectors.dimension * 4
    print(
        String(
            format: "%d records in %.1f s: %.0f MB resident for %.0f MB of vectors, ratio %.3f", try repository.count(),
            time, Double(used) / 1e6, Double(bytes) / 1e6, Double(used) / Double(bytes)))
}

var arguments = Array(CommandLine.arguments.dropFirst())
let isMemory = arguments.first == "memory"
let isFilter = arguments.first == "filter"
if isMemory || isFilter { arguments.removeFirst() }
guard let path = arguments.first, let vectors = Vectors(npy: path) else {
    FileHandle.standardError.write(Data("usage: scan-rate [memory | filter] VECTORS.npy [rows]\n".utf8))
    exit(64)
}
let rows = arguments.dropFirst().first.flatMap { Int($0) } ?? (isMemory ? 1_000_000 : isFilter ? 117_659 : 100_000)
if isMemory {
    try memory(vectors, rows: rows)
} else if isFilter {
    try filters(vectors, rows: rows)
} else {
    try rates(vectors, rows: rows)
}
