// The file `manifest` of a directory, version 2. Integers are little-endian.
//
//   header  32 bytes: magic, version, CRC of the body, length of the body, zeros
//   body    what is below, in this order
//   zeros up to a multiple of 4096 bytes, so that no sector has parts of both copies
//   a second header and body, the same, of use when the first are damaged
//   zeros up to a multiple of 4096 bytes
//
// It is written under another name and renamed, so it is there whole or not at all; a checkpoint is made at that moment.

/// What a directory holds: which data files, what is in them, and where the log goes on.
struct Manifest: Sendable {
    /// A data file.
    struct File: Sendable, Hashable {
        var number: UInt64
        var length: UInt64
    }

    /// A collection as it is in the data files.
    struct Collection: Sendable {
        var key: UInt64
        var description: CollectionDescription
        /// The last entry of the log that is in.
        var sequence: UInt64
        var nextSerial: UInt32
        /// Ordered by serial number, each with its dead rows.
        var chunks: [(chunk: StoredChunk, dead: RowSet)] = []
        /// The newest last.
        var runs: [StoredRun] = []
    }

    static let magic = Array("MiniDir\u{1A}".utf8)
    static let version: UInt32 = 2
    static let headerLength = 32
    /// What the copies are aligned to.
    static let page = 4096

    /// Tells the store from every other.
    var store: UInt64
    /// Of the hashes of ids.
    var hashSeed: UInt64
    /// The first file of the log that is still needed.
    var firstLog: UInt64
    /// The last entry of the log that created or dropped a collection.
    var catalogueSequence: UInt64 = 0
    var nextKey: UInt64 = 1
    var nextFile: UInt64 = 1
    var files: [File] = []
    var collections: [Collection] = []

    init(store: UInt64, hashSeed: UInt64, firstLog: UInt64) {
        self.store = store
        self.hashSeed = hashSeed
        self.firstLog = firstLog
    }

    /// The file's bytes.
    var bytes: [UInt8] {
        var body = ByteWriter()
        for value in [store, hashSeed, firstLog, catalogueSequence, nextKey, nextFile] { body.fixed(value) }
        body.varint(UInt64(files.count))
        for file in files {
            body.fixed(file.number)
            body.fixed(file.length)
        }
        body.varint(UInt64(collections.count))
        for collection in collections { collection.write(to: &body) }
        var file = ByteWriter()
        for _ in 0..<2 {
            file.raw(Self.magic)
            file.fixed(Self.version)
            file.fixed(body.bytes.withUnsafeBytes { Checksum.of($0) })
            file.fixed(UInt64(body.bytes.count))
            file.pad(to: Self.headerLength)
            file.raw(body.bytes)
            file.pad(to: Self.page)
        }
        return file.bytes
    }

    /// Why a manifest cannot be read.
    enum Unreadable: Error {
        case damaged
        case version(UInt32)
    }

    /// Reads a manifest.
    ///
    /// - Parameter usesSecond: Whether the second copy is asked where the first is damaged.
    init(_ file: [UInt8], usesSecond: Bool = false) throws(Unreadable) {
        let result: Result<Manifest, Unreadable> = file.withUnsafeBytes { bytes in
            do throws(Unreadable) {
                do throws(Unreadable) { return .success(try Self.read(bytes)) } catch {
                    guard usesSecond else { throw error }
                    // Wherever it is: the length may be damaged too.
                    for offset in stride(from: Self.page, to: bytes.count, by: Self.page) {
                        let copy = UnsafeRawBufferPointer(rebasing: bytes[offset...])
                        if let manifest = try? Self.read(copy) { return .success(manifest) }
                    }
                    throw error
                }
            } catch { return .failure(error) }
        }
        self = try result.get()
    }

    private static func read(_ bytes: UnsafeRawBufferPointer) throws(Unreadable) -> Manifest {
        do {
            var reader = ByteReader(bytes)
            guard try reader.raw(magic.count).elementsEqual(magic) else { throw MalformedBytes() }
            let version = try reader.fixed(UInt32.self)
            guard version == Self.version else { throw Unreadable.version(version) }
            let checksum = try reader.fixed(UInt32.self)
            guard let length = Int(exactly: try reader.fixed(UInt64.self)) else { throw MalformedBytes() }
            _ = try reader.raw(headerLength - reader.position)
            let body = try reader.raw(length)
            guard Checksum.of(body) == checksum else { throw MalformedBytes() }
            var bodyReader = ByteReader(body)
            let manifest = try Manifest(from: &bodyReader)
            guard bodyReader.remaining == 0 else { throw MalformedBytes() }
            return manifest
        } catch let error as Unreadable {
            throw error
        } catch {
            throw .damaged
        }
    }

    private init(from reader: inout ByteReader) throws(MalformedBytes) {
        store = try reader.fixed(UInt64.self)
        hashSeed = try reader.fixed(UInt64.self)
        firstLog = try reader.fixed(UInt64.self)
        catalogueSequence = try reader.fixed(UInt64.self)
        nextKey = try reader.fixed(UInt64.self)
        nextFile = try reader.fixed(UInt64.self)
        let fileCount = try reader.count(of: 16)
        for _ in 0..<fileCount {
            files.append(File(number: try reader.fixed(UInt64.self), length: try reader.fixed(UInt64.self)))
        }
        let collectionCount = try reader.count()
        for _ in 0..<collectionCount { collections.append(try Collection(from: &reader)) }
        // Room to count on.
        let numbers =
            [firstLog, nextKey, nextFile, catalogueSequence] + collections.flatMap { [$0.key, $0.sequence] }
            + files.map(\.number)
        guard numbers.allSatisfy({ $0 < LogHeader.numberLimit }), firstLog > 0, nextFile > 0 else {
            throw MalformedBytes()
        }
    }
}

extension Manifest.Collection {
    fileprivate func write(to writer: inout ByteWriter) {
        writer.fixed(key)
        writer.text(description.name)
        writer.text(description.metric.rawValue)
        writer.varint(UInt64(description.dimension))
        writer.fixed(sequence)
        writer.fixed(nextSerial)
        writer.varint(UInt64(chunks.count))
        for (chunk, dead) in chunks {
            chunk.write(to: &writer)
            writer.varint(UInt64(dead.words.count))
            for word in dead.words { writer.fixed(word) }
        }
        writer.varint(UInt64(runs.count))
        for run in runs { run.write(to: &writer) }
    }

    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        key = try reader.fixed(UInt64.self)
        description = try CollectionDescription(from: &reader)
        sequence = try reader.fixed(UInt64.self)
        nextSerial = try reader.fixed(UInt32.self)
        let count = try reader.count(of: StoredChunk.leastLength)
        var last: UInt32?
        for _ in 0..<count {
            let chunk = try StoredChunk(from: &reader)
            guard last.map({ $0 < chunk.serial }) ?? true, chunk.serial < nextSerial else { throw MalformedBytes() }
            last = chunk.serial
            let wordCount = try reader.count(of: 8)
            guard wordCount <= (Int(chunk.rows) + 63) / 64 else { throw MalformedBytes() }
            var words: [UInt64] = []
            for _ in 0..<wordCount { words.append(try reader.fixed(UInt64.self)) }
            let excess = wordCount * 64 - Int(chunk.rows)
            // A row that is not there cannot be dead.
            if excess > 0, let top = words.last, excess >= 64 || top >> UInt64(64 - excess) != 0 {
                throw MalformedBytes()
            }
            chunks.append((chunk, RowSet(words: words)))
        }
        let runCount = try reader.count(of: StoredRun.length)
        for _ in 0..<runCount { runs.append(try StoredRun(from: &reader)) }
    }
}
