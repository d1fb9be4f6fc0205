/// Reads a directory: the collections of its last checkpoint, and what the log says since.
struct DirectoryOpening {
    private let layer: any FileLayer
    private let files: DirectoryFiles
    private(set) var manifest: Manifest
    private(set) var report = OpeningReport()
    private var collections: [UInt64: InMemoryCollection] = [:]
    private var keys: [UTF8Key: UInt64] = [:]
    /// Where the log goes on: in its last file, behind the entries there.
    private(set) var log: WriteLog.Position
    /// What is behind them, with the file's header before it: of a call whose writing was interrupted.
    private(set) var torn: [UInt8] = []

    /// - Parameter manifest: The manifest, read before.
    init(_ layer: any FileLayer, _ files: DirectoryFiles, _ manifest: Manifest) throws(VectorStoreError) {
        self.layer = layer
        self.files = files
        self.manifest = manifest
        log = WriteLog.Position(
            header: LogHeader(store: manifest.store, number: 0, firstSequence: 1, previousEnd: 0), end: 0,
            nextSequence: 1, isMarked: true)
        try openCollections()
        try replay()
    }

    /// The collections, which write to a log from here on if there is one.
    func catalogue(_ log: WriteLog?) -> Catalogue {
        var opened: [UTF8Key: InMemoryCollection] = [:]
        for (name, key) in keys {
            opened[name] = log.flatMap { collections[key]?.logging(to: $0) } ?? collections[key]
        }
        return Catalogue(
            opened, Catalogue.Changes(sequence: manifest.catalogueSequence, nextKey: manifest.nextKey))
    }

    private mutating func openCollections() throws(VectorStoreError) {
        var mappings: [UInt64: MappedFile] = [:]
        for file in manifest.files {
            let mapping = try layer.map(files.data(file.number))
            // That it is the right one is what the checksums of its sections say, when they are read: nothing of the file
            // is read here.
            guard mapping.bytes.count == file.length else {
                throw corrupted(files.data(file.number), "the file is cut or is not one of this directory's")
            }
            mappings[file.number] = mapping
        }
        for saved in manifest.collections {
            let description = saved.description
            var snapshot = CollectionSnapshot()
            snapshot.sequence = saved.sequence
            for (chunk, dead) in saved.chunks {
                guard let mapping = mappings[chunk.file],
                    let stored = StoredRows(chunk, mapping, dimension: description.dimension),
                    let rows = RowChunk(stored, dimension: description.dimension)
                else { throw corrupted(files.manifest, "a chunk is not in its file", description.name) }
                let part = CollectionSnapshot.Part(
                    serial: chunk.serial, chunk: rows, count: Int(chunk.rows), dead: dead,
                    hasExtremes: chunk.hasExtremes)
                snapshot.parts.append(part)
                snapshot.liveCount += part.liveCount
            }
            var runs: [IdRun] = []
            for run in saved.runs {
                guard let mapping = mappings[run.file], let opened = IdRun(run, mapping) else {
                    throw corrupted(files.manifest, "a table of ids is not in its file", description.name)
                }
                runs.append(opened)
            }
            let collection = InMemoryCollection(
                description, key: saved.key, snapshot: snapshot,
                ids: IdIndex(IdHash(seed: manifest.hashSeed), runs: runs), nextSerial: saved.nextSerial)
            guard collections.updateValue(collection, forKey: saved.key) == nil,
                keys.updateValue(saved.key, forKey: UTF8Key(description.name)) == nil
            else { throw corrupted(files.manifest, "a collection is there twice", description.name) }
        }
    }

    /// Repeats what the log says, file by file.
    ///
    /// Another process may write meanwhile, where this one only reads. So names are asked for before files are read, and
    /// the header of each file before the bytes of the one that it continues: where it is there, these are complete.
    private mutating func replay() throws(VectorStoreError) {
        let names = try layer.names(in: files.path) ?? []
        log.isSuspect = names.contains("suspect")
        let numbers = names.compactMap(DirectoryFiles.logNumber).filter { $0 >= manifest.firstLog }.sorted()
        guard numbers.first == manifest.firstLog else {
            throw corrupted(files.log(manifest.firstLog), "the file is missing")
        }
        var number = manifest.firstLog
        while true {
            let next = numbers.contains(number + 1) ? try continuation(number + 1) : nil
            try replay(try layer.read(files.log(number)), number, next)
            if next == nil { break }
            number += 1
        }
        // The one behind the last has been looked at: it may have been begun since.
        for other in numbers where other > number + 1 {
            guard try continuation(other) == nil else {
                throw corrupted(files.log(other), "the file before it is missing")
            }
        }
    }

