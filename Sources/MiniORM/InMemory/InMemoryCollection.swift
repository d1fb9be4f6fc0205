internal import Synchronization

/// A collection in memory: one writer at a time, and readers that neither wait for it nor hold it up.
///
/// A writer appends rows behind those that are published, then publishes a new snapshot. A row that is replaced or
/// deleted is marked in the snapshot; a chunk that is more than an eighth dead is emptied into the last one. In a store
/// that has a log nothing is published before the log has it.
final class InMemoryCollection: Sendable {
    let description: CollectionDescription
    /// What the collection is called in files.
    let key: UInt64
    /// Held while writing. The next chunk's serial number.
    private let writer: Mutex<UInt32>
    /// Where each record is in the published snapshot. Locked while a snapshot is published, so that both agree.
    private let ids: Mutex<IdIndex>
    private let published: Mutex<CollectionSnapshot>
    private let log: WriteLog?
    private let queue = WriteQueue<Job>()
    /// What readers know of the payloads' fields.
    let fields: FieldIndexes

    /// A collection.
    ///
    /// - Parameters:
    ///   - snapshot: The rows to begin with.
    ///   - ids: Where they are.
    ///   - nextSerial: Above the serial number of every chunk.
    init(
        _ description: CollectionDescription, key: UInt64 = 0, snapshot: CollectionSnapshot = CollectionSnapshot(),
        ids: IdIndex? = nil, nextSerial: UInt32 = 0, log: WriteLog? = nil
    ) {
        self.description = description
        fields = FieldIndexes(FieldIndexes.Limits(width: rowWidth(dimension: description.dimension)))
        self.key = key
        self.log = log
        writer = Mutex(nextSerial)
        self.ids = Mutex(ids ?? IdIndex(IdHash(seed: .random(in: 0...UInt64.max))))
        published = Mutex(snapshot)
        snapshot.coding.adopt()
    }

    deinit { snapshot.coding.abandon() }

    /// A collection of full chunks; `nil` if an id is there twice.
    convenience init?(_ description: CollectionDescription, chunks: [RowChunk]) {
        var snapshot = CollectionSnapshot()
        var ids = IdIndex(IdHash(seed: .random(in: 0...UInt64.max)))
        ids.reserve(chunks.reduce(0) { $0 + $1.count })
        for (serial, chunk) in chunks.enumerated() {
            var part = CollectionSnapshot.Part(serial: UInt32(serial), chunk: chunk, count: chunk.count)
            for row in 0..<chunk.count where chunk.inverseNorm(row).isNaN { part.hasExtremes = true }
            snapshot.parts.append(part)
            snapshot.liveCount += part.count
            for row in 0..<chunk.count {
                let location = RowLocation(serial: part.serial, row: UInt32(row))
                let id = chunk.id(row)
                guard ids.update(id, ids.hash.of(id), location, in: snapshot) == nil else { return nil }
            }
        }
        self.init(description, snapshot: snapshot, ids: ids, nextSerial: UInt32(chunks.count))
    }

    /// The rows as they are now.
    var snapshot: CollectionSnapshot { published.withLock { $0 } }

    /// The rows when all that the log has by now are among them, and a number above the serial number of every chunk.
    var settled: (snapshot: CollectionSnapshot, nextSerial: UInt32) { writer.withLock { (snapshot, $0) } }

    /// Records by id, all of one moment; every record for `nil`.
    func fetch(_ ids: [String]?) throws(VectorStoreError) -> [VectorRecord] {
        var records: [VectorRecord] = []
        guard let ids else {
            let snapshot = snapshot
            records.reserveCapacity(snapshot.liveCount)
            snapshot.forEachRow { part, row in records.append(part.chunk.record(row)) }
            try snapshot.checkIntact()
            return records
        }
        let (found, snapshot) = try self.ids.withLock { index throws(VectorStoreError) in
            let snapshot = self.snapshot
            try index.checkRuns()
            let found = ids.compactMap { index.find($0, in: snapshot) }
            try snapshot.checkIdentities()
            return (found, snapshot)
        }
        for location in found {
            guard let position = snapshot.position(of: location.serial) else { continue }
            let chunk = snapshot.parts[position].chunk
            records.append(chunk.record(Int(location.row)))
            try chunk.checkIntact()
        }
        return records
    }

