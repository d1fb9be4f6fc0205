#if Faiss
internal import MiniORM

/// What is written to a collection, in a file: a header, then a frame for each call, in order.
///
/// A frame is a header of 24 bytes (magic number, kind, length of the body, checksums of the body and of the header),
/// the body, and 8 bytes that say that it was written to its end. A frame without its end is one whose writing was
/// interrupted, so it was never acknowledged: it is cut off. Any other damage is
/// `VectorStoreError.Code.corruptedStorage`.
///
/// A compacted file has the same form. It takes the place of the one before by its higher number, once it is complete.
struct CollectionLog {
    enum Entry {
        case upsert([VectorRecord])
        case delete([String])
    }

    /// What a file says about its collection.
    struct Header: Sendable {
        var description: CollectionDescription
        /// Tells this file from every other, so that no index is taken for one of it.
        var stamp: UInt64
    }

    private enum Kind {
        static let header: UInt32 = 1
        static let upsert: UInt32 = 2
        static let delete: UInt32 = 3
    }

    private static let version: UInt32 = 1
    private static let magic: UInt32 = 0x4D4F_4C31
    private static let end: UInt64 = 0x646E_6520_6D61_6578
    private static let headSize = 24
    private static let endSize = 8

    let header: Header
    private let file: OpenFile
    private var size: Int
    /// Whether an append returns only when the disk has it.
    var waitsForDisk: Bool
    /// After a write that could not be undone nothing more is written.
    private var isBroken = false

    /// Begins a file.
    init(creating path: String, _ description: CollectionDescription, waitsForDisk: Bool) throws(VectorStoreError) {
        header = Header(description: description, stamp: .random(in: 1...UInt64.max))
        self.waitsForDisk = waitsForDisk
        file = try OpenFile(writing: path)
        try file.truncate(to: 0)
        size = 0
        var body = ByteWriter()
        body.integer(Self.version)
        body.integer(header.stamp)
        body.integer(UInt64(description.dimension))
        body.text(description.metric.rawValue)
        body.text(description.name)
        try write(Kind.header, body.bytes)
    }

    /// Opens a file, hands out its entries and cuts off a frame that was not written to its end; one that is only read
    /// stays as it is.
    init(
        opening path: String, isReadOnly: Bool, waitsForDisk: Bool,
        _ visit: (Header, Entry?) throws(VectorStoreError) -> Void
    ) throws(VectorStoreError) {
        self.waitsForDisk = waitsForDisk
        file = isReadOnly ? try OpenFile(reading: path) : try OpenFile(writing: path)
        let fileSize = try file.size
        var offset = 0
        var header: Header?
        while offset < fileSize, let (kind, body) = try Self.frame(file, at: offset, of: fileSize) {
            var reader = ByteReader(body[...])
            if let header {
                try visit(header, try Self.entry(kind, &reader, header.description.dimension))
            } else {
                let first = try Self.header(kind, &reader)
                try visit(first, nil)
                header = first
            }
            offset += Self.headSize + body.count + Self.endSize
        }
        guard let header else { throw Self.damaged(0) }
        self.header = header
        size = offset
        if offset < fileSize, !isReadOnly {
            try file.truncate(to: offset)
            try file.synchronise()
        }
    }

    /// Appends an entry; once this returns, it is kept.
    mutating func append(_ entry: Entry) throws(VectorStoreError) {
        var body = ByteWriter()
        switch entry {
        case .upsert(let records):
            body.reserve(records.count * (header.description.dimension * 4 + 64))
            body.integer(UInt32(clamping: records.count))
            for record in records {
                body.text(record.id)
                try body.payload(record.payload)
                body.vector(record.vector)
            }
            try write(Kind.upsert, body.bytes)
        case .delete(let ids):
            body.integer(UInt32(clamping: ids.count))
            for id in ids { body.text(id) }
            try write(Kind.delete, body.bytes)
        }
    }

    /// Waits until the disk has everything.
    func synchronise() throws(VectorStoreError) { try file.synchronise() }

