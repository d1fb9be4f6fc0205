#if Faiss
internal import Dispatch
internal import MiniORM
internal import Synchronization

/// One collection: its rows, the index over them and, in a store with a directory, the log that they are read from
/// again.
///
/// Readers share the state. A writer first appends to the log, then changes the state for a moment; rows that are not
/// in the index yet are found by comparing them one by one. Building an index anew happens beside all that, on the
/// store's maintenance queue.
final class FaissCollection: Sendable {
    struct Writer {
        /// `nil` in memory.
        var log: CollectionLog?
        var isMaintained = false
        /// How many rows the saved index has.
        var savedRows = 0
    }

    let state: SharedLock<CollectionState>
    let writer: Mutex<Writer>
    let plan: IndexPlan
    let configuration: FaissConfiguration
    /// `nil` in memory, and where the files are only read.
    let directory: CollectionDirectory?
    let maintenance: DispatchQueue
    /// Whether the collection is about to end, so that nobody should wait for an index that is being built.
    let isStopping = Atomic(false)
    /// Held as long as the collection can write.
    private let directoryLock: Mutex<OpenFile?>

    private init(
        _ state: sending CollectionState, _ writer: sending Writer, _ plan: IndexPlan, _ place: Place
    ) {
        self.state = SharedLock(state)
        self.writer = Mutex(writer)
        self.plan = plan
        configuration = place.configuration
        directory = place.directory?.isReadOnly == true ? nil : place.directory
        maintenance = place.maintenance
        directoryLock = Mutex(place.lock)
    }

    /// Where a collection lives.
    struct Place {
        let configuration: FaissConfiguration
        /// `nil` in memory.
        let directory: CollectionDirectory?
        let lock: OpenFile?
        let maintenance: DispatchQueue
    }

    /// An empty collection. In a directory, which has to be there, its first log is begun.
    convenience init(
        creating description: CollectionDescription, _ plan: IndexPlan, _ place: Place
    ) throws(VectorStoreError) {
        let state = try Self.empty(description, plan)
        var writer = Writer()
        if let directory = place.directory {
            writer.log = try Self.newLog(description, directory, place.configuration)
        }
        self.init(state, writer, plan, place)
    }

    /// A collection that is in a directory.
    convenience init(
        opening directory: CollectionDirectory, _ plan: IndexPlan, _ place: Place
    ) throws(VectorStoreError) {
        var state: CollectionState?
        let log = try CollectionLog(
            opening: try directory.currentLog(), isReadOnly: directory.isReadOnly,
            waitsForDisk: place.configuration.waitsForDisk
        ) { (header, entry) throws(VectorStoreError) in
            switch entry {
            case nil: state = CollectionState(header.description)
            case .upsert(let records): state?.apply(records)
            case .delete(let ids): _ = state?.remove(ids)
            }
        }
        guard var state else { throw VectorStoreError(.corruptedStorage, "the collection's file has no header") }
        try plan.check(dimension: state.description.dimension)
        var writer = Writer()
        if !directory.isReadOnly { writer.log = log }
        if plan.isFlat || state.rows.count == 0 {
            state.index = plan.trainingRows == 0 ? try FaissIndex(plan, state.description) : nil
            state.extendIndex(by: .max)
        } else if let index = directory.savedIndex(of: log.header.stamp, state.rows, plan, state.description.metric) {
            // The rows after those that it has are added in the background.
            state.index = index
            state.indexed = index.count
            writer.savedRows = index.count
        }
        self.init(state, writer, plan, place)
        maintainIfNeeded()
    }

    private static func empty(
        _ description: CollectionDescription, _ plan: IndexPlan
    ) throws(VectorStoreError) -> CollectionState {
        try plan.check(dimension: description.dimension)
        var state = CollectionState(description)
        if plan.trainingRows == 0 { state.index = try FaissIndex(plan, description) }
        return state
    }

    private static func newLog(
        _ description: CollectionDescription, _ directory: CollectionDirectory, _ configuration: FaissConfiguration
    ) throws(VectorStoreError) -> CollectionLog {
        let draft = directory.draftPath()
        do throws(VectorStoreError) {
            let log = try CollectionLog(
                creating: draft, description, waitsForDisk: configuration.waitsForDisk)
            try log.synchronise()
            try directory.publish(draft, stamp: log.header.stamp)
            return log
        } catch {
            Files.remove(draft)
            throw error
        }
    }
}

// Reading.
extension FaissCollection {
    /// What reads the state, or throws where the collection has ended since it was looked up.
    func read<Value>(_ body: (CollectionState) throws(VectorStoreError) -> Value) throws(VectorStoreError) -> Value {
        try state.read { state throws(VectorStoreError) in
            try state.checkIsOpen()
            return try body(state)
        }
    }

