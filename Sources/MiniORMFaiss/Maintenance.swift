#if Faiss
internal import Dispatch
internal import MiniORM
internal import Synchronization

// What happens beside reading and writing: building an index, leaving dead rows behind, saving the index.
extension FaissCollection {
    /// What is to be done.
    private enum Task { case compact, build, extend, save }

    /// Dead rows fewer than this are never worth a rebuild.
    private static let fewDead = 64
    /// Smaller indexes are built as fast as read.
    private static let fewIndexed = 1_000

    private func task(_ writer: Writer) -> Task? {
        state.read { state in
            guard state.life == .open, !isStopping.load(ordering: .relaxed) else { return nil }
            let dead = state.rows.count - state.rows.liveCount
            if dead >= Self.fewDead, Double(dead) >= configuration.rebuildThreshold * Double(state.rows.count) {
                return .compact
            }
            guard state.index != nil else {
                return state.rows.liveCount >= max(1, plan.trainingRows) ? .build : nil
            }
            if state.indexed < state.rows.count { return .extend }
            let saves =
                writer.log != nil && !plan.isFlat && state.indexed >= max(Self.fewIndexed, 2 * writer.savedRows)
            return saves ? .save : nil
        }
    }

    /// Has the maintenance queue do what is to be done, if it is not at it.
    func maintainIfNeeded() {
        let starts = writer.withLock { writer in
            guard !writer.isMaintained, task(writer) != nil else { return false }
            writer.isMaintained = true
            return true
        }
        if starts { maintenance.async { self.maintain() } }
    }

    private func maintain() {
        while let task = nextTask() {
            do throws(VectorStoreError) {
                switch task {
                case .compact: try compact()
                case .build: try build()
                case .extend: try extend()
                case .save: try saveIndex()
                }
            } catch {
                // Rows and answers are right without any of this. It is tried again after a later write, and told to
                // those who wait for it.
                writer.withLock { writer in
                    writer.isMaintained = false
                    if !isStopping.load(ordering: .relaxed) { state.write { $0.failure = error } }
                }
                return
            }
        }
    }

    /// What is to be done next. Without anything, maintenance is over, and has not failed.
    private func nextTask() -> Task? {
        writer.withLock { writer in
            if let task = task(writer) { return task }
            writer.isMaintained = false
            let hadFailed = state.read { $0.failure != nil }
            if hadFailed, !isStopping.load(ordering: .relaxed) { state.write { $0.failure = nil } }
            return nil
        }
    }

    /// Throws where the collection ends, and nobody needs what is being made.
    private func checkIsNeeded() throws(VectorStoreError) {
        if isStopping.load(ordering: .relaxed) {
            throw VectorStoreError(.cancelled, "the collection ends while its index is made")
        }
    }

    /// An index over all of the rows; `nil` if they are too few to learn from.
    private func built(_ state: CollectionState) throws(VectorStoreError) -> FaissIndex? {
        let learned = plan.trainingRows
        guard state.rows.liveCount >= learned else { return nil }
        let index = try FaissIndex(plan, state.description)
        if learned > 0 { try index.train(state.rows.vectors, on: sample(state.rows)) }
        // In steps, so that a close does not wait for FAISS.
        var done = 0
        while done < state.rows.count {
            try checkIsNeeded()
            let step = min(4 * plan.rowsAtOnce, state.rows.count - done)
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
                guard state.life == .open, state.epoch == snapshot.epoch else { return }
                state.index = index
                state.indexed = snapshot.rows.count
            }
        }
    }

    /// Brings the index up to the rows, in steps between which others have their turn.
    private func extend() throws(VectorStoreError) {
        var isBehind = true
        while isBehind {
            try checkIsNeeded()
            let (more, failure) = writer.withLock { _ in
                state.write { state in
                    (state.extendIndex(by: plan.rowsAtOnce), state.index == nil ? state.failure : nil)
                }
            }
            if let failure { throw failure }
            isBehind = more
        }
    }

    /// Builds rows, index and log anew without the dead rows. What was written meanwhile is done again at the end, when
    /// writers wait for a moment; readers never do.
    private func compact() throws(VectorStoreError) {
        let snapshot = state.read { $0 }
        var fresh = CollectionState(snapshot.description)
        fresh.epoch = snapshot.epoch
        try snapshot.rows.live.forEach { (row) throws(VectorStoreError) in
            if row & 0xFFF == 0 { try checkIsNeeded() }
            fresh.apply([snapshot.rows.record(row)])
        }
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
                guard now.life == .open, now.epoch == snapshot.epoch else { return }
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
        // Writers wait here, and not at the state, where they would hold back readers.
        let saved = try writer.withLock { writer throws(VectorStoreError) -> (UInt64, Int, SerialisedIndex)? in
            guard let log = writer.log else { return nil }
            if !log.waitsForDisk { try log.synchronise() }
            return try state.read { state throws(VectorStoreError) in
                guard state.life == .open, let index = state.index, state.indexed >= Self.fewIndexed,
                    state.indexed > writer.savedRows
                else { return nil }
                return (log.header.stamp, state.indexed, try index.serialised())
            }
        }
        guard let (stamp, rows, index) = saved else { return }
        try directory.save(index, rows: rows, of: stamp, plan)
        writer.withLock { writer in
            if writer.log?.header.stamp == stamp { writer.savedRows = rows }
        }
    }

    /// Waits for what is under way, and throws what it failed at.
    func waitForIndex() throws(VectorStoreError) {
        finishMaintenance()
        if let failure = state.read({ $0.life == .open ? $0.failure : nil }) { throw failure }
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