    /// Looks up the ids of changes in the tables of files, so that damage shows before anything is written.
    private func checkIds(_ changes: [Change]) throws(VectorStoreError) {
        let runs = ids.withLock { $0.withRunsAlone }
        guard let runs else { return }
        try runs.checkRuns()
        let snapshot = snapshot
        for change in changes {
            switch change {
            case .upsert(let records, _, _): for record in records { _ = runs.find(record.id, in: snapshot) }
            case .delete(let ids): for id in ids { _ = runs.find(id, in: snapshot) }
            }
        }
        try snapshot.checkIdentities()
    }
}

// Writing.
extension InMemoryCollection {
    /// A change that the caller has checked.
    private enum Change: Sendable {
        /// Without norms the vectors are checked and measured while they are copied.
        case upsert([VectorRecord], inverseNorms: [Double]?, ScanThreads?)
        case delete([String])
    }

    /// A change and its entry in the log; without a change, the records to delete are those that match.
    private struct Job: Sendable {
        var change: Change?
        var entry: EncodedLogEntry?
        var filter: VectorFilter?
    }

    /// All of the records, or none where one does not fit.
    ///
    /// - Parameter threads: Who helps where the records are many.
    func upsert(_ records: [VectorRecord], _ threads: ScanThreads? = nil) throws(VectorStoreError) {
        guard !records.isEmpty else { return }
        guard log != nil else {
            let change = Change.upsert(records, inverseNorms: nil, threads)
            _ = try write([change]) { () throws(VectorStoreError) in 0 }
            return
        }
        // What is in the log has to fit.
        let change = Change.upsert(records, inverseNorms: try inverseNorms(records), threads)
        _ = try run(Job(change: change, entry: try LogEntry.upsert(key: key, records).encoded()))
    }

    private func inverseNorms(_ records: [VectorRecord]) throws(VectorStoreError) -> [Double] {
        var inverseNorms: [Double] = []
        inverseNorms.reserveCapacity(records.count)
        for record in records {
            guard record.vector.count == description.dimension, let inverse = RowChunk.inverseNorm(of: record.vector)
            else { throw invalid(record) }
            inverseNorms.append(inverse)
        }
        return inverseNorms
    }

    private func invalid(_ record: VectorRecord) -> VectorStoreError {
        VectorStoreError(
            .invalidVector, "a vector has \(description.dimension) components, all of them finite", recordID: record.id)
    }

    /// Deletes by id, and says how many there were.
    func delete(_ ids: [String]) throws(VectorStoreError) -> Int {
        guard !ids.isEmpty else { return 0 }
        guard log != nil else { return try write([.delete(ids)]) { () throws(VectorStoreError) in 0 }[0] }
        return try run(Job(change: .delete(ids), entry: try LogEntry.delete(key: key, ids).encoded()))
    }

    /// Deletes what matches, and says how many there were.
    func delete(matching filter: VectorFilter) throws(VectorStoreError) -> Int {
        try run(Job(filter: filter))
    }

    /// The same collection with another way to write: what was repeated from a log is written to it from then on.
    func logging(to log: WriteLog) -> InMemoryCollection {
        let (snapshot, nextSerial) = settled
        return InMemoryCollection(
            description, key: key, snapshot: snapshot, ids: ids.withLock { $0 }, nextSerial: nextSerial, log: log)
    }

    /// Repeats a change that the log has.
    func replay(_ entry: LogEntry, _ sequence: UInt64) throws(VectorStoreError) {
        guard sequence > snapshot.sequence else { return }
        switch entry {
        case .upsert(_, let records):
            _ = try write([.upsert(records, inverseNorms: nil, nil)]) { () throws(VectorStoreError) in sequence }
        case .delete(_, let ids): _ = try write([.delete(ids)]) { () throws(VectorStoreError) in sequence }
        case .create, .drop, .mark: break
        }
    }

