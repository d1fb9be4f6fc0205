import Foundation
import MiniORM

/// The embedded store, as `compare` drives it: one command after the other.
final class Contestant {
    private var repository: VectorRepository?
    private var rows: Vectors?
    private var queries: [[Float]] = []
    private var threads = 1
    private var residentWhenLoaded = 0

    private static let collection = "rows"

    func reply(to command: Command) throws -> Reply {
        switch command.op {
        case .load: return try load(command)
        case .settle: return try settle(command)
        case .query: return try query(command)
        case .batch: return try batch(command)
        case .answers: return try answers(command)
        case .memory:
            let bytes = try command.size ?? loaded().rows.count * loaded().rows.dimension * 4
            return Reply(
                seconds: try Memory.rates(bytes: bytes, threads: command.threads ?? 1, count: command.count ?? 3),
                bytes: bytes)
        case .upsert: return try upsert(command)
        case .keep:
            let kept = try KeptStore(path: path(command))
            let time = try seconds { try kept.fill { _ = try upsertAll(command, $0) } }
            return Reply(seconds: [time], bytes: try kept.files().reduce(0) { $0 + $1.bytes })
        case .open: return try open(command)
        case .read:
            let kept = try KeptStore(path: path(command))
            var total = 0
            let time = try seconds { total = try kept.read() }
            return Reply(seconds: [time], bytes: total)
        }
    }

    private func path(_ command: Command) throws -> String {
        guard let path = command.path else { throw Failure("\(command.op.rawValue) needs a path") }
        return path
    }

    private func loaded() throws -> (repository: VectorRepository, rows: Vectors) {
        guard let repository, let rows else { throw Failure("nothing is loaded") }
        return (repository, rows)
    }

    private func metric(_ command: Command) throws -> VectorMetric {
        guard let metric = VectorMetric(command.metric ?? "cosine") else { throw Failure("no such metric") }
        return metric
    }

    /// Row `index` as a record. The payload's `bucket` is uniform in 0 ..< 100 and has nothing to do with the vector.
    private func record(_ rows: Vectors, _ index: Int, payload: Bool) -> VectorRecord {
        let bucket = ((UInt64(index) &* 0x9E37_79B9_7F4A_7C15) >> 33) % 100
        return VectorRecord(
            id: String(index), vector: rows.row(index), payload: payload ? ["bucket": .int(Int64(bucket))] : [:])
    }

    private func load(_ command: Command) throws -> Reply {
        guard let path = command.rows, let queryPath = command.queries else { throw Failure("load needs files") }
        let rows = try Vectors(npy: path, limit: command.limit)
        let queryRows = try Vectors(npy: queryPath)
        queries = (0..<queryRows.count).map(queryRows.row)
        threads = command.threads ?? 1
        repository = nil
        let before = Memory.resident()
        let store = InMemoryVectorStore(threads: threads)
        let repository = try VectorRepository(
            store, Self.collection, dimension: rows.dimension, metric: try metric(command))
        let time = try seconds {
            for start in stride(from: 0, to: rows.count, by: 1000) {
                try repository.upsert(
                    (start..<min(rows.count, start + 1000))
                        .map { record(rows, $0, payload: command.payload ?? false) })
            }
        }
        (self.repository, self.rows) = (repository, rows)
        residentWhenLoaded = Memory.resident()
        return Reply(seconds: [time], bytes: residentWhenLoaded - before)
    }

    /// Codes and indexes are made off the writer's path, some 100,000 records a second. This asks for more than that
    /// takes, then until the last four rounds were within 5 % of each other, for two minutes at the most.
    private func settle(_ command: Command) throws -> Reply {
        let (repository, rows) = try loaded()
        let filter = try command.filter.map { try VectorFilter(parsing: $0) }
        let size = command.size ?? 1
        let least = Duration.seconds(1) + .microseconds(30 * rows.count)
        let clock = ContinuousClock()
        let begin = clock.now
        var recent: [Double] = []
        while clock.now - begin < .seconds(120) {
            var asked = 0
            let time = try seconds {
                let until = clock.now + .milliseconds(200)
                while asked == 0 || clock.now < until {
                    if size > 1 {
                        _ = try repository.queryBatch(batchQueries(size, from: 0), topK: 10, filter: filter)
                    } else {
                        _ = try repository.query(queries[asked % queries.count], topK: 10, filter: filter)
                    }
                    asked += 1
                }
            }
            recent.append(time / Double(asked))
            let last = recent.suffix(4)
            if clock.now - begin >= least, last.count == 4, let low = last.min(), let high = last.max(),
                high < low * 1.05
            {
                break
            }
        }
        let elapsed = (clock.now - begin).components
        let resident = Memory.resident()
        return Reply(
            seconds: [Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18], bytes: resident,
            grown: resident - residentWhenLoaded)
    }

