/// Writes what the data files do not have yet into a new one, for a manifest that replaces the old.
struct Checkpoint {
    private let layer: any FileLayer
    private let files: DirectoryFiles

    init(_ layer: any FileLayer, _ files: DirectoryFiles) {
        self.layer = layer
        self.files = files
    }

    /// A collection at the moment of the checkpoint.
    private struct Moment {
        var key: UInt64
        var description: CollectionDescription
        var snapshot: CollectionSnapshot
        var nextSerial: UInt32
    }

    /// Brings a manifest up to date, and waits until the disk has what it names. The number of the new data file is the
    /// one below the manifest's next.
    ///
    /// - Parameter goesOn: Asked now and then; throws to give it up.
    func write(
        _ collections: [InMemoryCollection], into manifest: inout Manifest,
        while goesOn: () throws(VectorStoreError) -> Void
    ) throws(VectorStoreError) {
        var old: [UInt64: Manifest.Collection] = [:]
        for collection in manifest.collections { old[collection.key] = collection }
        let sparse = sparseFiles(manifest, collections)
        let number = manifest.nextFile - 1
        let path = files.data(number)
        do throws(VectorStoreError) {
            var file = try DataFile(layer, path, store: manifest.store, number: number)
            let empty = file.length
            let hash = IdHash(seed: manifest.hashSeed)
            manifest.collections = []
            for collection in collections {
                let (snapshot, nextSerial) = collection.settled
                let moment = Moment(
                    key: collection.key, description: collection.description, snapshot: snapshot,
                    nextSerial: nextSerial)
                manifest.collections.append(try write(moment, old[collection.key], sparse, hash, &file, goesOn))
            }
            let used = Set(manifest.collections.flatMap { $0.chunks.map(\.chunk.file) + $0.runs.map(\.file) })
            manifest.files = manifest.files.filter { used.contains($0.number) }
            guard file.length > empty else {
                try layer.remove(path)
                return
            }
            try file.finish()
            try layer.synchronize(directory: files.path)
            manifest.files.append(Manifest.File(number: number, length: UInt64(file.length)))
        } catch {
            try? layer.remove(path)
            throw error
        }
    }

    /// Data files of which less than half is in use: the rest of them is written anew, so that they can go.
    private func sparseFiles(_ manifest: Manifest, _ collections: [InMemoryCollection]) -> Set<UInt64> {
        var used: [UInt64: UInt64] = [:]
        for collection in manifest.collections {
            guard let present = collections.first(where: { $0.key == collection.key }) else { continue }
            let serials = Set(present.snapshot.parts.map(\.serial))
            let row = UInt64(rowWidth(dimension: collection.description.dimension) * 4 + 28)
            for (chunk, _) in collection.chunks where serials.contains(chunk.serial) {
                used[chunk.file, default: 0] += UInt64(chunk.rows) * row + chunk.idBytes + chunk.payloadBytes
            }
            for run in collection.runs { used[run.file, default: 0] += run.count * UInt64(StoredRun.entryLength) }
        }
        return Set(manifest.files.filter { (used[$0.number] ?? 0) < $0.length / 2 }.map(\.number))
    }

    private func write(
        _ moment: Moment, _ old: Manifest.Collection?, _ sparse: Set<UInt64>, _ hash: IdHash,
        _ file: inout DataFile, _ goesOn: () throws(VectorStoreError) -> Void
    ) throws(VectorStoreError) -> Manifest.Collection {
        var collection = Manifest.Collection(
            key: moment.key, description: moment.description, sequence: moment.snapshot.sequence,
            nextSerial: moment.nextSerial)
        var stored: [UInt32: StoredChunk] = [:]
        for (chunk, _) in old?.chunks ?? [] { stored[chunk.serial] = chunk }
        var entries: [IdRun.Entry] = []
        for part in moment.snapshot.parts where part.count > 0 {
            try goesOn()
            let present = stored[part.serial]
            // A chunk that is damaged is not read, so that the damage does not get a checksum that is right.
            let isKept = present.map { present in
                Int(present.rows) == part.count && !(sparse.contains(present.file) && part.chunk.isIntact)
            }
            let chunk: StoredChunk
            if let present, isKept == true {
                chunk = present
            } else {
                chunk = try file.append(part)
                try part.chunk.checkIntact()
            }
            collection.chunks.append((chunk, part.dead))
            for row in Int(present?.rows ?? 0)..<part.count where part.isLive(row) {
                let location = RowLocation(serial: part.serial, row: UInt32(row))
                entries.append(IdRun.Entry(hash: hash.of(part.chunk.id(row)), location: location))
            }
        }
        collection.runs = try merge(entries, into: old?.runs ?? [], moment.snapshot, sparse, &file)
        return collection
    }

    /// The tables of ids: a new one for new rows, which takes in those before it that are not more than twice its size.
    /// So there are few, and each row is written anew few times.
    private func merge(
        _ new: [IdRun.Entry], into old: [StoredRun], _ snapshot: CollectionSnapshot, _ sparse: Set<UInt64>,
        _ file: inout DataFile
    ) throws(VectorStoreError) -> [StoredRun] {
        var entries = new
        var kept = old
        while let last = kept.last, last.count <= 2 * UInt64(entries.count) || sparse.contains(last.file) {
            guard let run = IdRun(last, try layer.map(files.data(last.file))), run.isIntact() else {
                throw RowChunk.damaged(last.file)
            }
            for index in 0..<run.count {
                let entry = run.entry(index)
                guard let position = snapshot.position(of: entry.location.serial) else { continue }
                let part = snapshot.parts[position]
                let row = Int(entry.location.row)
                if row < part.count, part.isLive(row) { entries.append(entry) }
            }
            kept.removeLast()
        }
        guard !entries.isEmpty else { return kept }
        return kept + [try file.append(entries)]
    }
}
