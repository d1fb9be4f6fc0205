// What codes save: exact queries that measure every row beside those that rule most of them out.
//
//   swift run -c release coded-scan VECTORS.npy|isotropic|hostile [rows] [threads] [metric]
//
// VECTORS.npy holds float32 vectors; rows beyond its own are copies with seeded noise of norm 0.3, brought to length 1.
// Queries are made the same way. `isotropic` is 384 normal random components a row; `hostile` is rows that differ by less
// than codes can tell.
import CStreamRate
import Foundation
import MiniORM

struct Random {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    /// Normal, by Box and Muller.
    mutating func normal() -> Float {
        let u = Double(next() >> 11) * 0x1p-53 + 0x1p-54, v = Double(next() >> 11) * 0x1p-53
        return Float((-2 * log(u)).squareRoot() * cos(2 * .pi * v))
    }
}

struct Vectors {
    var dimension = 384
    var floats: [Float] = []
    var isHostile = false
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

    init(isHostile: Bool) { self.isHostile = isHostile }

    func row(_ index: Int) -> [Float] {
        var random = Random(state: UInt64(index) &* 0xD134_2543_DE82_EF95)
        var row: [Float]
        if floats.isEmpty {
            row = (0..<dimension).map { _ in isHostile ? 1 + 1e-2 * random.normal() : random.normal() }
        } else {
            row = Array(floats[index % count * dimension..<(index % count + 1) * dimension])
            if index < count { return row }
            let deviation = 0.3 / Float(dimension).squareRoot()
            for component in row.indices { row[component] += random.normal() * deviation }
        }
        let norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return row.map { $0 / norm }
    }
}

func seconds(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let elapsed = try clock.measure(body).components
    return Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
}

/// Resident memory in bytes.
func residentBytes() -> Int {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return 0 }
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

let arguments = Array(CommandLine.arguments.dropFirst())
let random = ["isotropic": Vectors(isHostile: false), "hostile": Vectors(isHostile: true)]
guard let source = arguments.first, let vectors = random[source] ?? Vectors(npy: source) else {
    let usage = "usage: coded-scan VECTORS.npy|isotropic|hostile [rows] [threads] [metric]\n"
    FileHandle.standardError.write(Data(usage.utf8))
    exit(64)
}
let rows = arguments.dropFirst().first.flatMap { Int($0) } ?? 117_659
let threads = arguments.dropFirst(2).first.flatMap { Int($0) } ?? 1
let only = arguments.dropFirst(3).first.flatMap { VectorMetric($0) }

let count = rows * vectors.dimension / 128 * 128
guard let stream = stream_memory(count) else { exit(1) }
for row in 0..<rows {
    for (index, component) in vectors.row(row).enumerated() where row * vectors.dimension + index < count {
        stream[row * vectors.dimension + index] = component
    }
}
var sum: Float = 0
let read = (0..<15).map { _ in seconds { sum += stream_sum(stream, count) } }
print(
    String(
        format: "%d x %d, %d threads; one core reads %.1f GB/s: all of it in %.2f ms", rows, vectors.dimension, threads,
        Double(count * 4) / 1e9 / median(read), median(read) * 1e3))
let queries = (0..<400).map { vectors.row(rows + 17 * $0) }
for metric in VectorMetric.allCases where only == nil || metric == only {
    let store = InMemoryVectorStore(threads: threads)
    let repository = try VectorRepository(store, metric.rawValue, dimension: vectors.dimension, metric: metric)
    for start in stride(from: 0, to: rows, by: 1000) {
        try repository.upsert(
            (start..<min(rows, start + 1000)).map { VectorRecord(id: "row-\($0)", vector: vectors.row($0)) })
    }
    // More answers than codes are used for, of which no row is one: every row is measured.
    let plain = try queries.prefix(40).map { query in
        try seconds { _ = try repository.query(query, topK: rows, minScore: 2) }
    }
    let before = residentBytes()
    let begun = ContinuousClock.now
    let first = try seconds { _ = try repository.query(queries[0], topK: 10) }
    // Until the codes are there, and the caches warm.
    while ContinuousClock.now - begun < .seconds(3) { _ = try repository.query(queries[1], topK: 10) }
    let coded = try queries.map { query in try seconds { sum += try repository.query(query, topK: 10)[0].score } }
    let grown = Double(residentBytes() - before) / Double(rows * vectors.dimension * 4)
    let hundred = try queries.map { query in try seconds { sum += try repository.query(query, topK: 100)[0].score } }
    // Queries that have nothing to do with the rows, of which the bounds rule out fewer.
    let strange = try (0..<400).map { number in
        var random = Random(state: UInt64(number))
        let query = (0..<vectors.dimension).map { _ in random.normal() }
        return try seconds { sum += try repository.query(query, topK: 10)[0].score }
    }
    let batch = Array(queries.prefix(256))
    let batched = try (0..<7).map { _ in try seconds { sum += try repository.queryBatch(batch, topK: 10)[0][0].score } }
    print(
        String(
            format: "%@: all rows measured %.2f ms; with codes %.3f ms (mean %.3f, best %.3f), %.1f times as fast; "
                + "k = 100 %.3f ms; random queries %.3f ms (mean %.3f); batch of 256 %.1f ms; the first query %.2f ms; memory grew by %.3f of the "
                + "vectors",
            metric.rawValue, median(plain) * 1e3, median(coded) * 1e3, coded.reduce(0, +) / 400 * 1e3,
            (coded.min() ?? 0) * 1e3, median(plain) / median(coded), median(hundred) * 1e3, median(strange) * 1e3,
            strange.reduce(0, +) / 400 * 1e3, median(batched) * 1e3,
            first * 1e3, grown))
}
if sum.isNaN { print("not a number") }
