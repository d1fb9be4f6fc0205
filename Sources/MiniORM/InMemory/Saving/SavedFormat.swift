// The file of an in-memory store, version 1. Integers are little-endian.
//
//   header      64 bytes: magic, version, CRC of the header with this field zero, length of the file, offset, length
//               and CRC of the directory, zeros
//   sections    one behind the other, each padded with zeros to a multiple of 64 bytes:
//               for each chunk its vectors (float32, each row padded with zeros to 64 bytes: what a scan reads),
//               inverse norms (float64), ids and payloads
//   directory   the collections, their chunks, and the length and CRC of each section; its end is the file's
//
// The CRCs (CRC-32C, of the padding too) cover every byte. Sections lie where the sum of the lengths before them says.

/// The first 64 bytes.
struct SavedHeader: Equatable {
    static let length = 64
    static let magic = Array("MiniORM\u{1A}".utf8)
    static let version: UInt32 = 1

    var fileLength: UInt64
    var directoryOffset: UInt64
    var directoryLength: UInt64
    var directoryChecksum: UInt32

    private func bytes(checksum: UInt32) -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(Self.magic)
        writer.fixed(Self.version)
        writer.fixed(checksum)
        writer.fixed(fileLength)
        writer.fixed(directoryOffset)
        writer.fixed(directoryLength)
        writer.fixed(directoryChecksum)
        return writer.bytes + [UInt8](repeating: 0, count: Self.length - writer.bytes.count)
    }

    /// The header as it stands in the file.
    var bytes: [UInt8] {
        bytes(checksum: bytes(checksum: 0).withUnsafeBytes { Checksum.of($0) })
    }

    /// Reads a header that is what ``bytes`` writes, to the last byte.
    init?(_ file: UnsafeRawBufferPointer) {
        var reader = ByteReader(file)
        do throws(MalformedBytes) {
            _ = try reader.raw(Self.magic.count + 8)
            fileLength = try reader.fixed(UInt64.self)
            directoryOffset = try reader.fixed(UInt64.self)
            directoryLength = try reader.fixed(UInt64.self)
            directoryChecksum = try reader.fixed(UInt32.self)
        } catch { return nil }
        guard file.count >= Self.length, file.prefix(Self.length).elementsEqual(bytes) else { return nil }
    }

    init(fileLength: UInt64, directoryOffset: UInt64, directoryLength: UInt64, directoryChecksum: UInt32) {
        self.fileLength = fileLength
        self.directoryOffset = directoryOffset
        self.directoryLength = directoryLength
        self.directoryChecksum = directoryChecksum
    }
}

/// A part of the file.
struct SavedSection {
    /// Without the padding.
    var length: UInt64
    var checksum: UInt32

    func write(to writer: inout ByteWriter) {
        writer.fixed(length)
        writer.fixed(checksum)
    }

    init(length: UInt64, checksum: UInt32) {
        self.length = length
        self.checksum = checksum
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        length = try reader.fixed(UInt64.self)
        checksum = try reader.fixed(UInt32.self)
    }
}

/// A chunk's sections, in the order in which they are in the file.
struct SavedChunk {
    /// Of a chunk in the directory.
    static let length = 4 + 4 * 12

    var rows: UInt32
    var vectors, inverseNorms, ids, payloads: SavedSection

    func write(to writer: inout ByteWriter) {
        writer.fixed(rows)
        for section in [vectors, inverseNorms, ids, payloads] { section.write(to: &writer) }
    }

    init(
        rows: Int, _ vectors: SavedSection, _ inverseNorms: SavedSection, _ ids: SavedSection, _ payloads: SavedSection
    ) {
        self.rows = UInt32(rows)
        self.vectors = vectors
        self.inverseNorms = inverseNorms
        self.ids = ids
        self.payloads = payloads
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        rows = try reader.fixed(UInt32.self)
        vectors = try SavedSection(from: &reader)
        inverseNorms = try SavedSection(from: &reader)
        ids = try SavedSection(from: &reader)
        payloads = try SavedSection(from: &reader)
    }
}

/// A collection in the directory.
struct SavedCollection {
    var description: CollectionDescription
    var chunks: [SavedChunk] = []

    func write(to writer: inout ByteWriter) {
        writer.text(description.name)
        writer.text(description.metric.rawValue)
        writer.varint(UInt64(description.dimension))
        writer.varint(UInt64(chunks.count))
        for chunk in chunks { chunk.write(to: &writer) }
    }

    init(_ description: CollectionDescription) { self.description = description }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        let name = try reader.text()
        guard let metric = VectorMetric(rawValue: try reader.text()), let dimension = Int(exactly: try reader.varint()),
            (1...InMemoryVectorStore.maximumDimension).contains(dimension)
        else { throw MalformedBytes() }
        description = CollectionDescription(name: name, dimension: dimension, metric: metric)
        let count = try reader.count(of: SavedChunk.length)
        for _ in 0..<count { chunks.append(try SavedChunk(from: &reader)) }
    }
}
