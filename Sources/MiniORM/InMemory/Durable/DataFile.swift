/// The first bytes of a data file, for whoever finds it: what is in it is known to the manifest.
enum DataFileHeader {
    private static let magic = Array("MiniRow\u{1A}".utf8)
    private static let version: UInt32 = 2

    static func bytes(store: UInt64, number: UInt64) -> [UInt8] {
        func bytes(_ checksum: UInt32) -> [UInt8] {
            var writer = ByteWriter()
            writer.raw(magic)
            writer.fixed(version)
            writer.fixed(checksum)
            writer.fixed(store)
            writer.fixed(number)
            writer.pad(to: 64)
            return writer.bytes
        }
        return bytes(bytes(0).withUnsafeBytes { Checksum.of($0) })
    }
}

/// A data file in the making.
struct DataFile: ~Copyable {
    let number: UInt64
    private let file: any LayeredFile
    private var buffer: [UInt8] = []
    private var written = 0

    init(_ layer: any FileLayer, _ path: String, store: UInt64, number: UInt64) throws(VectorStoreError) {
        self.number = number
        try layer.remove(path)
        file = try layer.open(path, isNew: true)
        buffer = DataFileHeader.bytes(store: store, number: number)
    }

    var length: Int { written + buffer.count }

    private mutating func flush() throws(VectorStoreError) {
        try file.write(buffer, at: written)
        written += buffer.count
        buffer.removeAll(keepingCapacity: true)
    }

    private mutating func pad(to multiple: Int) {
        let excess = length % multiple
        if excess > 0 { buffer.append(contentsOf: repeatElement(0, count: multiple - excess)) }
    }

    /// Adds bytes and zeros up to a multiple of 64, and both to a checksum.
    private mutating func append(_ bytes: UnsafeRawBufferPointer, _ checksum: inout Checksum) throws(VectorStoreError) {
        checksum.add(bytes)
        if bytes.count > 1 << 16 {
            try flush()
            try file.write(bytes, at: written)
            written += bytes.count
        } else {
            buffer.append(contentsOf: bytes)
        }
        let padding = (64 - length % 64) % 64
        if padding > 0 {
            let zeros = [UInt8](repeating: 0, count: padding)
            zeros.withUnsafeBytes { checksum.add($0) }
            buffer += zeros
        }
        if buffer.count > 1 << 20 { try flush() }
    }

    private mutating func append(_ writer: ByteWriter, _ checksum: inout Checksum) throws(VectorStoreError) {
        // Out of the closure that has the bytes, as it cannot throw this error.
        var outcome: Result<Void, VectorStoreError> = .success(())
        let bytes = writer.bytes
        bytes.withUnsafeBytes { bytes in
            do throws(VectorStoreError) { try append(bytes, &checksum) } catch { outcome = .failure(error) }
        }
        try outcome.get()
    }

    /// Adds the rows of a part, the dead ones too, so that they keep their numbers.
    mutating func append(_ part: CollectionSnapshot.Part) throws(VectorStoreError) -> StoredChunk {
        pad(to: StoredLayout.page)
        let (chunk, rows) = (part.chunk, 0..<part.count)
        var stored = StoredChunk(
            serial: part.serial, rows: part.count, hasExtremes: part.hasExtremes, file: number, offset: length)
        var checksum = Checksum()
        try append(UnsafeRawBufferPointer(chunk.rows(rows)), &checksum)
        stored.checksums.append(checksum.value)

        checksum = Checksum()
        var inverses = ByteWriter(), offsets = ByteWriter(), ids = ByteWriter()
        offsets.fixed(UInt64(0))
        for row in rows {
            inverses.fixed(chunk.inverseNorm(row).bitPattern)
            ids.raw(chunk.id(row).utf8)
            offsets.fixed(UInt64(ids.bytes.count))
        }
        stored.idBytes = UInt64(ids.bytes.count)
        for section in [inverses, offsets, ids] { try append(section, &checksum) }
        stored.checksums.append(checksum.value)

        checksum = Checksum()
        let payloads = rows.map(chunk.payload)
        let names = PayloadBytes.Names(of: payloads)
        var nameBytes = ByteWriter(), payloadOffsets = ByteWriter(), payloadBytes = ByteWriter()
        names.write(to: &nameBytes)
        payloadOffsets.fixed(UInt64(0))
        for payload in payloads {
            try PayloadBytes.write(payload, names, to: &payloadBytes)
            payloadOffsets.fixed(UInt64(payloadBytes.bytes.count))
        }
        stored.nameBytes = UInt64(nameBytes.bytes.count)
        stored.payloadBytes = UInt64(payloadBytes.bytes.count)
        for section in [nameBytes, payloadOffsets, payloadBytes] { try append(section, &checksum) }
        stored.checksums.append(checksum.value)
        return stored
    }

    /// Adds a table of ids, which it sorts.
    mutating func append(_ entries: [IdRun.Entry]) throws(VectorStoreError) -> StoredRun {
        pad(to: 64)
        let offset = length
        var table = ByteWriter()
        table.reserve(entries.count * StoredRun.entryLength)
        for entry in entries.sorted(by: { $0.hash < $1.hash }) {
            table.fixed(entry.hash)
            table.fixed(entry.location.serial)
            table.fixed(entry.location.row)
        }
        let checksum = table.bytes.withUnsafeBytes { Checksum.of($0) }
        var padded = Checksum()
        try append(table, &padded)
        return StoredRun(file: number, offset: UInt64(offset), count: UInt64(entries.count), checksum: checksum)
    }

    /// Waits until the disk has all of it.
    mutating func finish() throws(VectorStoreError) {
        pad(to: StoredLayout.page)
        try flush()
        try file.synchronize()
    }
}
