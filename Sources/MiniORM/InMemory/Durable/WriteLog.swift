internal import Dispatch
internal import Synchronization

/// The log: what is in it survives. Any number of threads append, and those that wait for the disk at the same time
/// wait once.
///
/// When the disk refuses a synchronization, the system may have dropped the pages and call the next attempt a success,
/// although the bytes are gone. So the file takes no more entries then, and the log stands still until a checkpoint has
/// put what was acknowledged elsewhere: ``rotate()`` begins a file that begins a chain, and ``goOn(in:)``, called when
/// the disk has the manifest that names that file, lets writers in.
///
/// Why nothing that was acknowledged is lost, and nothing is found behind a gap. A directory is opened by the manifest
/// that the disk has, M, whose chain of files begins with M's.
/// 1. A file that continues a chain is begun when the disk has said that it has all of the file before, which takes no
///    entries from that moment on. So every entry of a chain but in its last file is on the disk, and a chain has no gap
///    before its last file.
/// 2. A file that begins a chain gets its first entry when the disk has the manifest that names it. Until then the old
///    manifest is opened, whose chain does not lead to it, and whose last file is as it was; from then on the new one
///    is, and with it all that had been acknowledged, as the data files have it. There is no moment without either.
/// 3. A number is given to a second file only where no manifest can name the first: one that begins a chain has a new one
///    each time, as the disk may have a manifest although it has said that writing it failed.
/// 4. Whoever waits for an entry is told that it is kept when the disk has said so of the file that the entry is in, and
///    for no other reason: not when the log goes on in another file meanwhile (``State/lost``).
/// 5. Entries of the last file that nobody was told of, as their synchronization failed, may be found when it is opened
///    before such a checkpoint; nothing that was acknowledged comes after them.
final class WriteLog: Sendable {
    struct State {
        var file: any LayeredFile
        var header: LogHeader
        /// The lengths of the files that come before it, from the one that the manifest names.
        var lengthBefore: Int
        /// Where the entries end, and the number of the next one.
        var end: Int
        var nextSequence: UInt64
        /// The same for what the disk has.
        var synchronizedEnd: Int
        var synchronized: UInt64
        /// Whether there is no entry behind the last mark.
        var isMarked: Bool
        /// Why the file takes no more entries, and the last entry that the disk may still be asked for.
        var failure: VectorStoreError?
        var trusted: UInt64 = 0
        /// The file that the log goes on in after a failure, when there is a manifest that names it.
        var next: (file: any LayeredFile, header: LogHeader)?
        /// The highest number of a file so far.
        var lastNumber: UInt64
        /// Entries of files that were given up before the disk said that it has them; a pair of numbers for each failure.
        var lost: [ClosedRange<UInt64>] = []
        var isSynchronizing = false
        var isClosed = false
        /// Whether the timer of ``Durability/Synchronization/every(_:)`` runs.
        var isScheduled = false
        var waiting: [DispatchSemaphore] = []
        /// Called when the timer's synchronization has failed, as nobody else may notice.
        var whenFailed: @Sendable () -> Void = {}
    }

    /// Where a log goes on: behind the entries of a file that has been read.
    struct Position {
        var header: LogHeader
        var end: Int
        /// The lengths of the files before.
        var lengthBefore = 0
        var nextSequence: UInt64
        /// Whether the last entry is a mark, or there is none.
        var isMarked: Bool
        /// Whether a process ended while the disk may not have had all that is read of the file.
        var isSuspect = false
    }

    let files: any FileLayer
    let directory: String
    let synchronization: Durability.Synchronization
    let state: Mutex<State>
    private let timer = DispatchQueue(label: "mini-orm.log")

    static func path(_ directory: String, _ number: UInt64) -> String { directory + "/log-\(number)" }
    /// A file that says, to the next process, that what can be read of the log may not be on the disk. Of no use after a
    /// power cut, so that it need not be there then.
    static func suspicion(_ directory: String) -> String { directory + "/suspect" }

    /// Goes on behind the entries of a file.
    init(
        _ files: any FileLayer, _ directory: String, _ position: Position, _ synchronization: Durability.Synchronization
    ) throws(VectorStoreError) {
        self.files = files
        self.directory = directory
        self.synchronization = synchronization
        let file = try files.open(Self.path(directory, position.header.number), isNew: false)
        // Whatever was not written to its end must not be there when the next entries are.
        try file.truncate(to: position.end)
        do throws(VectorStoreError) { try file.synchronize() } catch {
            Self.suspect(files, directory)
            throw error
        }
        let last = position.nextSequence - 1
        var state = State(
            file: file, header: position.header, lengthBefore: position.lengthBefore, end: position.end,
            nextSequence: position.nextSequence,
            synchronizedEnd: position.end, synchronized: last, isMarked: position.isMarked,
            lastNumber: position.header.number)
        if position.isSuspect {
            state.trusted = last
            state.failure = VectorStoreError(
                .unavailable, "the log is that of a process that ended after a failure of the disk", store: "memory")
        }
        self.state = Mutex(state)
    }

    /// The length of all that would have to be repeated.
    var length: Int { state.withLock { $0.lengthBefore + $0.end } }
    /// Why nothing can be written until there is a checkpoint.
    var failure: VectorStoreError? { state.withLock { $0.failure } }