    /// Has jobs done that come in together. What a filter deletes depends on all that comes before it, so such a job is
    /// done alone.
    private func run(_ job: Job) throws(VectorStoreError) -> Int {
        try queue.run(job, canJoin: { $0.filter == nil }) { jobs in
            do throws(VectorStoreError) {
                if let filter = jobs.first?.filter { return [.success(try write(matching: filter))] }
                let entries = jobs.compactMap(\.entry)
                return try write(jobs.compactMap(\.change)) { () throws(VectorStoreError) in
                    try log?.append(entries) ?? 0
                }.map { .success($0) }
            } catch {
                return jobs.map { _ in .failure(error) }
            }
        }
    }

    private func write(matching filter: VectorFilter) throws(VectorStoreError) -> Int {
        try writer.withLock { serial throws(VectorStoreError) in
            // Before the ids are locked: a filter takes its time, and nobody else writes.
            var found: [String] = []
            let snapshot = snapshot
            select(filter, in: snapshot).forEachMatch { part, row in found.append(part.chunk.id(row)) }
            try snapshot.checkIntact()
            if found.isEmpty { return 0 }
            return try write([.delete(found)], &serial) { () throws(VectorStoreError) in
                try log?.append([LogEntry.delete(key: key, found).encoded()]) ?? 0
            }[0]
        }
    }

    private func write(
        _ changes: [Change], _ record: () throws(VectorStoreError) -> UInt64
    ) throws(VectorStoreError) -> [Int] {
        try writer.withLock { serial throws(VectorStoreError) in try write(changes, &serial, record) }
    }

    /// Makes changes in order, once the log has them.
    ///
    /// - Parameter record: Writes to the log, and returns the number of the last entry.
    /// - Returns: How many records each change inserted or found to delete.
    private func write(
        _ changes: [Change], _ serial: inout UInt32, _ record: () throws(VectorStoreError) -> UInt64
    ) throws(VectorStoreError) -> [Int] {
        try checkIds(changes)
        var next = snapshot
        // All memory first, then the log: nothing can fail after that but a vector that was not checked, of a change that
        // no log has or that was read from one.
        let rows = changes.reduce(0) { count, change in
            if case .upsert(let records, _, _) = change { count + records.count } else { count }
        }
        let chunks = try room(for: rows, in: &next, &serial)
        next.sequence = max(next.sequence, try record())
        var locations: [RowLocation] = []
        locations.reserveCapacity(rows)
        for case .upsert(let records, let inverseNorms, let threads) in changes {
            if let unfit = append(records, inverseNorms, to: chunks, of: &next, &locations, threads) {
                for position in chunks { next.parts[position].chunk.truncate(to: next.parts[position].count) }
                throw invalid(unfit)
            }
        }
        for position in chunks { next.parts[position].count = next.parts[position].chunk.count }
        next.liveCount += locations.count
        var counts: [Int] = []
        var used = 0
        let changed = changes.reduce(rows) { count, change in
            if case .delete(let ids) = change { count + ids.count } else { count }
        }
        publish(&next, changing: changed, adding: rows) { next, index in
            index.reserve(locations.count)
            for change in changes {
                var count = 0
                switch change {
                case .upsert(let records, _, _):
                    for start in stride(from: 0, to: records.count, by: Self.idsAtOnce) {
                        let block = start..<min(records.count, start + Self.idsAtOnce)
                        let hashes = block.map { index.hash.of(records[$0].id) }
                        index.prefetch(hashes)
                        for (position, hash) in zip(block, hashes) {
                            let location = locations[used + position]
                            if let old = index.update(records[position].id, hash, location, in: next) { next.kill(old) }
                        }
                    }
                    count = records.count
                    used += count
                case .delete(let ids):
                    for id in ids {
                        guard let location = index.remove(id, in: next) else { continue }
                        next.kill(location)
                        count += 1
                    }
                }
                counts.append(count)
            }
        }
        compact(&next, &serial)
        return counts
    }

