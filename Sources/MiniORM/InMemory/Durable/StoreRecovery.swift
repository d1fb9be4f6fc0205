/// What ``InMemoryVectorStore/recover(at:to:)`` could not save.
public struct RecoveryReport: Sendable, Hashable {
    /// Records that were saved.
    public var savedRecords = 0
    /// Records that could not be read, in the last checkpoint.
    public var lostRecords = 0
    /// The ids of lost records, as far as these could be read.
    public var lostIDs: [String] = []
    /// Calls in the log that could not be read. What others wrote to the same records afterwards is saved.
    public var lostCalls = 0
    /// Whether calls behind the last one that could be read may have been lost: the log could not be followed to its end.
    public var isLogCut = false
    /// Bytes at the end of the log that could not be read: of a call whose writing was interrupted, and which was never
    /// acknowledged, or damaged ones, which look the same there (see ``OpeningReport/cutBytes``).
    public var cutBytes = 0
    /// What was damaged: files and what is wrong with them.
    public var damage: [String] = []

    /// Whether everything was saved. Not where the log ends with bytes that could not be read, although these may be of
    /// a call that nobody was told was kept.
    public var isComplete: Bool { lostRecords == 0 && lostCalls == 0 && !isLogCut && cutBytes == 0 }
}

extension InMemoryVectorStore {
    /// Saves what can be read in a damaged directory to a new one.
    ///
    /// The damaged directory is not changed. Of its last checkpoint every chunk of rows that can be read is saved, up to
    /// some thousand records each; of the log every call that can be read is repeated, also behind one that cannot. A
    /// record that was deleted or replaced by a lost call is saved as it was before. Where the manifest is damaged its
    /// second copy is used; where both are, or the file is gone, nothing can be saved.
    ///
    /// - Parameters:
    ///   - damaged: The directory. No store may write to it meanwhile.
    ///   - directory: A directory that is not there yet, or is empty.
    /// - Returns: What was saved and what was lost.
    /// - Throws: ``VectorStoreError/Code/invalidArgument`` where the new directory holds something;
    ///   ``VectorStoreError/Code/corruptedStorage`` where nothing can be saved; what the disk refuses.
    @discardableResult
    public static func recover(at damaged: String, to directory: String) throws(VectorStoreError) -> RecoveryReport {
        try recover(at: damaged, to: directory, on: SystemFiles())
    }

    static func recover(
        at damaged: String, to directory: String, on layer: any FileLayer
    ) throws(VectorStoreError) -> RecoveryReport {
        guard try layer.names(in: directory)?.isEmpty ?? true else {
            throw VectorStoreError(
                .invalidArgument, "\(directory.quoted) holds something; recover to a new directory", store: "memory")
        }
        var recovery = try StoreRecovery(layer, DirectoryFiles(path: damaged))
        var durability = Durability()
        durability.synchronization = .never
        let store = try InMemoryVectorStore(at: directory, on: layer, durability: durability)
        try recovery.write(to: store)
        try store.checkpoint()
        try store.close()
        return recovery.report
    }
}

/// Reads a directory and goes round what is damaged.
private struct StoreRecovery {
    private let layer: any FileLayer
    private let files: DirectoryFiles
    private let manifest: Manifest
    private(set) var report = RecoveryReport()
    /// In memory, as the log has to be repeated by numbers of collections.
    private var names: [UInt64: String] = [:]
    private var sequences: [UInt64: UInt64] = [:]
    /// Collections that the log drops. What others were still writing to one of them is no loss.
    private var dropped: Set<UInt64> = []
    /// Collections whose creation was lost.
    private var missing: Set<UInt64> = []
    /// The number of the next call in the log, as far as it could be followed.
    private var nextSequence: UInt64?

