internal import Synchronization

extension InMemoryVectorStore {
    /// Saves all collections to a file, in place of one that is there.
    ///
    /// The file is written under another name in the same directory and renamed when it is on the disk: whatever
    /// fails, a file that was there stays as it was. Each collection is saved as it is at one moment, and others may
    /// write meanwhile. Costs the writing of all vectors and payloads, and memory for the payloads of a few thousand
    /// records.
    ///
    /// - Throws: ``VectorStoreError/Code/unavailable``, ``VectorStoreError/Code/unauthorized`` or
    ///   ``VectorStoreError/Code/backend`` where the system refuses, with its reason;
    ///   ``VectorStoreError/Code/unsupportedPayload`` for a payload that did not come through a repository;
    ///   ``VectorStoreError/Code/corruptedStorage`` where a file that the store is kept in is damaged.
    public func save(to path: String) throws(VectorStoreError) {
        try save(to: path, calls: .system)
    }

    func save(to path: String, calls: FileCalls) throws(VectorStoreError) {
        let collections = catalogue.collections.withLock { $0 }.sorted { $0.key < $1.key }
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw VectorStoreError(.invalidArgument, "a path is not empty and holds no NUL", store: name)
        }
        var new = try NewFile(path, calls: calls)
        // The place of the header, which is known last.
        try new.append([UInt8](repeating: 0, count: SavedHeader.length))
        var file = SavedFile(new)
        for (_, collection) in collections {
            do { try file.append(collection) } catch {
                throw error.adding(store: name, collection: collection.description.name)
            }
        }
        try file.finish()
    }
}

/// A file in the making.
private struct SavedFile: ~Copyable {
    private var file: NewFile
    private var directory: [SavedCollection] = []

    init(_ file: consuming NewFile) { self.file = file }

    mutating func append(_ collection: InMemoryCollection) throws(VectorStoreError) {
        var saved = SavedCollection(collection.description)
        for part in collection.snapshot.parts where part.liveCount > 0 { saved.chunks.append(try append(part)) }
        directory.append(saved)
    }

    private mutating func append(_ part: CollectionSnapshot.Part) throws(VectorStoreError) -> SavedChunk {
        let chunk = part.chunk
        // All of it, and before anything of it: what is written here gets a checksum that is right.
        guard chunk.isIntact else { throw chunk.damaged }
        let rows = (0..<part.count).filter(part.isLive)
        var vectors = Checksum()
        var norms = ByteWriter(), ids = ByteWriter(), payloads = ByteWriter()
        // Runs of living rows go to the file as they lie in memory.
        var start = 0
        while start < rows.count {
            var end = start + 1
            while end < rows.count, rows[end] == rows[end - 1] + 1 { end += 1 }
            let run = UnsafeRawBufferPointer(chunk.rows(rows[start]..<rows[end - 1] + 1))
            vectors.add(run)
            try file.append(run)
            start = end
        }
        let length = rows.count * chunk.width * MemoryLayout<Float>.stride
        for row in rows {
            norms.fixed(chunk.inverseNorm(row).bitPattern)
            ids.text(chunk.id(row))
        }
        try PayloadBytes.write(rows.map(chunk.payload), to: &payloads)
        // Payloads are looked at one by one, as they are read.
        try chunk.checkIntact()
        return SavedChunk(
            rows: rows.count, SavedSection(length: UInt64(length), checksum: vectors.value),
            try append(norms), try append(ids), try append(payloads))
    }

    private mutating func append(_ writer: ByteWriter) throws(VectorStoreError) -> SavedSection {
        let padding = (64 - writer.bytes.count % 64) % 64
        let padded = writer.bytes + [UInt8](repeating: 0, count: padding)
        try file.append(padded)
        let checksum = padded.withUnsafeBytes { Checksum.of($0) }
        return SavedSection(length: UInt64(writer.bytes.count), checksum: checksum)
    }

    consuming func finish() throws(VectorStoreError) {
        var writer = ByteWriter()
        writer.varint(UInt64(directory.count))
        for collection in directory { collection.write(to: &writer) }
        let offset = file.length
        try file.append(writer.bytes)
        let header = SavedHeader(
            fileLength: UInt64(file.length), directoryOffset: UInt64(offset),
            directoryLength: UInt64(writer.bytes.count),
            directoryChecksum: writer.bytes.withUnsafeBytes { Checksum.of($0) })
        try file.finish(header: header.bytes)
    }
}
