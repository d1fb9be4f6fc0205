extension InMemoryVectorStore {
    /// Opens a file that ``save(to:)`` has written.
    ///
    /// Every checksum is compared, which reads the file once. The vectors then stay in the file, mapped into memory, so
    /// that several processes share them; what is written to the store afterwards is in memory, and reaches a file by
    /// ``save(to:)`` alone. The file may be replaced or deleted meanwhile, but must not be written to in place or cut:
    /// where bytes of a mapped file are gone, or the disk cannot read them, the system ends the process with the signal
    /// `SIGBUS`.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - threads: How many threads work on a large query or upsert, at least 1; `nil` for one a core.
    /// - Throws: ``VectorStoreError/Code/corruptedStorage`` for a file that is damaged, cut, or not one of these;
    ///   ``VectorStoreError/Code/unavailable`` for one that is not there.
    public convenience init(opening path: String, threads: Int? = nil) throws(VectorStoreError) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw VectorStoreError(.invalidArgument, "a path is not empty and holds no NUL", store: "memory")
        }
        let file = try MappedFile(path)
        self.init(try SavedFileReader(file, path).collections(), threads: threads)
    }
}

private struct SavedFileReader {
    private let file: MappedFile
    private let path: String

    init(_ file: MappedFile, _ path: String) {
        self.file = file
        self.path = path
    }

    private func corrupted(_ what: String, _ collection: String? = nil) -> VectorStoreError {
        VectorStoreError(
            .corruptedStorage, "\(path.quoted): \(what); restore it from a copy", store: "memory",
            collection: collection)
    }

    func collections() throws(VectorStoreError) -> [UTF8Key: InMemoryCollection] {
        let (header, saved) = try directory()
        var collections: [UTF8Key: InMemoryCollection] = [:]
        var offset = SavedHeader.length
        for saved in saved {
            let name = saved.description.name
            var chunks: [RowChunk] = []
            for chunk in saved.chunks {
                do throws(MalformedBytes) {
                    chunks.append(try read(chunk, saved.description, &offset, header))
                } catch {
                    throw corrupted("rows are damaged", name)
                }
            }
            guard let collection = InMemoryCollection(saved.description, chunks: chunks) else {
                throw corrupted("an id is there twice", name)
            }
            guard collections.updateValue(collection, forKey: UTF8Key(name)) == nil else {
                throw corrupted("a collection is there twice", name)
            }
        }
        guard offset == Int(header.directoryOffset) else { throw corrupted("there are bytes that belong to nothing") }
        return collections
    }

    private func directory() throws(VectorStoreError) -> (SavedHeader, [SavedCollection]) {
        let bytes = file.bytes
        guard bytes.count >= SavedHeader.length, bytes.starts(with: SavedHeader.magic) else {
            throw corrupted("this is not a file of MiniORM's")
        }
        let version = UInt32(
            littleEndian: bytes.loadUnaligned(fromByteOffset: SavedHeader.magic.count, as: UInt32.self))
        guard version == SavedHeader.version else {
            throw corrupted("the file has version \(version); this library reads version \(SavedHeader.version)")
        }
        guard let header = SavedHeader(bytes) else { throw corrupted("the header is damaged") }
        guard header.fileLength == bytes.count else {
            throw corrupted("the file has \(bytes.count) bytes of \(header.fileLength)")
        }
        guard let start = Int(exactly: header.directoryOffset), let length = Int(exactly: header.directoryLength),
            start >= SavedHeader.length, start <= bytes.count, length == bytes.count - start
        else { throw corrupted("the header is damaged") }
        let directory = UnsafeRawBufferPointer(rebasing: bytes[start...])
        guard Checksum.of(directory) == header.directoryChecksum else { throw corrupted("the directory is damaged") }
        do throws(MalformedBytes) {
            var reader = ByteReader(directory)
            let count = try reader.count()
            var saved: [SavedCollection] = []
            for _ in 0..<count { saved.append(try SavedCollection(from: &reader)) }
            guard reader.remaining == 0 else { throw MalformedBytes() }
            return (header, saved)
        } catch {
            throw corrupted("the directory is damaged")
        }
    }

    private func read(
        _ chunk: SavedChunk, _ description: CollectionDescription, _ offset: inout Int, _ header: SavedHeader
    ) throws(MalformedBytes) -> RowChunk {
        let rows = Int(chunk.rows)
        let vectorsOffset = offset
        let vectors = try section(chunk.vectors, &offset, header)
        let inverses = try section(chunk.inverseNorms, &offset, header)
        let (needed, overflow) = (rowWidth(dimension: description.dimension) * 4).multipliedReportingOverflow(by: rows)
        guard rows > 0, !overflow, vectors.count == needed, inverses.count == rows * 8 else { throw MalformedBytes() }
        var normReader = ByteReader(inverses)
        var inverseNorms: [Double] = []
        for _ in 0..<rows {
            let inverse = Double(bitPattern: try normReader.fixed(UInt64.self))
            guard inverse.isNaN || inverse == 0 || ordinaryNorms.contains(inverse) else { throw MalformedBytes() }
            inverseNorms.append(inverse)
        }
        var idReader = ByteReader(try section(chunk.ids, &offset, header))
        guard rows <= idReader.remaining else { throw MalformedBytes() }
        var ids: [String] = []
        for _ in 0..<rows { ids.append(try idReader.text()) }
        var payloadReader = ByteReader(try section(chunk.payloads, &offset, header))
        let payloads = try PayloadBytes.read(rows, from: &payloadReader)
        guard idReader.remaining == 0, payloadReader.remaining == 0,
            let opened = RowChunk(
                mapping: file, offset: vectorsOffset, dimension: description.dimension, inverseNorms: inverseNorms,
                ids: ids, payloads: payloads)
        else { throw MalformedBytes() }
        return opened
    }

    /// The bytes of a section whose checksum is right, and the offset of the next one.
    private func section(
        _ section: SavedSection, _ offset: inout Int, _ header: SavedHeader
    ) throws(MalformedBytes) -> UnsafeRawBufferPointer {
        let end = Int(header.directoryOffset)
        guard let length = Int(exactly: section.length), length <= end - offset else { throw MalformedBytes() }
        let padded = (length + 63) / 64 * 64
        guard padded <= end - offset else { throw MalformedBytes() }
        let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[offset..<offset + padded])
        guard Checksum.of(bytes) == section.checksum else { throw MalformedBytes() }
        offset += padded
        return UnsafeRawBufferPointer(rebasing: bytes[..<length])
    }
}
