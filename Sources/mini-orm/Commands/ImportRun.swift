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
        let wasStopped = Interruption.isRequested && failure == nil && !isComplete
        bar.finish()
        if imported > 0 {
            do { try await opened.commit() } catch {
                throw ToolError("\(Self.text(of: error)); none of the \(imported.of("record")) is saved")
            }
        }
        if let failure { throw ToolError("\(Self.text(of: failure)); \(isIn)") }
        if wasStopped { throw Interrupted(message: "interrupted; \(isIn)") }
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
            guard let item = try source.next() else {
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
        var count = rest.count
        batch = []
        ids = []
        batchBytes = 0
        while let first = rest.first {
            let part = rest.prefix(count)
            do throws(VectorStoreError) {
                try await write(part.map(\.record))
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

    private mutating func write(_ records: [VectorRecord]) async throws(VectorStoreError) {
        guard let first = records.first else { return }
        do throws(VectorStoreError) {
            try await open(first).upsert(records)
            imported += records.count
        } catch {
            imported += error.writtenIDs.count
            throw error
        }
    }

    /// The collection, created for vectors such as the first one if it is not there.
    private mutating func open(_ first: VectorRecord) async throws(VectorStoreError) -> AsyncVectorRepository {
        if let repository { return repository }
        let present = try await opened.store.describeCollection(collection)
        guard present != nil || !first.vector.isEmpty else {
            throw VectorStoreError(.invalidVector, "the vector is empty", recordID: first.id)
        }
        let opened = try await AsyncVectorRepository(
            opened.store, collection, dimension: present?.dimension ?? first.vector.count,
            metric: metric ?? present?.metric ?? .cosine)
        repository = opened
        return opened
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
