internal import Dispatch
internal import Synchronization

/// The log: what is in it survives. Any number of threads append, and those that wait for the disk at the same time
/// wait once.
///
/// When the disk refuses a synchronization, the system may have dropped the pages and call the next attempt a success,
/// although the bytes are gone. So nothing behind the last synchronization that worked is believed any more, and the
/// file takes no more entries; ``rotate()`` begins another that says where this one ends.
final class WriteLog: Sendable {
    private struct State {
        var file: any LayeredFile
        var header: LogHeader
        /// Where the entries end, and the number of the next one.
        var end: Int
        var nextSequence: UInt64
        /// The same for what the disk has.
        var synchronizedEnd: Int
        var synchronized: UInt64
        /// Why the file takes no more entries, and where those that count end.
        var failure: VectorStoreError?
        var trustedEnd = 0
        var trusted: UInt64 = 0
        var isSynchronizing = false
        var isClosed = false
        /// Whether the timer of ``Durability/Synchronization/every(_:)`` runs.
        var isScheduled = false
        var waiting: [DispatchSemaphore] = []
    }

    private let files: any FileLayer
    private let directory: String
    let synchronization: Durability.Synchronization
    private let state: Mutex<State>
    private let timer = DispatchQueue(label: "mini-orm.log")

    static func path(_ directory: String, _ number: UInt64) -> String { directory + "/log-\(number)" }

    /// Begins the log of a directory, or goes on behind the entries of a file that has been read.
    init(
        _ files: any FileLayer, _ directory: String, _ header: LogHeader, end: Int?, nextSequence: UInt64,
        _ synchronization: Durability.Synchronization
    ) throws(VectorStoreError) {
        self.files = files
        self.directory = directory
        self.synchronization = synchronization
        let file: any LayeredFile
        if let end {
            file = try files.open(Self.path(directory, header.number), isNew: false)
            // Whatever was not written to its end must not be there when the next entries are.
            try file.truncate(to: end)
            try file.synchronize()
        } else {
            file = try Self.begin(files, directory, header)
        }
        let end = end ?? LogHeader.length
        state = Mutex(
            State(
                file: file, header: header, end: end, nextSequence: nextSequence, synchronizedEnd: end,
                synchronized: nextSequence - 1))
    }

    /// Makes a log file that has a header and no entries.
    @discardableResult
    static func begin(
        _ files: any FileLayer, _ directory: String, _ header: LogHeader
    ) throws(VectorStoreError) -> any LayeredFile {
        let path = path(directory, header.number)
        // What an earlier attempt may have left.
        try files.remove(path)
        let file = try files.open(path, isNew: true)
        try file.write(header.bytes, at: 0)
        try file.synchronize()
        try files.synchronize(directory: directory)
        return file
    }

    /// The length of the file.
    var length: Int { state.withLock { $0.end } }
    /// Why nothing can be written until another file is begun.
    var failure: VectorStoreError? { state.withLock { $0.failure } }

    /// Appends entries and returns when they are kept, by the policy; the number of the last one. Of entries that could
    /// not be appended nothing stays.
    func append(_ entries: [EncodedLogEntry]) throws(VectorStoreError) -> UInt64 {
        let last = try state.withLock { state throws(VectorStoreError) in
            guard !state.isClosed else {
                throw VectorStoreError(.unavailable, "the store is closed; open the directory again", store: "memory")
            }
            if let failure = state.failure { throw failure }
            try write(entries, &state)
            return state.nextSequence - 1
        }
        switch synchronization {
        case .always: try synchronize(last)
        case .every(let interval): schedule(interval)
        case .never: break
        }
        return last
    }

