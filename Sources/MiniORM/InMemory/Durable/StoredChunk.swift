// The data files of a directory, version 1: `data-N` begins with a header of 4096 bytes (magic, version, CRC of the
// header with this field zero, the store's mark, N, zeros), and holds chunks and tables of ids, each at an offset that
// the manifest knows. A file is written once, before the manifest that names it, and never again.
//
// A chunk begins on a page. Its sections lie one behind the other, each padded with zeros to a multiple of 64 bytes:
//
//   vectors     float32, each row padded with zeros to 64 bytes
//   identities  inverse norms (float64), the same in float32, offsets of the ids (UInt64, one more than rows), ids
//   payloads    names of fields, offsets (UInt64, one more than rows), payloads
//
// The manifest has a CRC for each of the three. It is compared when the first call needs the section.

/// A chunk in a data file, as the manifest has it.
struct StoredChunk: Sendable, Hashable {
    /// The sections with a checksum of their own.
    enum Section: Int, CaseIterable, Sendable { case vectors, identities, payloads }

    var serial: UInt32
    var rows: UInt32
    /// Whether a row is to be measured in double precision.
    var hasExtremes: Bool
    var file: UInt64
    var offset: UInt64
    var idBytes: UInt64
    var nameBytes: UInt64
    var payloadBytes: UInt64
    /// In the order of ``Section``.
    var checksums: [UInt32]

    /// The least that a chunk takes in the manifest.
    static let leastLength = 4 + 4 + 1 + 5 * 8 + 3 * 4

    func write(to writer: inout ByteWriter) {
        writer.fixed(serial)
        writer.fixed(rows)
        writer.fixed(UInt8(hasExtremes ? 1 : 0))
        for value in [file, offset, idBytes, nameBytes, payloadBytes] { writer.fixed(value) }
        for checksum in checksums { writer.fixed(checksum) }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        serial = try reader.fixed(UInt32.self)
        rows = try reader.fixed(UInt32.self)
        hasExtremes = try reader.byte() != 0
        file = try reader.fixed(UInt64.self)
        offset = try reader.fixed(UInt64.self)
        idBytes = try reader.fixed(UInt64.self)
        nameBytes = try reader.fixed(UInt64.self)
        payloadBytes = try reader.fixed(UInt64.self)
        checksums = []
        for _ in Section.allCases { checksums.append(try reader.fixed(UInt32.self)) }
        guard serial < .max, rows > 0 else { throw MalformedBytes() }
    }

    init(serial: UInt32, rows: Int, hasExtremes: Bool, file: UInt64, offset: Int) {
        self.serial = serial
        self.rows = UInt32(rows)
        self.hasExtremes = hasExtremes
        self.file = file
        self.offset = UInt64(offset)
        idBytes = 0
        nameBytes = 0
        payloadBytes = 0
        checksums = []
    }
}

/// Where the parts of a chunk are in its file.
struct StoredLayout: Sendable {
    let vectors, inverses, idOffsets, ids, names, payloadOffsets, payloads: Range<Int>
    /// Where the chunk ends.
    let end: Int

    /// `nil` where numbers do not fit, or the end is beyond the file's.
    init?(_ chunk: StoredChunk, dimension: Int, fileLength: Int) {
        guard var offset = Int(exactly: chunk.offset), offset % StoredLayout.page == 0 else { return nil }
        let rows = Int(chunk.rows)
        func next(_ count: Int?, _ size: Int = 1) -> Range<Int>? {
            guard let count, count >= 0 else { return nil }
            let (length, overflow) = count.multipliedReportingOverflow(by: size)
            guard !overflow, offset <= fileLength, length <= fileLength - offset else { return nil }
            let range = offset..<offset + length
            guard (range.upperBound + 63) / 64 * 64 <= fileLength else { return nil }
            offset = (range.upperBound + 63) / 64 * 64
            return range
        }
        guard let vectors = next(rows, rowWidth(dimension: dimension) * 4), let inverses = next(rows, 8),
            let idOffsets = next(rows + 1, 8),
            let ids = next(Int(exactly: chunk.idBytes)), let names = next(Int(exactly: chunk.nameBytes)),
            let payloadOffsets = next(rows + 1, 8),
            let payloads = next(Int(exactly: chunk.payloadBytes))
        else { return nil }
        self.vectors = vectors
        self.inverses = inverses
        self.idOffsets = idOffsets
        self.ids = ids
        self.names = names
        self.payloadOffsets = payloadOffsets
        self.payloads = payloads
        end = offset
    }

    /// What chunks are aligned to: the pages of most machines divide it or are it.
    static let page = 4096

    /// The bytes that a section's checksum covers, padding and all.
    func section(_ section: StoredChunk.Section) -> Range<Int> {
        switch section {
        case .vectors: vectors.lowerBound..<inverses.lowerBound
        case .identities: inverses.lowerBound..<names.lowerBound
        case .payloads: names.lowerBound..<end
        }
    }
}