    /// As many ids as the processor can fetch the places of at once.
    private static let idsAtOnce = 32

    /// Rows of one chunk, and the first of the records that they are for.
    private struct Run: Sendable {
        let part: Int
        let chunk: RowChunk
        var rows: Range<Int>
        var record: Int
    }

    /// Vectors of so many bytes are copied by a thread at a time; fewer of them are not worth a second thread.
    private static let bytesAtOnce = 1 << 20

    /// Puts records into chunks that have room for them; returns one whose vector does not fit.
    private func append(
        _ records: [VectorRecord], _ inverseNorms: [Double]?, to chunks: [Int], of next: inout CollectionSnapshot,
        _ locations: inout [RowLocation], _ threads: ScanThreads?
    ) -> VectorRecord? {
        var runs: [Run] = []
        var start = 0
        for position in chunks where start < records.count {
            let chunk = next.parts[position].chunk
            let count = min(records.count - start, chunk.room)
            runs.append(Run(part: position, chunk: chunk, rows: chunk.count..<chunk.count + count, record: start))
            start += count
        }
        if let unfit = place(records, inverseNorms, runs, threads) { return records[unfit] }
        for run in runs {
            for position in run.record..<run.record + run.rows.count {
                run.chunk.append(records[position].id, records[position].payload)
            }
            if run.chunk.inverseNorms(run.rows).contains(where: \.isNaN) { next.parts[run.part].hasExtremes = true }
            let serial = next.parts[run.part].serial
            locations.append(contentsOf: run.rows.lazy.map { RowLocation(serial: serial, row: UInt32($0)) })
        }
        return nil
    }

    /// Copies vectors into the rows that are for them; returns the first that does not fit. Most of an upsert's time
    /// goes here, where the system clears the memory of new rows, so that threads share it.
    private func place(
        _ records: [VectorRecord], _ inverseNorms: [Double]?, _ runs: [Run], _ threads: ScanThreads?
    ) -> Int? {
        let rows = max(1, Self.bytesAtOnce / (rowWidth(dimension: description.dimension) * MemoryLayout<Float>.stride))
        guard let threads, threads.count > 1, records.count > 2 * rows else {
            for run in runs {
                if let unfit = run.chunk.place(records, from: run.record, inverseNorms, in: run.rows) { return unfit }
            }
            return nil
        }
        let pieces = runs.flatMap { run in
            stride(from: 0, to: run.rows.count, by: rows).map { offset in
                let first = run.rows.lowerBound + offset
                return Run(
                    part: run.part, chunk: run.chunk, rows: first..<min(first + rows, run.rows.upperBound),
                    record: run.record + offset)
            }
        }
        let unfit = Mutex<Int?>(nil)
        threads.share(pieces.count, threads: threads.count) { numbers in
            while let number = numbers.next() {
                let piece = pieces[number]
                guard let found = piece.chunk.place(records, from: piece.record, inverseNorms, in: piece.rows) else {
                    continue
                }
                unfit.withLock { $0 = min($0 ?? found, found) }
            }
        }
        return unfit.withLock { $0 }
    }

    /// So many ids are changed while readers of ids wait: a few milliseconds.
    private static let mostIdsUnderLock = 1 << 15

    /// Makes a snapshot the one that readers get, at one moment with the ids.
    ///
    /// Where that takes long, or the table has to grow, the ids are changed in a copy: readers have the old table
    /// meanwhile, and nobody else writes.
    private func publish(
        _ next: inout CollectionSnapshot, changing changed: Int, adding added: Int,
        _ change: (inout CollectionSnapshot, inout IdIndex) -> Void
    ) {
        var copy = ids.withLock { index in
            changed > Self.mostIdsUnderLock || !index.hasRoom(added) ? index : nil
        }
        if copy != nil {
            // Alone in a variable of its own, so that the first change copies the table and the others do not.
            var index = copy ?? IdIndex(IdHash(seed: 0))
            copy = nil
            change(&next, &index)
            ids.withLock { published in
                swap(&published, &index)
                self.published.withLock { swap(&$0, &next) }
            }
        } else {
            ids.withLock { index in
                change(&next, &index)
                published.withLock { swap(&$0, &next) }
            }
        }
        // What was published before is let go here, outside of the locks.
        next = snapshot
    }
}