    private mutating func write(_ kind: UInt32, _ body: [UInt8]) throws(VectorStoreError) {
        guard !isBroken else {
            throw VectorStoreError(.unavailable, "an earlier write failed and could not be undone; open the store anew")
        }
        var frame = ByteWriter()
        frame.reserve(Self.headSize + body.count + Self.endSize)
        frame.integer(Self.magic)
        frame.integer(kind)
        frame.integer(UInt64(body.count))
        frame.integer(checksum(body[...]))
        frame.integer(checksum(frame.bytes[...]))
        frame.append(body)
        frame.integer(Self.end)
        do throws(VectorStoreError) {
            try file.write(frame.bytes, at: size)
            if waitsForDisk { try file.synchronise() }
        } catch {
            // A part may be there: it must not come back when the file is opened, as the caller is told it failed.
            do throws(VectorStoreError) {
                try file.truncate(to: size)
                try file.synchronise()
            } catch { isBroken = true }
            throw error
        }
        size += frame.bytes.count
    }
}

// Reading.
extension CollectionLog {
    private static func damaged(_ offset: Int) -> VectorStoreError {
        VectorStoreError(
            .corruptedStorage, "the collection's file is damaged at byte \(offset); restore the directory from a copy")
    }

    /// The frame at an offset; `nil` for one that was not written to its end.
    private static func frame(
        _ file: OpenFile, at offset: Int, of fileSize: Int
    ) throws(VectorStoreError) -> (kind: UInt32, body: [UInt8])? {
        let left = fileSize - offset
        guard left >= headSize else { return nil }
        let head = try file.read(headSize, at: offset)
        var reader = ByteReader(head[...])
        let magic = try reader.integer(UInt32.self)
        let kind = try reader.integer(UInt32.self)
        let count = try reader.integer(UInt64.self)
        let bodyChecksum = try reader.integer(UInt32.self)
        guard magic == Self.magic, try reader.integer() == checksum(head[..<(headSize - 4)]) else {
            // Room that a power cut left empty.
            let rest = try file.read(left, at: offset)
            if rest.allSatisfy({ $0 == 0 }) { return nil }
            throw damaged(offset)
        }
        guard let length = Int(exactly: count), length <= left - headSize - endSize else { return nil }
        let body = try file.read(length + endSize, at: offset + headSize)
        guard body.count == length + endSize else { throw damaged(offset) }
        var last = ByteReader(body[length...])
        let end = try last.integer(UInt64.self)
        if end == 0, offset + headSize + length + endSize == fileSize { return nil }
        guard end == Self.end, checksum(body[..<length]) == bodyChecksum else { throw damaged(offset) }
        return (kind, Array(body[..<length]))
    }

    private static func header(_ kind: UInt32, _ reader: inout ByteReader) throws(VectorStoreError) -> Header {
        guard kind == Kind.header else { throw damaged(0) }
        let version = try reader.integer(UInt32.self)
        guard version == Self.version else {
            throw VectorStoreError(
                .corruptedStorage, "the file has version \(version), this library reads version \(Self.version)")
        }
        let stamp = try reader.integer(UInt64.self)
        let dimension = try reader.integer(UInt64.self)
        guard let dimension = Int(exactly: dimension), FaissLimits.dimensions.contains(dimension),
            let metric = VectorMetric(rawValue: try reader.text())
        else { throw damaged(0) }
        let name = try reader.text()
        return Header(
            description: CollectionDescription(name: name, dimension: dimension, metric: metric), stamp: stamp)
    }

    private static func entry(
        _ kind: UInt32, _ reader: inout ByteReader, _ dimension: Int
    ) throws(VectorStoreError) -> Entry {
        let count = try reader.integer(UInt32.self)
        switch kind {
        case Kind.upsert:
            var records: [VectorRecord] = []
            for _ in 0..<count {
                let id = try reader.text()
                let payload = try reader.payload()
                records.append(VectorRecord(id: id, vector: try reader.vector(dimension), payload: payload))
            }
            return .upsert(records)
        case Kind.delete:
            var ids: [String] = []
            for _ in 0..<count { ids.append(try reader.text()) }
            return .delete(ids)
        default: throw damaged(0)
        }
    }
}
#endif