    func whenFailed(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.whenFailed = body } }

    /// Appends entries and returns when they are kept, by the policy; the number of the last one. Of entries that could
    /// not be appended nothing stays.
    func append(_ entries: [EncodedLogEntry]) throws(VectorStoreError) -> UInt64 {
        let last = try state.withLock { state throws(VectorStoreError) in
            guard !state.isClosed else {
                throw VectorStoreError(.unavailable, "the store is closed; open the directory again", store: "memory")
            }
            if let failure = state.failure { throw failure }
            try write(entries, &state)
            state.isMarked = false
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
            do throws(VectorStoreError) {
                try synchronize(last)
                // Where nothing came since, as later entries say it too.
                state.withLock { if $0.nextSequence == last + 1, !$0.isClosed { mark(&$0) } }
            } catch {
                state.withLock { $0.whenFailed }()
            }
        }
    }

    /// Writes down that the disk has all entries. Nothing is lost where that fails: a damaged last entry may then be
    /// taken for one whose writing was interrupted.
    private func mark(_ state: inout State) {
        guard state.failure == nil, !state.isMarked, state.synchronized == state.nextSequence - 1,
            let mark = try? LogEntry.mark.encoded(), (try? write([mark], &state)) != nil
        else { return }
        state.isMarked = true
    }

    private func write(_ entries: [EncodedLogEntry], _ state: inout State) throws(VectorStoreError) {
        var offset = state.end
        var sequence = state.nextSequence
        var pending: [UInt8] = []
        let file = state.file
        func flush(_ bytes: [UInt8]) throws(VectorStoreError) {
            try file.write(bytes, at: offset)
            offset += bytes.count
        }
        do throws(VectorStoreError) {
            for entry in entries {
                pending += entry.header(
                    sequence: sequence, synchronized: state.synchronized, salt: state.header.salt)
                sequence += 1
                // Small ones together, large ones from where they are.
                let isLarge = entry.body.count > 1 << 16
                if !isLarge { pending += entry.body }
                if isLarge || pending.count > 1 << 20 {
                    try flush(pending)
                    pending.removeAll(keepingCapacity: true)
                }
                if isLarge { try flush(entry.body) }
            }
            if !pending.isEmpty { try flush(pending) }
        } catch {
            // A part may be there. If it cannot be taken away, nothing is written behind it.
            do throws(VectorStoreError) { try state.file.truncate(to: state.end) } catch {
                distrust(&state, from: state.end, state.nextSequence - 1, error)
            }
            throw error
        }
        state.end = offset
        state.nextSequence = sequence
    }

    /// Ends the use of the file. A failure that comes after another may leave less to be trusted.
    func distrust(_ state: inout State, from end: Int, _ sequence: UInt64, _ cause: VectorStoreError) {
        Self.suspect(files, directory)
        // Nobody was told that they were kept, so that they need not be found after a crash.
        // Once the log is closed, another process may write to the file.
        if synchronization == .always, !state.isClosed { try? state.file.truncate(to: end) }
        state.trusted = state.failure == nil ? sequence : min(state.trusted, sequence)
        guard state.failure == nil else { return }
        state.failure = VectorStoreError(
            .unavailable,
            "the log could not be written (\(cause.message)); what was acknowledged can be read, and the next write "
                + "makes a checkpoint first",
            store: "memory", cause: cause)
    }

    /// Without a promise: it is for a process that is killed between a failure and the checkpoint that follows it.
    private static func suspect(_ files: any FileLayer, _ directory: String) {
        _ = try? files.open(suspicion(directory), isNew: true)
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
            let isCurrent = state.withLock { state in
                defer { endTurn(&state) }
                // Where a checkpoint has gone on in another file meanwhile, this one says nothing of that.
                guard state.file === file else { return false }
                if let failure {
                    distrust(&state, from: state.synchronizedEnd, state.synchronized, failure)
                } else {
                    state.synchronizedEnd = end
                    state.synchronized = last
                }
                return true
            }
            if isCurrent, let failure { throw failure }
        }
    }

    /// Waits until this thread is the one to ask the disk; no file when there is nothing to ask for.
    private func turn(_ sequence: UInt64) throws(VectorStoreError) -> ((any LayeredFile)?, Int, UInt64) {
        while true {
            let semaphore = DispatchSemaphore(value: 0)
            let turn: ((any LayeredFile)?, Int, UInt64)? = try state.withLock { state throws(VectorStoreError) in
                if state.lost.contains(where: { $0.contains(sequence) }) {
                    throw VectorStoreError(.unavailable, "the disk failed before it had the call", store: "memory")
                }
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

    /// Takes no more entries.
    func close() { state.withLock { $0.isClosed = true } }

    /// Waits until the disk has all entries, and writes down that it has.
    func synchronizeAll() throws(VectorStoreError) {
        try synchronizeRest()
        state.withLock { state in mark(&state) }
        try synchronizeRest()
    }

    /// Asks for nothing where a checkpoint has made up for a failure: what that has cost was told to those who wrote it.
    private func synchronizeRest() throws(VectorStoreError) {
        let last: UInt64? = state.withLock { state in
            state.synchronized < state.nextSequence - 1 ? state.nextSequence - 1 : nil
        }
        if let last { try synchronize(last) }
    }
}
