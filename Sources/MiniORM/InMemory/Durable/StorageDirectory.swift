internal import Dispatch
internal import Synchronization

/// The directory behind a store: its lock, its log and its checkpoints.
final class StorageDirectory: Sendable {
    private struct State {
        var manifest: Manifest
        var isClosed = false
        /// Held while this store may write.
        var lock: (any DirectoryLock)?
    }

    private let layer: any FileLayer
    let files: DirectoryFiles
    let catalogue: Catalogue
    let report: OpeningReport
    private let durability: Durability
    /// `nil` where the store only reads.
    private let log: WriteLog?
    private let hashSeed: UInt64
    /// Held while a checkpoint is made.
    private let state: Mutex<State>
    private let background = DispatchQueue(label: "mini-orm.checkpoint")
    private let isScheduled = Atomic(false)
    /// How long the log was when a checkpoint that was due failed; 0 where none has since.
    private let lengthAtFailure = Atomic(0)
    /// Whether nobody has the store any more.
    private let isLetGo = Atomic(false)

    /// Opens a directory, or begins one.
    init(
        _ layer: any FileLayer, _ path: String, _ durability: Durability, readOnly: Bool
    ) throws(VectorStoreError) {
        self.layer = layer
        self.durability = durability
        var lock: (any DirectoryLock)?
        if readOnly {
            guard try layer.names(in: path) != nil else {
                throw VectorStoreError(.unavailable, "there is no directory \(path.quoted)", store: "memory")
            }
        } else {
            try layer.makeDirectory(path)
        }
        let path = try layer.resolved(path)
        files = DirectoryFiles(path: path)
        if !readOnly { lock = try layer.lock(files.lock) }
        let opening = try Self.open(layer, files, readOnly: readOnly)
        hashSeed = opening.manifest.hashSeed
        var report = opening.report
        if readOnly {
            log = nil
        } else {
            report.cutFile = try Self.setAside(opening.torn, layer, files)
            log = try WriteLog(layer, path, opening.log, durability.synchronization)
        }
        self.report = report
        catalogue = opening.catalogue(log)
        state = Mutex(State(manifest: opening.manifest, lock: lock))
        if !readOnly {
            // The manifest that was read may have its name in memory alone.
            try layer.synchronize(directory: path)
            try? removeStrays(opening.manifest, lastLog: opening.log.header.number)
        }
        log?.whenFailed { [weak self] in self?.makeUpForFailure(after: 0) }
    }

    private static func open(
        _ layer: any FileLayer, _ files: DirectoryFiles, readOnly: Bool
    ) throws(VectorStoreError) -> DirectoryOpening {
        var attempts = 0
        while true {
            let manifest = try manifest(layer, files, readOnly: readOnly)
            do throws(VectorStoreError) { return try DirectoryOpening(layer, files, manifest) } catch {
                // A checkpoint of the process that writes removes what the manifest before it names.
                attempts += 1
                guard readOnly, attempts < 100,
                    try self.manifest(layer, files, readOnly: true).firstLog
                        != manifest.firstLog
                else { throw error }
            }
        }
    }

    /// How many files of cut bytes stay.
    private static let mostCuts: UInt64 = 16

    /// Keeps what is about to be cut from the log, as damage may look like the end of a writing that was interrupted.
    private static func setAside(
        _ torn: [UInt8], _ layer: any FileLayer, _ files: DirectoryFiles
    ) throws(VectorStoreError) -> String? {
        guard torn.dropFirst(LogHeader.length).contains(where: { $0 != 0 }) else { return nil }
        let numbers = (try layer.names(in: files.path) ?? []).compactMap(DirectoryFiles.cutNumber)
        let number = (numbers.max() ?? 0) + 1
        do throws(VectorStoreError) {
            let file = try layer.open(files.cut(number), isNew: true)
            try file.write(torn, at: 0)
            try file.synchronize()
            try layer.synchronize(directory: files.path)
        } catch {
            // The log has it still.
            try? layer.remove(files.cut(number))
            throw error
        }
        for old in numbers where old + mostCuts <= number { try layer.remove(files.cut(old)) }
        return files.cut(number)
    }