    private func batchQueries(_ size: Int, from start: Int) -> [[Float]] {
        (0..<size).map { queries[(start + $0) % queries.count] }
    }

    private func query(_ command: Command) throws -> Reply {
        let (repository, _) = try loaded()
        let filter = try command.filter.map { try VectorFilter(parsing: $0) }
        let start = command.start ?? 0
        let count = max(1, command.count ?? 1)
        let asked = batchQueries(count, from: start)
        var answers = 0
        let time = try seconds {
            for vector in asked {
                answers += try repository.query(vector, topK: command.k ?? 10, filter: filter).count
            }
        }
        guard answers > 0 else { throw Failure("a query without an answer") }
        return Reply(seconds: [time / Double(count)])
    }

    private func batch(_ command: Command) throws -> Reply {
        let (repository, _) = try loaded()
        let asked = batchQueries(command.size ?? 256, from: command.start ?? 0)
        var answers = 0
        let time = try seconds { answers = try repository.queryBatch(asked, topK: command.k ?? 10).count }
        guard answers == asked.count else { throw Failure("a batch with \(answers) answers") }
        return Reply(seconds: [time])
    }

    private func answers(_ command: Command) throws -> Reply {
        let (repository, _) = try loaded()
        let filter = try command.filter.map { try VectorFilter(parsing: $0) }
        let asked = batchQueries(command.count ?? 100, from: command.start ?? 0)
        let k = command.k ?? 10
        let found =
            command.size == nil
            ? try asked.map { try repository.query($0, topK: k, filter: filter) }
            : try repository.queryBatch(asked, topK: k, filter: filter)
        return Reply(
            ids: found.map { $0.compactMap { Int($0.id) } }, scores: found.map { $0.map(\.score) },
            note: try filter.map { try String(describing: repository.explain($0)) })
    }

    /// Puts every row into a store, and says how long the store's own work took: the records of a call are there
    /// before the clock runs.
    private func upsertAll(_ command: Command, _ store: InMemoryVectorStore) throws -> (seconds: Double, bytes: Int) {
        guard let path = command.rows else { throw Failure("\(command.op.rawValue) needs rows") }
        let rows = try Vectors(npy: path, limit: command.limit)
        let size = command.size ?? 10_000
        let repository = try VectorRepository(
            store, Self.collection, dimension: rows.dimension, metric: try metric(command))
        var time = 0.0
        for start in stride(from: 0, to: rows.count, by: size) {
            let records = (start..<min(rows.count, start + size)).map { record(rows, $0, payload: false) }
            time += try seconds { try repository.upsert(records) }
        }
        guard try repository.count() == rows.count else { throw Failure("records are missing after the upsert") }
        return (time, rows.count * rows.dimension * 4)
    }

    private func upsert(_ command: Command) throws -> Reply {
        let (time, bytes) = try upsertAll(command, InMemoryVectorStore(threads: command.threads ?? 1))
        return Reply(seconds: [time], bytes: bytes)
    }

    private func open(_ command: Command) throws -> Reply {
        let kept = try KeptStore(path: path(command))
        guard let path = command.queries, let name = command.metric, let metric = VectorMetric(name) else {
            throw Failure("open needs queries and a metric")
        }
        let vector = try Vectors(npy: path).row(0)
        var opened: InMemoryVectorStore?
        var answer: [VectorSearchResult] = []
        var repository: VectorRepository?
        let opening = try seconds {
            opened = try kept.open(threads: threads)
        }
        let first = try seconds {
            guard let opened else { return }
            let found = try VectorRepository(opened, Self.collection, dimension: vector.count, metric: metric)
            answer = try found.query(vector, topK: command.k ?? 10)
            repository = found
        }
        guard let repository, !answer.isEmpty else { throw Failure("the opened store answers nothing") }
        return Reply(
            seconds: [opening, first], ids: [answer.compactMap { Int($0.id) }], scores: [answer.map(\.score)],
            bytes: try repository.count())
    }
}
