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
    /// What was damaged: files and what is wrong with them.
    public var damage: [String] = []

    /// Whether everything was saved.
    public var isComplete: Bool { lostRecords == 0 && lostCalls == 0 && !isLogCut }
}

extension InMemoryVectorStore {
    /// Saves what can be read in a damaged directory to a new one.
    ///
    /// The damaged directory is not changed. Of its last checkpoint every chunk of rows that can be read is saved, up to
    /// some thousand records each; of the log every call that can be read is repeated, also behind one that cannot. A
    /// record that was deleted or replaced by a lost call is saved as it was before. Where the manifest is damaged its
    /// second copy is used; where both are, nothing can be saved.
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

    init(_ layer: any FileLayer, _ files: DirectoryFiles) throws(VectorStoreError) {
        self.layer = layer
        self.files = files
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
        let numbers = present.compactMap(DirectoryFiles.logNumber).filter { $0 >= manifest.firstLog }.sorted()
        if numbers.first != manifest.firstLog { cut("log-\(manifest.firstLog): the file is missing") }
        for (index, number) in numbers.enumerated() {
            let bytes = try layer.read(files.log(number))
            let next = index + 1 < numbers.count ? try layer.read(files.log(numbers[index + 1])) : []
            // What lies behind the end that the next file knows is of calls that failed.
            let end = next.withUnsafeBytes { LogHeader($0) }.map { Int(clamping: $0.previousEnd) }
            let outcome: Result<Void, VectorStoreError> = bytes.withUnsafeBytes { bytes in
                do throws(VectorStoreError) {
                    return .success(try replay(bytes, end: end, number, isLast: index + 1 == numbers.count, to: store))
                } catch { return .failure(error) }
            }
            try outcome.get()
        }
    }

    private mutating func cut(_ damage: String) {
        report.isLogCut = true
        report.damage.append(damage)
    }

    private mutating func replay(
        _ bytes: UnsafeRawBufferPointer, end: Int?, _ number: UInt64, isLast: Bool, to store: InMemoryVectorStore
    ) throws(VectorStoreError) {
        guard var reading = LogReading(bytes, end: end), reading.header.store == manifest.store else {
            // Nothing is written to a file before its header.
            if bytes.count > LogHeader.length || !isLast { cut("log-\(number): the header is damaged") }
            return
        }
        while true {
            while let (sequence, entry) = reading.next() { try replay(entry, sequence, to: store) }
            let end = reading.end
            if case .whole = end { return }
            if case .torn = end, isLast { return }
            let offset = reading.offset
            guard let lost = reading.skip() else { return cut("log-\(number): damaged from byte \(offset) on") }
            report.lostCalls += Int(clamping: lost)
            report.damage.append("log-\(number): byte \(offset) and what follows is damaged")
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
                names = names.filter { $0.value.utf8.elementsEqual(description.name.utf8) == false }
                names[key] = description.name
            case .drop(let key):
                guard sequence > manifest.catalogueSequence, let name = names.removeValue(forKey: key) else { return }
                try store.dropCollection(name)
            case .upsert(let key, let records):
                guard sequence > sequences[key] ?? 0, let name = names[key] else { return }
                try store.upsert(UpsertRequest(collection: name, records: records))
            case .delete(let key, let ids):
                guard sequence > sequences[key] ?? 0, let name = names[key] else { return }
                _ = try store.delete(DeleteRequest(collection: name, ids: ids))
            }
        } catch {
            // An entry that does not fit is lost; a disk that fails ends the recovery.
            guard error.code == .invalidVector || error.code == .collectionNotFound else { throw error }
            report.lostCalls += 1
            report.damage.append("log: call \(sequence) does not fit its collection")
        }
    }
}