    private static func manifest(
        _ layer: any FileLayer, _ files: DirectoryFiles, readOnly: Bool
    ) throws(VectorStoreError) -> Manifest {
        let names = try layer.names(in: files.path) ?? []
        guard names.contains("manifest") else {
            // A log without an entry is one of a store that was not begun to its end; anything else belongs to one
            // whose manifest is gone.
            let log = names.contains("log-1") ? try layer.read(files.log(1)) : []
            let isBegun = log.count > LogHeader.length
            let numbers = names.compactMap { DirectoryFiles.logNumber($0) ?? DirectoryFiles.dataNumber($0) }
            guard !isBegun, numbers.allSatisfy({ $0 == 1 }), !names.contains("data-1") else {
                throw VectorStoreError(
                    .corruptedStorage,
                    "\(files.path.quoted) has data and no manifest, without which nothing can be read; restore the "
                        + "directory from a backup",
                    store: "memory")
            }
            // A listing that ends too early must not cost what it left out.
            guard try !layer.exists(files.manifest) else {
                throw VectorStoreError(
                    .unavailable, "\(files.path.quoted) cannot be listed; open it again", store: "memory")
            }
            guard !readOnly else {
                throw VectorStoreError(
                    .unavailable, "there is no store in the directory \(files.path.quoted)", store: "memory")
            }
            return try begin(layer, files)
        }
        let bytes = try layer.read(files.manifest)
        do throws(Manifest.Unreadable) { return try Manifest(bytes) } catch {
            switch error {
            case .damaged: throw corrupted(files.manifest, "the manifest is damaged")
            case .version(let version):
                throw VectorStoreError(
                    .corruptedStorage,
                    "\(files.path.quoted) has version \(version); this library reads version \(Manifest.version)",
                    store: "memory")
            }
        }
    }

    /// Begins a store: the log first, as a manifest promises one.
    private static func begin(_ layer: any FileLayer, _ files: DirectoryFiles) throws(VectorStoreError) -> Manifest {
        let manifest = Manifest(
            store: .random(in: 1...UInt64.max), hashSeed: .random(in: 0...UInt64.max), firstLog: 1)
        let header = LogHeader(store: manifest.store, number: 1, firstSequence: 1, previousEnd: 0)
        try WriteLog.begin(layer, files.path, header)
        try publish(manifest, layer, files)
        return manifest
    }

    /// Makes a manifest the one that is opened, in one step.
    static func publish(
        _ manifest: Manifest, _ layer: any FileLayer, _ files: DirectoryFiles
    ) throws(VectorStoreError) {
        try draft(manifest, layer, files)
        try publishDraft(layer, files)
    }

    /// Writes a manifest that nobody opens yet; nothing of it stays where that fails.
    private static func draft(
        _ manifest: Manifest, _ layer: any FileLayer, _ files: DirectoryFiles
    ) throws(VectorStoreError) {
        do throws(VectorStoreError) {
            try layer.remove(files.draft)
            let draft = try layer.open(files.draft, isNew: true)
            try draft.write(manifest.bytes, at: 0)
            try draft.synchronize()
        } catch {
            try? layer.remove(files.draft)
            throw error
        }
    }

    private static func publishDraft(_ layer: any FileLayer, _ files: DirectoryFiles) throws(VectorStoreError) {
        try layer.rename(files.draft, to: files.manifest)
        try layer.synchronize(directory: files.path)
    }

    /// Removes files that no manifest needs any more.
    private func removeStrays(_ manifest: Manifest, lastLog: UInt64) throws(VectorStoreError) {
        let kept = Set(manifest.files.map(\.number))
        for name in try layer.names(in: files.path) ?? [] {
            let isStray =
                DirectoryFiles.dataNumber(name).map { !kept.contains($0) }
                ?? DirectoryFiles.logNumber(name).map { $0 < manifest.firstLog || $0 > lastLog } ?? false
            if isStray { try layer.remove(files.path + "/" + name) }
        }
    }

    /// Where a new collection finds its ids.
    var emptyIndex: IdIndex { IdIndex(IdHash(seed: hashSeed)) }
}

// Writing.
extension StorageDirectory {
    /// The log, for a store that may write.
    func writableLog() throws(VectorStoreError) -> WriteLog {
        guard let log else {
            throw VectorStoreError(
                .unauthorized, "the store was opened with readOnly: true; open it without to write", store: "memory")
        }
        return log
    }

    /// Called before a write. After a failure of the disk a checkpoint comes first: what has been acknowledged is
    /// written anew, and the log goes on in another file.
    func prepareToWrite() throws(VectorStoreError) {
        let log = try writableLog()
        if log.failure != nil { try checkpoint { log.failure != nil } }
    }

    /// Called before a collection is made sure of, which is no write where it is there.
    func prepareToCreate(_ request: CreateCollectionRequest, _ catalogue: Catalogue) throws(VectorStoreError) {
        if request.mode == .ensure, catalogue[request.collection.name] != nil { return }
        try prepareToWrite()
    }