    init(_ layer: any FileLayer, _ files: DirectoryFiles) throws(VectorStoreError) {
        self.layer = layer
        self.files = files
        guard try layer.names(in: files.path) != nil else {
            throw VectorStoreError(.unavailable, "there is no directory \(files.path.quoted)", store: "memory")
        }
        guard try layer.exists(files.manifest) else {
            throw VectorStoreError(
                .corruptedStorage,
                "\(files.path.quoted) has no manifest, without which nothing can be read; restore the directory from a "
                    + "backup",
                store: "memory")
        }
        let bytes = try layer.read(files.manifest)
        do throws(Manifest.Unreadable) { manifest = try Manifest(bytes, usesSecond: true) } catch {
            throw VectorStoreError(
                .corruptedStorage,
                "\(files.manifest.quoted) and its copy are damaged; restore the directory from a backup",
                store: "memory")
        }
        if (try? Manifest(bytes)) == nil { report.damage.append("manifest: the first copy is damaged") }
    }

    mutating func write(to store: InMemoryVectorStore) throws(VectorStoreError) {
        for collection in manifest.collections { try write(collection, to: store) }
        try replay(to: store)
        for name in try store.listCollections() {
            report.savedRecords += try store.count(CountRequest(collection: name))
        }
    }

    private mutating func write(
        _ saved: Manifest.Collection, to store: InMemoryVectorStore
    ) throws(VectorStoreError) {
        let description = saved.description
        try store.createCollection(CreateCollectionRequest(collection: description, mode: .overwrite))
        names[saved.key] = description.name
        sequences[saved.key] = saved.sequence
        for (chunk, dead) in saved.chunks {
            let live = Int(chunk.rows) - dead.count
            guard let mapping = try? layer.map(files.data(chunk.file)),
                let stored = StoredRows(chunk, mapping, dimension: description.dimension),
                let rows = RowChunk(stored, dimension: description.dimension)
            else {
                lose(live, "data-\(chunk.file): the file is cut or missing")
                continue
            }
            let isIntact = rows.isIntact
            var records: [VectorRecord] = []
            for row in 0..<Int(chunk.rows) where !dead.contains(row) {
                if isIntact {
                    records.append(rows.record(row))
                } else if stored.isIntact(.identities) {
                    report.lostIDs.append(rows.id(row))
                }
            }
            // Payloads are looked at one by one.
            if isIntact, !stored.isDamaged {
                try store.upsert(UpsertRequest(collection: description.name, records: records))
            } else {
                lose(live, "data-\(chunk.file): \(live) records of \(description.name.quoted) are damaged")
            }
        }
    }

    private mutating func lose(_ records: Int, _ damage: String) {
        report.lostRecords += records
        report.damage.append(damage)
    }

    /// Repeats every call that can be read, file by file.
    private mutating func replay(to store: InMemoryVectorStore) throws(VectorStoreError) {
        let present = try layer.names(in: files.path) ?? []
        for number in present.compactMap(DirectoryFiles.cutNumber).sorted() {
            report.damage.append("cut-\(number): bytes that were cut from the log at an opening are not looked at")
        }
        let numbers = present.compactMap(DirectoryFiles.logNumber).filter { $0 >= manifest.firstLog }.sorted()
        var last = manifest.firstLog - 1
        for (index, number) in numbers.enumerated() {
            let bytes = try layer.read(files.log(number))
            let header = bytes.withUnsafeBytes { LogHeader($0) }
            // No chain leads to a file that begins one, and it has no entries.
            if number > manifest.firstLog, header?.isContinuation != true, bytes.count <= LogHeader.length { continue }
            if number != last + 1 { cut("log-\(last + 1): the file is missing") }
            last = number
            var next: LogHeader?
            if index + 1 < numbers.count, numbers[index + 1] == number + 1 {
                next = try layer.read(files.log(number + 1), atMost: LogHeader.length).withUnsafeBytes { LogHeader($0) }
            }
            let end = next.flatMap { $0.isContinuation ? Int(clamping: $0.previousEnd) : nil }
            let isLast = index + 1 == numbers.count
            let outcome: Result<Void, VectorStoreError> = bytes.withUnsafeBytes { bytes in
                do throws(VectorStoreError) {
                    return .success(try replay(bytes, end: end, number, isLast: isLast, to: store))
                } catch { return .failure(error) }
            }
            try outcome.get()
        }
        if last < manifest.firstLog { cut("log-\(manifest.firstLog): the file is missing") }
    }

    private mutating func cut(_ damage: String) {
        report.isLogCut = true
        report.damage.append(damage)
    }

