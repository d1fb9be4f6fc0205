#if Faiss
internal import Dispatch
internal import MiniORM
internal import Synchronization

// What happens beside reading and writing: building an index, leaving dead rows behind, saving the index.
extension FaissCollection {
    /// Whether something is to be done, and what.
    private struct Task {
        var builds = false
        var compacts = false
        var saves = false
        var isNeeded: Bool { builds || compacts || saves }
    }

    /// Dead rows fewer than this are never worth a rebuild.
    private static let fewDead = 64
    /// Smaller indexes are built as fast as read.
    private static let fewIndexed = 1_000

    private func task(_ writer: Writer) -> Task {
        state.read { state in
            var task = Task()
            guard !state.isDropped else { return task }
            let dead = state.rows.count - state.rows.liveCount
            task.compacts =
                dead >= Self.fewDead && Double(dead) >= configuration.rebuildThreshold * Double(state.rows.count)
            task.builds =
                task.compacts || (state.index == nil && state.rows.liveCount >= max(1, plan.trainingRows))
            task.saves =
                writer.log != nil && !plan.isFlat && state.index != nil
                && state.indexed >= max(Self.fewIndexed, 2 * writer.savedRows)
            return task
        }
    }

    /// Has the maintenance queue do what is to be done, if it is not at it.
    func maintainIfNeeded() {
        let starts = writer.withLock { writer in
            guard !writer.isMaintained, task(writer).isNeeded else { return false }
            writer.isMaintained = true
            return true
        }
        if starts { maintenance.async { self.maintain() } }
    }

    private func maintain() {
        let task = writer.withLock { self.task($0) }
        // Rows and answers are right without any of this; a failure is tried again after a later write.
        var failed = false
        do throws(VectorStoreError) {
            if task.builds { try task.compacts ? compact() : build() }
            if task.builds || task.saves { try saveIndex() }
        } catch { failed = true }
        writer.withLock { $0.isMaintained = false }
        if !failed { maintainIfNeeded() }
    }

    /// An index over all of the rows; `nil` if they are too few to learn from.
    private func built(_ state: CollectionState) throws(VectorStoreError) -> FaissIndex? {
        let learned = plan.trainingRows
        guard state.rows.liveCount >= learned else { return nil }
        let index = try FaissIndex(plan, state.description)
        if learned > 0 { try index.train(state.rows.vectors, on: sample(state.rows)) }
        // In steps, so that a close or the end of the process does not wait for FAISS.
        var done = 0
        while done < state.rows.count {
            let step = min(65_536, state.rows.count - done)
            try index.add(state.rows.vectors, done..<done + step)
            done += step
        }
        return index
    }

    /// Rows to learn from, evenly spread.
    private func sample(_ rows: Rows) -> [Int64] {
        let live = rows.live.rows()
        let wanted = plan.largestSample
        guard live.count > wanted else { return live }
        return (0..<wanted).map { live[$0 * live.count / wanted] }
    }

    /// Builds the index over the rows as they lie.
    private func build() throws(VectorStoreError) {
        let snapshot = state.read { $0 }
        guard let index = try built(snapshot) else { return }
        writer.withLock { _ in
            state.write { state in
                guard !state.isDropped, state.epoch == snapshot.epoch else { return }
                state.index = index
                state.indexed = snapshot.rows.count
            }
            extendIndex()
        }
    }

    /// Builds rows, index and log anew without the dead rows. What was written meanwhile is done again at the end, when
    /// writers wait for a moment; readers never do.
    private func compact() throws(VectorStoreError) {
        let snapshot = state.read { $0 }
        var fresh = CollectionState(snapshot.description)
        fresh.epoch = snapshot.epoch
        snapshot.rows.live.forEach { row in fresh.apply([snapshot.rows.record(row)]) }
        fresh.index = try built(fresh)
        fresh.indexed = fresh.index == nil ? 0 : fresh.rows.count
        let draft = directory.map { $0.draftPath() }
        do throws(VectorStoreError) {
            var log: CollectionLog?
            if let draft {
                log = try CollectionLog(
                    creating: draft, fresh.description, waitsForDisk: false)
                try log?.append(rowsOf: fresh)
                try log?.synchronise()
            }
            try writer.withLock { writer throws(VectorStoreError) in
                let now = state.read { $0 }
                guard !now.isDropped, now.epoch == snapshot.epoch else { return }
                var removed: [String] = []
                snapshot.rows.live.forEach { row in
                    if !now.rows.live.contains(row) { removed.append(snapshot.rows.ids[row].string) }
                }
                let added = now.rows.live.rows(from: snapshot.rows.count).map { now.rows.record(Int($0)) }
                if var log, let draft, let directory {
                    if !removed.isEmpty { try log.append(.delete(removed)) }
                    if !added.isEmpty { try log.append(.upsert(added)) }
                    try log.synchronise()
                    log.waitsForDisk = configuration.waitsForDisk
                    try directory.publish(draft, stamp: log.header.stamp)
                    writer.log = log
                    writer.savedRows = 0
                }
                _ = fresh.remove(removed)
                fresh.apply(added)
                state.write { $0 = fresh }
                extendIndex()
            }
        } catch {
            if let draft { Files.remove(draft) }
            throw error
        }
        if let draft { Files.remove(draft) }
    }

    /// Writes the index beside the log, if the log has one that is worth it.
    func saveIndex() throws(VectorStoreError) {
        guard let directory, !plan.isFlat else { return }
        try writer.withLock { writer throws(VectorStoreError) in
            guard let stamp = writer.log?.header.stamp else { return }
            let saved = try state.read { state throws(VectorStoreError) -> Int? in
                guard let index = state.index, state.indexed >= Self.fewIndexed, state.indexed > writer.savedRows else {
                    return nil
                }
                try directory.save(index, rows: state.indexed, of: stamp, plan)
                return state.indexed
            }
            if let saved { writer.savedRows = saved }
        }
    }

    /// Waits for what is under way.
    func finishMaintenance() {
        while writer.withLock({ $0.isMaintained }) { maintenance.sync {} }
    }
}

extension CollectionLog {
    /// Every row of a state that has no dead ones, some megabytes at a time.
    fileprivate mutating func append(rowsOf state: CollectionState) throws(VectorStoreError) {
        let step = max(1, (1 << 22) / state.description.dimension)
        var start = 0
        while start < state.rows.count {
            let end = min(state.rows.count, start + step)
            try append(.upsert((start..<end).map { state.rows.record($0) }))
            start = end
        }
    }
}
#endif