    /// Called after a write: starts a checkpoint where the log is long.
    func noteWrite() {
        let limit = min(max(1 << 16, durability.checkpointBytes), 1 << 60)
        guard let log, isDue(log, limit) else { return }
        // Writers that are faster than checkpoints wait for one.
        if log.length > 4 * limit {
            tryCheckpoint(log, limit)
            return
        }
        if isScheduled.exchange(true, ordering: .relaxed) { return }
        // Not when nobody has the store any more by then.
        background.async { [weak self] in
            guard let self else { return }
            isScheduled.store(false, ordering: .relaxed)
            tryCheckpoint(log, limit)
        }
    }

    /// What fails here is tried again when the log has grown by a quarter of the limit; it has everything.
    private func tryCheckpoint(_ log: WriteLog, _ limit: Int) {
        do throws(VectorStoreError) {
            try checkpoint { isDue(log, limit) }
            lengthAtFailure.store(0, ordering: .relaxed)
        } catch {
            lengthAtFailure.store(log.length, ordering: .relaxed)
        }
    }

    private func isDue(_ log: WriteLog, _ limit: Int) -> Bool {
        log.length > max(limit, lengthAtFailure.load(ordering: .relaxed) + limit / 4)
    }

    /// Makes the checkpoint that is due after a failure, also where nobody writes any more.
    private func makeUpForFailure(after seconds: Double) {
        background.asyncAfter(deadline: .now() + seconds) { [weak self] in
            guard let self, let log, log.failure != nil else { return }
            do throws(VectorStoreError) { try checkpoint { log.failure != nil } } catch {
                if !state.withLock({ $0.isClosed }) { makeUpForFailure(after: min(60, seconds * 2 + 1)) }
            }
        }
    }

    /// Makes a checkpoint now.
    ///
    /// - Parameter isNeeded: Asked when those that were being made are done, as one is enough for all who wait.
    func checkpoint(where isNeeded: () -> Bool = { true }) throws(VectorStoreError) {
        let log = try writableLog()
        try state.withLock { state throws(VectorStoreError) in
            guard !state.isClosed else { throw Self.closed }
            if isNeeded() { try checkpoint(log, &state) }
        }
    }

    private func checkpoint(_ log: WriteLog, _ state: inout State) throws(VectorStoreError) {
        try checkPlace(state.lock)
        let firstLog = try log.rotate()
        // Whoever was writing to the file before is done when the locks are ours.
        let (changes, collections) = catalogue.changes.withLock { changes in
            (changes, catalogue.collections.withLock { Array($0.values) })
        }
        // Never twice, as a manifest may be on the disk although the disk has said that it failed.
        state.manifest.nextFile += 1
        var manifest = state.manifest
        manifest.firstLog = firstLog
        manifest.catalogueSequence = changes.sequence
        manifest.nextKey = changes.nextKey
        try Checkpoint(layer, files).write(collections.sorted { $0.key < $1.key }, into: &manifest) {
            () throws(VectorStoreError) in
            if isLetGo.load(ordering: .relaxed) { throw Self.closed }
        }
        try checkPlace(state.lock)
        do throws(VectorStoreError) { try Self.draft(manifest, layer, files) } catch {
            // Room that others need; from here on a manifest on the disk may name it.
            try? layer.remove(files.data(manifest.nextFile - 1))
            throw error
        }
        try Self.publishDraft(layer, files)
        state.manifest = manifest
        log.goOn(in: firstLog)
        // What is left over is removed after the next checkpoint, or when the directory is opened.
        try? removeStrays(manifest, lastLog: .max)
    }

    /// Refuses to write into a directory that has been put in the place of the one that is locked: files are made by name.
    private func checkPlace(_ lock: (any DirectoryLock)?) throws(VectorStoreError) {
        guard lock?.isInPlace ?? true else {
            throw VectorStoreError(
                .unavailable,
                "\(files.path.quoted) is no longer the directory that was opened; open the store again where it is now",
                store: "memory")
        }
    }

    private static var closed: VectorStoreError {
        VectorStoreError(.unavailable, "the store is closed; open the directory again", store: "memory")
    }

    /// Called when nobody has the store any more: a checkpoint that is being made is given up, as the log has everything,
    /// and others may write to the directory.
    func letGo() {
        guard let log else { return }
        isLetGo.store(true, ordering: .relaxed)
        state.withLock { state in
            log.close()
            state.isClosed = true
            state.lock = nil
        }
    }

    /// Makes a last checkpoint where there is much to repeat, and lets others write to the directory.
    func close() throws(VectorStoreError) {
        guard let log else { return }
        try state.withLock { state throws(VectorStoreError) in
            if state.isClosed { return }
            defer {
                state.isClosed = true
                state.lock = nil
            }
            let isLong = log.failure != nil || log.length > 1 << 20
            log.close()
            if isLong { try checkpoint(log, &state) } else { try log.synchronizeAll() }
        }
    }
}
