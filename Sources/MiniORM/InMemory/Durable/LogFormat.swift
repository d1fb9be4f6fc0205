// The log of a store in a directory, version 2. Integers are little-endian.
//
//   header    64 bytes: magic, version, CRC of the header with this field zero, the store's mark, the file's number, the
//             sequence number of its first entry, the length of the file before it, salt, zeros, the salt again
//   entries   one behind the other, each a header of 40 bytes (magic, kind, length of the body, sequence number, the
//             last sequence number that the disk was known to have when this was written, CRC of the body, CRC of the
//             header begun with the salt) and a body, padded with zeros to a multiple of 8
//
// The files are a chain: file N + 1 goes on where file N ends, by a header that gives N's length. It is begun when the
// disk has all of N, and N is never written to again. The manifest names the first file that is still needed. A file
// that begins a chain, as the first of all and those after a failure of the disk, gives 0 for the length: no chain leads
// to it, and it gets its first entry when a manifest names it and the disk has that manifest.
//
// Sequence numbers rise by one in a chain. An entry that cannot be read is either one whose writing was interrupted, or
// damage. What comes later tells: if the disk had the broken one when a later entry was written, or when the next file
// was begun, it is damage. An entry of no content, the mark, is written for that alone when there may be none behind it
// for a while. The salt keeps bytes of an older file from being taken for entries.

/// The beginning of a log file.
struct LogHeader: Equatable {
    static let length = 64
    static let magic = Array("MiniLog\u{1A}".utf8)
    static let version: UInt32 = 2
    /// Above every number of a file, an entry or a collection, and every length, so that there is room to count on.
    static let numberLimit: UInt64 = 1 << 62

    /// Which store the file belongs to.
    var store: UInt64
    var number: UInt64
    var firstSequence: UInt64
    /// The length of the file before; 0 for a file that begins a chain.
    var previousEnd: UInt64
    var salt: UInt32

    private func bytes(checksum: UInt32) -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(Self.magic)
        writer.fixed(Self.version)
        writer.fixed(checksum)
        writer.fixed(store)
        writer.fixed(number)
        writer.fixed(firstSequence)
        writer.fixed(previousEnd)
        writer.fixed(salt)
        writer.pad(to: Self.length - 4)
        writer.fixed(salt)
        return writer.bytes
    }

    /// Whether the file goes on where another one ends.
    var isContinuation: Bool { previousEnd > 0 }

    /// The header as it stands in the file.
    var bytes: [UInt8] { bytes(checksum: bytes(checksum: 0).withUnsafeBytes { Checksum.of($0) }) }

    init(store: UInt64, number: UInt64, firstSequence: UInt64, previousEnd: UInt64) {
        self.store = store
        self.number = number
        self.firstSequence = firstSequence
        self.previousEnd = previousEnd
        salt = .random(in: 1...UInt32.max)
    }

    /// Reads a header that is what ``bytes`` writes, to the last byte.
    init?(_ file: UnsafeRawBufferPointer) {
        var reader = ByteReader(file)
        do throws(MalformedBytes) {
            _ = try reader.raw(Self.magic.count + 8)
            store = try reader.fixed(UInt64.self)
            number = try reader.fixed(UInt64.self)
            firstSequence = try reader.fixed(UInt64.self)
            previousEnd = try reader.fixed(UInt64.self)
            salt = try reader.fixed(UInt32.self)
        } catch { return nil }
        guard file.count >= Self.length, file.prefix(Self.length).elementsEqual(bytes), firstSequence > 0,
            max(number, firstSequence, previousEnd) < Self.numberLimit,
            !isContinuation || previousEnd >= UInt64(Self.length)
        else { return nil }
    }

    /// What a header that is damaged may have been: the salt is there twice, and the entries tell which one is right.
    static func salts(_ file: UnsafeRawBufferPointer) -> [UInt32] {
        guard file.count >= length else { return [] }
        return [48, length - 4].map {
            UInt32(littleEndian: file.loadUnaligned(fromByteOffset: $0, as: UInt32.self))
        }
    }

    /// A header in place of one that is damaged.
    init(store: UInt64, number: UInt64, salt: UInt32) {
        self.store = store
        self.number = number
        firstSequence = 1
        previousEnd = 0
        self.salt = salt
    }
}

/// What comes before the body of an entry.
struct LogEntryHeader {
    static let length = 40
    static let magic: UInt32 = 0x4C6D_7245

    var kind: UInt32
    var bodyLength: UInt64
    var sequence: UInt64
    /// The last entry that the disk was known to have.
    var synchronized: UInt64
    var bodyChecksum: UInt32

    init(kind: UInt32, bodyLength: UInt64, sequence: UInt64, synchronized: UInt64, bodyChecksum: UInt32) {
        self.kind = kind
        self.bodyLength = bodyLength
        self.sequence = sequence
        self.synchronized = synchronized
        self.bodyChecksum = bodyChecksum
    }

    /// The header at the beginning of bytes; `nil` if it is not one of a file with this salt.
    init?(_ bytes: UnsafeRawBufferPointer, salt: UInt32) {
        var reader = ByteReader(bytes)
        do throws(MalformedBytes) {
            let magic = try reader.fixed(UInt32.self)
            kind = try reader.fixed(UInt32.self)
            bodyLength = try reader.fixed(UInt64.self)
            sequence = try reader.fixed(UInt64.self)
            synchronized = try reader.fixed(UInt64.self)
            bodyChecksum = try reader.fixed(UInt32.self)
            let checksum = try reader.fixed(UInt32.self)
            let covered = UnsafeRawBufferPointer(rebasing: bytes[..<(Self.length - 4)])
            guard magic == Self.magic, checksum == Checksum.of(covered, seed: salt),
                max(sequence, synchronized) < LogHeader.numberLimit
            else { return nil }
        } catch { return nil }
    }

    /// The header as it stands in the file.
    func bytes(salt: UInt32) -> [UInt8] {
        var writer = ByteWriter()
        writer.fixed(Self.magic)
        writer.fixed(kind)
        writer.fixed(bodyLength)
        writer.fixed(sequence)
        writer.fixed(synchronized)
        writer.fixed(bodyChecksum)
        writer.fixed(writer.bytes.withUnsafeBytes { Checksum.of($0, seed: salt) })
        return writer.bytes
    }

    /// The length of the body with its padding; `nil` if no memory holds it.
    var paddedLength: Int? {
        guard let length = Int(exactly: bodyLength), length <= Int.max - 64 else { return nil }
        return (length + 7) / 8 * 8
    }
}