    private mutating func lose(calls: UInt64, _ damage: String) {
        lose(calls: calls)
        report.damage.append(damage)
    }

    /// A log says how many, and may say anything.
    private mutating func lose(calls: UInt64) {
        let (sum, overflow) = report.lostCalls.addingReportingOverflow(Int(clamping: calls))
        report.lostCalls = overflow ? .max : sum
    }

    private mutating func replay(
        _ bytes: UnsafeRawBufferPointer, end: Int?, _ number: UInt64, isLast: Bool, to store: InMemoryVectorStore
    ) throws(VectorStoreError) {
        var reading: LogReading
        if let whole = LogReading(bytes, end: end), whole.header.store == manifest.store,
            whole.header.number == number
        {
            reading = whole
            if let nextSequence, nextSequence < whole.nextSequence {
                lose(calls: whole.nextSequence - nextSequence, "log-\(number): calls before it are missing")
            }
        } else if let headless = LogReading(
            bytes, end: end, store: manifest.store, number: number, from: nextSequence ?? 1)
        {
            report.damage.append("log-\(number): the header is damaged")
            reading = headless
            // Without it, nobody knows which call is the first.
            if nextSequence == nil { reading.beginAtFirstEntry() }
        } else {
            // Nothing is written to a file before its header.
            if bytes.count > LogHeader.length || !isLast { cut("log-\(number): the header is damaged") }
            return
        }
        while true {
            while let (sequence, entry) = reading.next() { try replay(entry, sequence, to: store) }
            let offset = reading.offset
            nextSequence = reading.nextSequence
            if case .whole = reading.end {
                if let end, end > bytes.count { cut("log-\(number): the file is cut") }
                return
            }
            let isTorn = if case .torn = reading.end { isLast } else { false }
            guard let lost = reading.skip() else {
                if isTorn {
                    report.cutBytes = bytes.count - offset
                    report.damage.append("log-\(number): \(report.cutBytes) bytes at the end cannot be read")
                } else {
                    cut("log-\(number): damaged from byte \(offset) on")
                }
                return
            }
            lose(calls: lost, "log-\(number): byte \(offset) and what follows is damaged")
        }
    }

    private mutating func replay(
        _ entry: LogEntry, _ sequence: UInt64, to store: InMemoryVectorStore
    ) throws(VectorStoreError) {
        do throws(VectorStoreError) {
            switch entry {
            case .create(let key, let description):
                guard sequence > manifest.catalogueSequence else { return }
                try store.createCollection(CreateCollectionRequest(collection: description, mode: .overwrite))
                for (old, name) in names where UTF8Key(name) == UTF8Key(description.name) { drop(old) }
                names[key] = description.name
            case .drop(let key):
                guard sequence > manifest.catalogueSequence else { return }
                if let name = drop(key) { try store.dropCollection(name) }
            case .upsert(let key, let records):
                guard let name = name(of: key, sequence) else { return }
                try store.upsert(UpsertRequest(collection: name, records: records))
            case .delete(let key, let ids):
                guard let name = name(of: key, sequence) else { return }
                _ = try store.delete(DeleteRequest(collection: name, ids: ids))
            case .mark: return
            }
        } catch {
            // An entry that does not fit is lost; a disk that fails ends the recovery.
            guard error.code == .invalidVector || error.code == .collectionNotFound else { throw error }
            lose(calls: 1, "log: call \(sequence) does not fit its collection")
        }
    }

    @discardableResult
    private mutating func drop(_ key: UInt64) -> String? {
        dropped.insert(key)
        return names.removeValue(forKey: key)
    }

    /// The collection that a call is for, if it is to be repeated.
    private mutating func name(of key: UInt64, _ sequence: UInt64) -> String? {
        if let name = names[key] { return sequence > sequences[key] ?? 0 ? name : nil }
        // Of an older collection the checkpoint says that it is gone.
        if dropped.contains(key) || key < manifest.nextKey { return nil }
        lose(calls: 1)
        if missing.insert(key).inserted {
            report.damage.append("log: the creation of collection \(key) is lost, and with it what was written there")
        }
        return nil
    }
}
