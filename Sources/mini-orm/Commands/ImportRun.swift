internal import MiniORM

/// One import: reads records, writes them in batches, and knows how many are in.
struct ImportRun {
    private let source: RecordSource
    private let opened: OpenStore
    private let collection: String
    private let metric: VectorMetric?
    private let batchSize: Int
    private let skips: Bool
    private var repository: AsyncVectorRepository?
    /// Whether the collection was made here, and is to go if it stays empty.
    private var hasCreated = false
    private var batch: [(record: VectorRecord, line: Int)] = []
    private var ids: Set<UTF8Key> = []
    private var batchBytes = 0
    private var bar: ProgressBar
    /// How many records the store has acknowledged.
    private(set) var imported = 0
    /// How many were left out.
    private(set) var skipped = 0

    /// A batch of large records is sent before it has all of them; in bytes of their lines and vectors.
    private static let largestBatch = 32 << 20

    init(
        source: RecordSource, opened: OpenStore, collection: String, metric: VectorMetric?, batchSize: Int, skips: Bool
    ) {
        self.source = source
        self.opened = opened
        self.collection = collection
        self.metric = metric
        self.batchSize = batchSize
        self.skips = skips
        bar = ProgressBar("importing")
    }

    /// Imports everything. What is acknowledged is kept, however it ends.
    mutating func run() async throws {
        let failure: (any Error)?
        do {
            try await readAll()
            failure = nil
        } catch { failure = error }
        await dropWhatIsEmpty()
        let wasStopped = Interruption.isRequested && failure == nil && !isComplete
        bar.finish()
        if imported > 0 {
            do { try await opened.commit() } catch {
                throw ToolError("\(Self.text(of: error)); none of the \(imported.of("record")) is saved")
            }
        }
        if let failure { throw ToolError("\(Self.text(of: failure)); \(isIn)") }
        if wasStopped { throw Interrupted(message: "interrupted; \(isIn)") }
        if imported == 0, skipped > 0 { throw ToolError("nothing is imported: \(skipped.of("record")) skipped") }
    }

    /// A collection of which nothing but its name came in would only be in the way of the next attempt.
    private func dropWhatIsEmpty() async {
        guard hasCreated, imported == 0, let repository else { return }
        do { if try await repository.count() == 0 { try await repository.dropCollection() } } catch {
            Terminal.say("the empty collection \(collection.shown) stays: \(error.line)")
        }
    }

    private var isComplete = false

    private var isIn: String { "\(imported.of("record")) \(imported == 1 ? "is" : "are") in" }

    /// What was done, in one line.
    var summary: String {
        let left = skipped > 0 ? ", \(skipped.grouped) skipped" : ""
        return "\(imported.of("record")) imported into \(collection.terminalSafe)\(left), "
            + "in \(bar.elapsed.readable) (\(bar.rate(imported).grouped)/s)"
    }

    private mutating func readAll() async throws {
        while !Interruption.isRequested {
            let next: RecordSource.Item?
            do { next = try source.next() } catch {
                // What was read before is good.
                try await send()
                throw error
            }
            guard let item = next else {
                // A pipe that was left because of a signal is not at its end.
                if Interruption.isRequested { return }
                try await send()
                isComplete = true
                return
            }
            switch item {
            case .rejected(let reason, let line):
                if !skips { try await send() }
                try reject(reason, line)
            case .record(let record, let line, let bytes):
                // An id that comes twice in a batch would make it unclear which of the two an error means.
                let isRepeat = ids.contains(UTF8Key(record.id))
                if batch.count >= batchSize || isRepeat || batchBytes >= Self.largestBatch { try await send() }
                batch.append((record, line))
                ids.insert(UTF8Key(record.id))
                batchBytes += bytes + 4 * record.vector.count
            }
        }
    }

    private mutating func reject(_ reason: String, _ line: Int) throws {
        let message = "\(source.name.terminalSafe):\(line): \(reason)"
        guard skips else { throw ToolError(message) }
        Terminal.say(message + " (skipped)")
        skipped += 1
    }

    /// Writes the batch: all of it, or without the records that were refused.
    ///
    /// After a refusal it goes on with few records, then with twice as many each time, so that many bad records do not
    /// have the whole batch checked again for each of them.
    private mutating func send() async throws {
        var rest = batch[...]
        let lengths = (skips ? rest : rest.prefix(1)).map(\.record.vector.count)
        var count = rest.count
        batch = []
        ids = []
        batchBytes = 0
        while let first = rest.first {
            let part = rest.prefix(count)
            do throws(VectorStoreError) {
                try await write(part.map(\.record), lengths: lengths)
                rest = rest.dropFirst(part.count)
                count = 2 * part.count
                bar.update(imported, fraction: source.fraction)
            } catch {
                // The error of an empty id names no record.
                guard error.isAboutRecord,
                    let index = part.firstIndex(where: { UTF8Key($0.record.id) == UTF8Key(error.recordID ?? "") })
                else { throw error }
                if index > part.startIndex {
                    // Those before it are written first.
                    count = index - part.startIndex
                } else {
                    try reject(error.message.singleLine, first.line)
                    rest = rest.dropFirst()
                    count = 1
                }
            }
        }
    }

    /// - Parameter lengths: How long vectors are that may decide what the collection takes.
    private mutating func write(_ records: [VectorRecord], lengths: [Int]) async throws(VectorStoreError) {
        guard let first = records.first else { return }
        do throws(VectorStoreError) {
            if let repository {
                try await repository.upsert(records)
            } else if let present = try await opened.store.describeCollection(collection) {
                let repository = try await open(present.dimension, metric ?? present.metric, creates: true)
                self.repository = repository
                try await repository.upsert(records)
            } else {
                guard let dimension = Self.mostFrequent(lengths) else {
                    throw VectorStoreError(.invalidVector, "the vector is empty", recordID: first.id)
                }
                try await create(dimension, with: records)
            }
            imported += records.count
        } catch {
            imported += error.writtenIDs.count
            throw error
        }
    }

    /// Creates the collection for its first records, once they are found to be good.
    private mutating func create(_ dimension: Int, with records: [VectorRecord]) async throws(VectorStoreError) {
        let metric = metric ?? .cosine
        do throws(VectorStoreError) {
            // Records are checked before the store is asked, which then finds no collection.
            try await open(dimension, metric, creates: false).upsert(records)
        } catch {
            guard error.code == .collectionNotFound else { throw error }
            let repository = try await open(dimension, metric, creates: true)
            self.repository = repository
            hasCreated = true
            try await repository.upsert(records)
        }
    }

    private func open(
        _ dimension: Int, _ metric: VectorMetric, creates: Bool
    ) async throws(VectorStoreError) -> AsyncVectorRepository {
        try await AsyncVectorRepository(
            opened.store, collection, dimension: dimension, metric: metric, autoCreate: creates)
    }

    /// The length that most vectors have, the first of those that are as many; `nil` where all are empty.
    private static func mostFrequent(_ lengths: [Int]) -> Int? {
        var counts: [Int: Int] = [:]
        for length in lengths where length > 0 { counts[length, default: 0] += 1 }
        guard let most = counts.values.max() else { return nil }
        return lengths.first { counts[$0] == most }
    }

    private static func text(of error: any Error) -> String {
        (error as? VectorStoreError)?.line ?? (error as? ToolError)?.message ?? "\(error)".singleLine
    }
}

extension VectorStoreError {
    /// Whether one record is at fault, and the others could be written.
    fileprivate var isAboutRecord: Bool {
        code == .invalidVector || code == .invalidIdentifier || code == .unsupportedPayload
    }
}
