// What the adapter costs over the same FAISS called from C++: in turns, in one process, on the same rows.
//
//     swift run -c release faiss-overhead [vectors.npy queries.npy] [--rows N] [--dimension D] [--threads T]
//
// Each row of the output is case, our milliseconds a call, the peer, its milliseconds, and the ratio ours / theirs, with
// tabs between; each time is the median over the rounds. Without files the rows are random.
import CFaissDirect
import MiniORM
import MiniORMFaiss

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

@main
struct FaissOverhead {
    static func main() throws {
        var files: [String] = []
        var options = ["--rows": 50_000, "--dimension": 384, "--threads": sysconf(Int32(_SC_NPROCESSORS_ONLN))]
        var arguments = CommandLine.arguments.dropFirst()
        while let argument = arguments.popFirst() {
            if options[argument] != nil {
                options[argument] = arguments.popFirst().flatMap { Int($0) } ?? 0
            } else {
                files.append(argument)
            }
        }
        let threads = max(1, options["--threads"] ?? 1)

        /// The values of a NumPy array of float32 and the length of its rows.
        func numpy(_ path: String) -> ([Float], Int) {
            guard let file = fopen(path, "rb") else { exit(66) }
            defer { fclose(file) }
            var head = [UInt8](repeating: 0, count: 10)
            fread(&head, 1, 10, file)
            var text = [UInt8](repeating: 0, count: Int(head[8]) + Int(head[9]) << 8)
            fread(&text, 1, text.count, file)
            let numbers = String(decoding: text, as: UTF8.self).split { !$0.isNumber }.compactMap { Int($0) }
            guard let width = numbers.last, let count = numbers.dropLast().last else { exit(65) }
            var values = [Float](repeating: 0, count: width * count)
            fread(&values, 4, values.count, file)
            return (values, width)
        }

        var dimension = max(1, options["--dimension"] ?? 384)
        var rows: [Float]
        var queries: [Float]
        if files.count == 2 {
            (rows, dimension) = numpy(files[0])
            (queries, _) = numpy(files[1])
        } else {
            var state: UInt64 = 88_172_645_463_325_252
            func random() -> Float {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                return Float(state >> 40) / Float(1 << 24) - 0.5
            }
            rows = (0..<max(1, options["--rows"] ?? 1) * dimension).map { _ in random() }
            queries = (0..<500 * dimension).map { _ in random() }
        }
        let count = rows.count / dimension
        let queryCount = queries.count / dimension

        func normalised(_ vectors: [Float]) -> [Float] {
            var vectors = vectors
            for start in stride(from: 0, to: vectors.count, by: dimension) {
                let norm = vectors[start..<start + dimension].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
                for index in start..<start + dimension { vectors[index] = Float(Double(vectors[index]) / norm) }
            }
            return vectors
        }

        func vector(_ vectors: [Float], _ number: Int) -> [Float] {
            Array(vectors[number * dimension..<(number + 1) * dimension])
        }

        func milliseconds(_ body: () throws -> Void) rethrows -> Double {
            let clock = ContinuousClock()
            let time = try clock.measure(body)
            return Double(time.components.seconds) * 1e3 + Double(time.components.attoseconds) * 1e-15
        }

        func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
        func shown(_ value: Double) -> String {
            let scaled = Int((value * 1_000).rounded())
            let digits = String(scaled % 1_000)
            return "\(scaled / 1_000)." + String(repeating: "0", count: 3 - digits.count) + digits
        }

        FaissVectorStore.setThreads(threads)
        print("# FAISS \(FaissVectorStore.engineVersion), \(count) x \(dimension), \(threads) threads, k = 10")

        let cases: [(String, VectorMetric, FaissIndexType, String)] = [
            ("flat cosine", .cosine, .flat, "Flat"), ("flat dot", .dot, .flat, "Flat"), ("flat l2", .l2, .flat, "Flat"),
            ("hnsw32 ef64 cosine", .cosine, .hnsw(m: 32, efConstruction: 80, efSearch: 64), "HNSW32"),
            ("ivf128 probes32 cosine", .cosine, .ivfFlat(lists: 128, probes: 32), "IVF128,Flat"),
        ]
        for (name, metric, type, description) in cases {
            let store = try FaissVectorStore(configuration: FaissConfiguration(index: type))
            try store.createCollection(
                CreateCollectionRequest(
                    collection: CollectionDescription(name: "bench", dimension: dimension, metric: metric)))
            try store.upsert(
                UpsertRequest(
                    collection: "bench",
                    records: (0..<count).map { number in
                        VectorRecord(
                            id: "row \(number)", vector: vector(rows, number),
                            payload: ["number": .int(Int64(number)), "text": "some text of a payload"])
                    }))
            try store.waitForIndexes()
            let repository = try VectorRepository(store, "bench", dimension: dimension, metric: metric)
            let isFlat = type == .flat
            // As the adapter sets them: a flat search runs on the BLAS's threads, the others on OpenMP's.
            func setDirect(isTuned: Bool) {
                direct_set_threads(Int32(isFlat && isTuned ? 1 : threads), Int32(threads), isTuned ? 1 : 20)
            }
            setDirect(isTuned: true)
            let prepared = metric == .cosine ? (normalised(rows), normalised(queries)) : (rows, queries)
            // Used on this thread only.
            nonisolated(unsafe) let direct = direct_create(
                description, Int64(dimension), metric == .l2, prepared.0, Int64(count), 64, 32)
            defer { direct_free(direct) }
            for batch in [1, 10, 100] where batch <= queryCount {
                for isTuned in isFlat ? [true, false] : [true] {
                    var ours: [Double] = []
                    var theirs: [Double] = []
                    var distances = [Float](repeating: 0, count: batch * 10)
                    var numbers = [Int64](repeating: 0, count: batch * 10)
                    for round in 0..<(batch == 1 ? 101 : 31) {
                        let first = round * batch % (queryCount - batch + 1)
                        let vectors = (first..<first + batch).map { vector(queries, $0) }
                        let flat = Array(prepared.1[first * dimension..<(first + batch) * dimension])
                        func runOurs() throws {
                            direct_set_threads(Int32(threads), Int32(threads), 1)
                            ours.append(
                                try milliseconds {
                                    if batch == 1 {
                                        _ = try repository.query(vectors[0])
                                    } else {
                                        _ = try repository.queryBatch(vectors)
                                    }
                                })
                        }
                        func runTheirs() {
                            setDirect(isTuned: isTuned)
                            theirs.append(
                                milliseconds { direct_search(direct, flat, Int64(batch), 10, &distances, &numbers) })
                        }
                        // Who is first changes, so that neither has the warmer caches.
                        if round.isMultiple(of: 2) {
                            try runOurs()
                            runTheirs()
                        } else {
                            runTheirs()
                            try runOurs()
                        }
                    }
                    let peer = isTuned ? "FAISS from C++, same settings" : "FAISS from C++, as shipped"
                    print(
                        "\(name), batch \(batch)", shown(median(ours)), peer, shown(median(theirs)),
                        shown(median(ours) / median(theirs)), separator: "\t")
                }
            }
        }
    }
}
