/// What an entry of the log says. Collections go by number, as a name may be dropped and made anew.
enum LogEntry {
    /// A collection is there from here on; one of the same name is gone.
    case create(key: UInt64, CollectionDescription)
    case drop(key: UInt64)
    case upsert(key: UInt64, [VectorRecord])
    case delete(key: UInt64, [String])
    /// Nothing. What its header says the disk has is what it is for.
    case mark

    private enum Kind {
        static let create: UInt32 = 1
        static let drop: UInt32 = 2
        static let upsert: UInt32 = 3
        static let delete: UInt32 = 4
        static let mark: UInt32 = 5
    }

    /// The entry as bytes, all but its place in the log.
    ///
    /// Throws ``VectorStoreError/Code/unsupportedPayload`` for a payload that did not come through a repository.
    func encoded() throws(VectorStoreError) -> EncodedLogEntry {
        var body = ByteWriter()
        let kind: UInt32
        switch self {
        case .create(let key, let description):
            kind = Kind.create
            body.fixed(key)
            body.text(description.name)
            body.text(description.metric.rawValue)
            body.varint(UInt64(description.dimension))
        case .drop(let key):
            kind = Kind.drop
            body.fixed(key)
        case .upsert(let key, let records):
            kind = Kind.upsert
            let dimension = records.first?.vector.count ?? 0
            body.reserve(records.count * (dimension * 4 + 64))
            body.fixed(key)
            body.varint(UInt64(dimension))
            body.varint(UInt64(records.count))
            for record in records { record.vector.withUnsafeBytes { body.raw($0) } }
            for record in records { body.text(record.id) }
            try PayloadBytes.write(records.map(\.payload), to: &body)
        case .delete(let key, let ids):
            kind = Kind.delete
            body.fixed(key)
            body.varint(UInt64(ids.count))
            for id in ids { body.text(id) }
        case .mark: kind = Kind.mark
        }
        return EncodedLogEntry(kind: kind, body)
    }

    /// Reads the body of an entry, to its last byte.
    init(kind: UInt32, _ body: UnsafeRawBufferPointer) throws(MalformedBytes) {
        if kind == Kind.mark {
            guard body.isEmpty else { throw MalformedBytes() }
            self = .mark
            return
        }
        var reader = ByteReader(body)
        let key = try reader.fixed(UInt64.self)
        // Room to count on, as in the manifest.
        guard key < LogHeader.numberLimit else { throw MalformedBytes() }
        switch kind {
        case Kind.create: self = .create(key: key, try CollectionDescription(from: &reader))
        case Kind.drop: self = .drop(key: key)
        case Kind.upsert: self = .upsert(key: key, try Self.records(&reader))
        case Kind.delete:
            let count = try reader.count()
            var ids: [String] = []
            ids.reserveCapacity(min(count, Self.mostReserved))
            for _ in 0..<count { ids.append(try reader.text()) }
            self = .delete(key: key, ids)
        default: throw MalformedBytes()
        }
        guard reader.remaining == 0 else { throw MalformedBytes() }
    }

    /// Things that memory is taken for before they have been read: what a count says may not be there.
    private static let mostReserved = 4096

    private static func records(_ reader: inout ByteReader) throws(MalformedBytes) -> [VectorRecord] {
        guard let dimension = Int(exactly: try reader.varint()),
            (1...InMemoryVectorStore.maximumDimension).contains(dimension)
        else {
            throw MalformedBytes()
        }
        let count = try reader.count(of: dimension * 4)
        let vectors = try reader.raw(count * dimension * 4)
        var records: [VectorRecord] = []
        records.reserveCapacity(min(count, mostReserved))
        for row in 0..<count {
            let bytes = UnsafeRawBufferPointer(rebasing: vectors[row * dimension * 4..<(row + 1) * dimension * 4])
            let vector = [Float](unsafeUninitializedCapacity: dimension) { buffer, filled in
                UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
                filled = dimension
            }
            records.append(VectorRecord(id: try reader.text(), vector: vector))
        }
        let payloads = try PayloadBytes.read(count, from: &reader)
        for (row, payload) in payloads.enumerated() { records[row].payload = payload }
        return records
    }
}

extension CollectionDescription {
    /// Name, metric and dimension, as they are written everywhere in a directory.
    init(from reader: inout ByteReader) throws(MalformedBytes) {
        let name = try reader.text()
        guard let metric = VectorMetric(rawValue: try reader.text()), let dimension = Int(exactly: try reader.varint()),
            (1...InMemoryVectorStore.maximumDimension).contains(dimension)
        else { throw MalformedBytes() }
        self.init(name: name, dimension: dimension, metric: metric)
    }
}

/// An entry that waits for its place in the log. The sums over the body are done, so that little is left to do while
/// others wait.
struct EncodedLogEntry: Sendable {
    private let kind: UInt32
    private let bodyLength: Int
    private let bodyChecksum: UInt32
    /// With its padding.
    let body: [UInt8]

    fileprivate init(kind: UInt32, _ body: ByteWriter) {
        var body = body
        self.kind = kind
        bodyLength = body.bytes.count
        body.pad(to: 8)
        self.body = body.bytes
        bodyChecksum = self.body.withUnsafeBytes { Checksum.of($0) }
    }

    /// What comes before the body.
    func header(sequence: UInt64, synchronized: UInt64, salt: UInt32) -> [UInt8] {
        LogEntryHeader(
            kind: kind, bodyLength: UInt64(bodyLength), sequence: sequence, synchronized: synchronized,
            bodyChecksum: bodyChecksum
        ).bytes(salt: salt)
    }
}