// Memory.
extension InMemoryCollection {
    /// The positions of chunks with room for rows: the last one, and new ones behind it.
    private func room(
        for count: Int, in next: inout CollectionSnapshot, _ serial: inout UInt32
    ) throws(VectorStoreError) -> [Int] {
        guard count > 0 else { return [] }
        var positions: [Int] = []
        var missing = count
        if let last = next.parts.indices.last, next.parts[last].chunk.room > 0 {
            positions.append(last)
            missing -= next.parts[last].chunk.room
        }
        let width = rowWidth(dimension: description.dimension)
        while missing > 0 {
            let capacity = RowChunk.capacity(width: width, rowsBefore: next.liveCount, needed: missing)
            guard serial < .max, let chunk = RowChunk(dimension: description.dimension, capacity: capacity) else {
                throw VectorStoreError(.unavailable, "there is no memory for \(count) more vectors")
            }
            next.parts.append(CollectionSnapshot.Part(serial: serial, chunk: chunk, count: 0))
            positions.append(next.parts.count - 1)
            serial += 1
            missing -= capacity
        }
        return positions
    }

    /// Whether a chunk is to be emptied: it is more than an eighth dead, or it came from a file half empty, as each
    /// process that writes a little leaves one. The last chunk waits until it is full.
    private func isWorthEmptying(_ index: Int, of next: CollectionSnapshot) -> Bool {
        let part = next.parts[index]
        if part.dead.count == part.count { return part.count > 0 }
        let isLast = index == next.parts.count - 1
        if part.dead.count * 8 > part.count {
            return (!isLast || part.chunk.room == 0) && part.chunk.isIntact
        }
        guard part.chunk.stored != nil, index == next.parts.count - 2 else { return false }
        let most = RowChunk.capacity(width: part.chunk.width, rowsBefore: .max, needed: 0)
        return part.count * 2 < most && part.chunk.isIntact
    }

    /// Gives back the memory of dead rows, a chunk at a time.
    private func compact(_ next: inout CollectionSnapshot, _ serial: inout UInt32) {
        while let victim = next.parts.indices.first(where: { isWorthEmptying($0, of: next) }) {
            let old = next.parts[victim]
            next.liveCount -= old.liveCount
            // Without memory the dead rows stay; the records are safe.
            guard let positions = try? room(for: old.liveCount, in: &next, &serial) else { return }
            var moved: [(id: String, from: RowLocation, to: RowLocation)] = []
            var target = 0
            for row in 0..<old.count where old.isLive(row) {
                while target < positions.count, next.parts[positions[target]].chunk.room == 0 { target += 1 }
                guard target < positions.count else { return }
                let chunk = next.parts[positions[target]].chunk
                guard chunk.append(row, of: old.chunk) else { return }
                if old.chunk.inverseNorm(row).isNaN { next.parts[positions[target]].hasExtremes = true }
                moved.append(
                    (
                        old.chunk.id(row), RowLocation(serial: old.serial, row: UInt32(row)),
                        RowLocation(serial: next.parts[positions[target]].serial, row: UInt32(chunk.count - 1))
                    ))
            }
            for position in positions { next.parts[position].count = next.parts[position].chunk.count }
            next.liveCount += old.liveCount
            next.parts.remove(at: victim)
            publish(&next, changing: moved.count, adding: 0) { _, index in
                for (id, from, to) in moved { index.move(id, from: from, to: to) }
            }
        }
    }
}

extension CollectionSnapshot {
    fileprivate mutating func kill(_ location: RowLocation) {
        guard let position = position(of: location.serial) else { return }
        parts[position].dead.insert(Int(location.row))
        liveCount -= 1
    }
}