    /// The header of a file that goes on where the one before it ends; `nil` for a file without entries that does not.
    private func continuation(_ number: UInt64) throws(VectorStoreError) -> LogHeader? {
        let beginning = try layer.read(files.log(number), atMost: LogHeader.length + 1)
        guard let header = beginning.withUnsafeBytes({ LogHeader($0) }) else {
            // Without its header a file is one that was not begun: nothing was written to it.
            guard beginning.count <= LogHeader.length else {
                throw corrupted(files.log(number), "the header is damaged")
            }
            return nil
        }
        guard header.store == manifest.store, header.number == number else {
            throw corrupted(files.log(number), "the file is not one of this directory's")
        }
        if header.isContinuation { return header }
        // It was to begin a chain, and was not named by a manifest.
        guard beginning.count == LogHeader.length else {
            throw corrupted(files.log(number), "the manifest is not the one that names this file")
        }
        return nil
    }

    private mutating func replay(
        _ bytes: [UInt8], _ number: UInt64, _ next: LogHeader?
    ) throws(VectorStoreError) {
        let path = files.log(number)
        let outcome: Result<Void, VectorStoreError> = bytes.withUnsafeBytes { bytes in
            do throws(VectorStoreError) {
                let end = next.map { Int(clamping: $0.previousEnd) }
                guard var reading = LogReading(bytes, end: end), reading.header.store == manifest.store,
                    reading.header.number == number
                else { throw corrupted(path, "the header is damaged") }
                guard number == manifest.firstLog || reading.header.firstSequence == log.nextSequence else {
                    throw corrupted(path, "the file does not go on where the one before it ends")
                }
                guard end.map({ $0 >= LogHeader.length && $0 <= bytes.count }) ?? true else {
                    throw corrupted(path, "the file is cut")
                }
                while let (sequence, entry) = reading.next() { try replay(entry, sequence, path) }
                switch reading.end {
                case .whole: break
                case .torn where next == nil:
                    report.cutBytes = bytes.count - reading.offset
                    torn = Array(bytes[..<LogHeader.length]) + bytes[reading.offset...]
                case .torn, .damaged: throw corrupted(path, "byte \(reading.offset) and what follows is damaged")
                }
                log = WriteLog.Position(
                    header: reading.header, end: reading.offset, lengthBefore: log.lengthBefore + log.end,
                    nextSequence: reading.nextSequence,
                    isMarked: reading.isMarked, isSuspect: log.isSuspect)
                return .success(())
            } catch { return .failure(error) }
        }
        try outcome.get()
    }

    private mutating func replay(_ entry: LogEntry, _ sequence: UInt64, _ path: String) throws(VectorStoreError) {
        switch entry {
        case .create(let key, let description):
            guard sequence > manifest.catalogueSequence else { return }
            manifest.catalogueSequence = sequence
            manifest.nextKey = max(manifest.nextKey, key + 1)
            let collection = InMemoryCollection(description, key: key, ids: IdIndex(IdHash(seed: manifest.hashSeed)))
            guard collections.updateValue(collection, forKey: key) == nil else {
                throw corrupted(path, "a collection is created twice", description.name)
            }
            if let old = keys.updateValue(key, forKey: UTF8Key(description.name)) { collections[old] = nil }
        case .drop(let key):
            guard sequence > manifest.catalogueSequence else { return }
            manifest.catalogueSequence = sequence
            if let dropped = collections.removeValue(forKey: key) { keys[UTF8Key(dropped.description.name)] = nil }
        case .upsert(let key, _), .delete(let key, _):
            // One that was dropped before a writer was done with it is gone.
            guard let collection = collections[key], sequence > collection.snapshot.sequence else { return }
            do throws(VectorStoreError) { try collection.replay(entry, sequence) } catch {
                if error.code == .unavailable || error.code == .corruptedStorage { throw error }
                throw corrupted(path, "an entry does not fit its collection", collection.description.name)
            }
        case .mark: return
        }
        report.replayedCalls += 1
    }
}