    static var dropped: VectorStoreError { VectorStoreError(.collectionNotFound, "there is no such collection") }
    static var closed: VectorStoreError { VectorStoreError(.unavailable, "the store is closed") }

    func query(_ vectors: [[Float]], _ options: QueryOptions) throws(VectorStoreError) -> [[VectorSearchResult]] {
        try read { state throws(VectorStoreError) in
            try Search(state, plan: plan, candidateFactor: configuration.candidateFactor, options: options).run(vectors)
        }
    }
}

// Writing.
extension FaissCollection {
    /// All of the records or, where an error is thrown, none.
    func upsert(_ records: [VectorRecord]) throws(VectorStoreError) {
        try writer.withLock { writer throws(VectorStoreError) in
            let (dimension, isIndexed) = try read { ($0.description.dimension, $0.indexed == $0.rows.count) }
            let records = try Self.checked(records, dimension)
            guard !records.isEmpty else { return }
            try writer.log?.append(.upsert(records))
            state.write { $0.apply(records) }
            // Rows that were left over are for maintenance, so that a write takes no longer than its own rows do.
            if isIndexed { while state.write({ $0.extendIndex(by: plan.rowsAtOnce) }) {} }
        }
        maintainIfNeeded()
    }

    func delete(_ ids: [String]) throws(VectorStoreError) -> Int {
        let count = try writer.withLock { writer throws(VectorStoreError) in
            try remove(&writer) { state in ids.filter { state.positions[UTF8Key($0)] != nil } }
        }
        maintainIfNeeded()
        return count
    }

    func delete(matching filter: VectorFilter) throws(VectorStoreError) -> Int {
        let count = try writer.withLock { writer throws(VectorStoreError) in
            try remove(&writer) { state in
                state.rows.matching(filter).rows().map { state.rows.ids[Int($0)].string }
            }
        }
        maintainIfNeeded()
        return count
    }

    private func remove(
        _ writer: inout Writer, _ choose: (CollectionState) -> [String]
    ) throws(VectorStoreError) -> Int {
        let present = try read { choose($0) }
        guard !present.isEmpty else { return 0 }
        try writer.log?.append(.delete(present))
        return state.write { $0.remove(present) }
    }

    /// Empties the collection, which may be another from now on.
    func reset(_ description: CollectionDescription) throws(VectorStoreError) {
        try writer.withLock { writer throws(VectorStoreError) in
            try read { _ in }
            let empty = try Self.empty(description, plan)
            if let directory { writer.log = try Self.newLog(description, directory, configuration) }
            writer.savedRows = 0
            state.write { state in
                let epoch = state.epoch
                state = empty
                state.epoch = epoch + 1
            }
        }
    }

    /// Ends the collection; `removeFiles` is called while nobody writes.
    func drop(_ removeFiles: () throws(VectorStoreError) -> Void) throws(VectorStoreError) {
        try writer.withLock { writer throws(VectorStoreError) in
            try read { _ in }
            try removeFiles()
            writer.log = nil
            isStopping.store(true, ordering: .relaxed)
            state.write { state in
                state.rows = Rows(dimension: state.description.dimension)
                state.positions = [:]
                state.index = nil
                state.life = .dropped
            }
        }
    }

    /// Gives up what is being built, saves the index, and lets the log and the directory's lock go. Throws what
    /// maintenance failed at last, if it has not succeeded since; the collection is closed then too.
    func close() throws(VectorStoreError) {
        isStopping.store(true, ordering: .relaxed)
        finishMaintenance()
        var failure: VectorStoreError?
        do throws(VectorStoreError) { try saveIndex() } catch { failure = error }
        // In one step: a writer that waits finds the log or a collection that says that it is closed.
        writer.withLock { writer in
            writer.log = nil
            state.write { state in
                failure = failure ?? state.failure
                if state.life == .open { state.life = .closed }
            }
        }
        directoryLock.withLock { $0 = nil }
        if let failure { throw failure }
    }

    /// Each id once, the last one counting, vectors as long as they have to be and finite.
    private static func checked(_ records: [VectorRecord], _ dimension: Int) throws(VectorStoreError) -> [VectorRecord]
    {
        var places: [UTF8Key: Int] = [:]
        places.reserveCapacity(records.count)
        var unique: [VectorRecord] = []
        unique.reserveCapacity(records.count)
        for record in records {
            guard record.vector.count == dimension, record.vector.isFinite else {
                throw VectorStoreError(
                    .invalidVector, "a vector holds \(dimension) finite numbers here", recordID: record.id)
            }
            if let place = places[UTF8Key(record.id)] {
                unique[place] = record
            } else {
                places[UTF8Key(record.id)] = unique.count
                unique.append(record)
            }
        }
        return unique
    }
}
#endif