    /// Has the disk asked after an interval, for all that is appended until then. A failure stops the log.
    private func schedule(_ interval: Duration) {
        let isFirst = state.withLock { state in
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        guard isFirst else { return }
        let (seconds, attoseconds) = interval.components
        let delay = Double(seconds) + Double(attoseconds) * 1e-18
        timer.asyncAfter(deadline: .now() + max(0, min(delay, 86_400))) { [self] in
            let last = state.withLock { state in
                state.isScheduled = false
                return state.nextSequence - 1
            }
            try? synchronize(last)
        }
    }

    private func write(_ entries: [EncodedLogEntry], _ state: inout State) throws(VectorStoreError) {
        var offset = state.end
        var sequence = state.nextSequence
        var pending: [UInt8] = []
        do throws(VectorStoreError) {
            for var entry in entries {
                entry.place(sequence: sequence, synchronized: state.synchronized, salt: state.header.salt)
                sequence += 1
                // Small ones together, large ones from where they are.
                if pending.isEmpty, entries.count == 1 || entry.bytes.count > 1 << 20 {
                    try state.file.write(entry.bytes, at: offset)
                    offset += entry.bytes.count
                    continue
                }
                pending += entry.bytes
                if pending.count > 1 << 20 {
                    try state.file.write(pending, at: offset)
                    offset += pending.count
                    pending.removeAll(keepingCapacity: true)
                }
            }
            if !pending.isEmpty {
                try state.file.write(pending, at: offset)
                offset += pending.count
            }
        } catch {
            // A part may be there. If it cannot be taken away, it is fenced off.
            do throws(VectorStoreError) { try state.file.truncate(to: state.end) } catch {
                distrust(&state, from: state.end, state.nextSequence - 1, error)
            }
            throw error
        }
        state.end = offset
        state.nextSequence = sequence
    }

    private func distrust(_ state: inout State, from end: Int, _ sequence: UInt64, _ cause: VectorStoreError) {
        guard state.failure == nil else { return }
        // Nobody was told that they were kept, so that they need not be found after a crash.
        if synchronization == .always { try? state.file.truncate(to: end) }
        state.trustedEnd = end
        state.trusted = sequence
        state.failure = VectorStoreError(
            .unavailable,
            "the log could not be written (\(cause.message)); what was acknowledged can be read, and the next write "
                + "begins another log first",
            store: "memory", cause: cause)
    }

    /// Returns when the disk has an entry. One thread asks the disk, for all that have appended by then.
    func synchronize(_ sequence: UInt64) throws(VectorStoreError) {
        while true {
            let (file, end, last) = try turn(sequence)
            guard let file else { return }
            let failure: VectorStoreError?
            do throws(VectorStoreError) {
                try file.synchronize()
                failure = nil
            } catch { failure = error }
            state.withLock { state in
                if let failure {
                    distrust(&state, from: state.synchronizedEnd, state.synchronized, failure)
                } else {
                    state.synchronizedEnd = end
                    state.synchronized = last
                }
                endTurn(&state)
            }
            if let failure { throw failure }
        }
    }

    /// Waits until this thread is the one to ask the disk; no file when there is nothing to ask for.
    private func turn(_ sequence: UInt64) throws(VectorStoreError) -> ((any LayeredFile)?, Int, UInt64) {
        while true {
            let semaphore = DispatchSemaphore(value: 0)
            let turn: ((any LayeredFile)?, Int, UInt64)? = try state.withLock { state throws(VectorStoreError) in
                if state.synchronized >= sequence { return (nil, 0, 0) }
                if let failure = state.failure, sequence > state.trusted { throw failure }
                if state.isSynchronizing {
                    state.waiting.append(semaphore)
                    return nil
                }
                state.isSynchronizing = true
                return (state.file, state.end, state.nextSequence - 1)
            }
            if let turn { return turn }
            semaphore.wait()
        }
    }

    private func endTurn(_ state: inout State) {
        state.isSynchronizing = false
        for semaphore in state.waiting { semaphore.signal() }
        state.waiting = []
    }

    /// Ends the file and begins the next one, whose number it returns. Everything in the files before is on the disk
    /// then, but for what was not to be trusted.
    func rotate() throws(VectorStoreError) -> UInt64 {
        while true {
            let semaphore = DispatchSemaphore(value: 0)
            let number: UInt64? = try state.withLock { state throws(VectorStoreError) in
                if state.isSynchronizing {
                    state.waiting.append(semaphore)
                    return nil
                }
                return try rotate(&state)
            }
            if let number { return number }
            semaphore.wait()
        }
    }

    private func rotate(_ state: inout State) throws(VectorStoreError) -> UInt64 {
        if state.failure == nil, state.synchronizedEnd < state.end {
            do throws(VectorStoreError) { try state.file.synchronize() } catch {
                distrust(&state, from: state.synchronizedEnd, state.synchronized, error)
                throw error
            }
            state.synchronizedEnd = state.end
            state.synchronized = state.nextSequence - 1
        }
        let end = state.failure == nil ? state.end : state.trustedEnd
        let header = LogHeader(
            store: state.header.store, number: state.header.number + 1, firstSequence: state.nextSequence,
            previousEnd: UInt64(end))
        let file: any LayeredFile
        do throws(VectorStoreError) { file = try Self.begin(files, directory, header) } catch {
            // Its header says where this file ends: if it came back after a power cut, it would cut what this file is
            // given from here on.
            do throws(VectorStoreError) {
                try files.remove(Self.path(directory, header.number))
                try files.synchronize(directory: directory)
            } catch {
                distrust(&state, from: state.end, state.nextSequence - 1, error)
            }
            throw error
        }
        state.file = file
        state.header = header
        state.end = LogHeader.length
        state.synchronizedEnd = LogHeader.length
        state.synchronized = state.nextSequence - 1
        state.failure = nil
        return header.number
    }

    /// Takes no more entries.
    func close() { state.withLock { $0.isClosed = true } }

    /// Waits until the disk has all entries.
    func synchronizeAll() throws(VectorStoreError) {
        try synchronize(state.withLock { $0.nextSequence - 1 })
    }
}
