// The log of a store in a directory, version 1. Integers are little-endian.
//
//   header    64 bytes: magic, version, CRC of the header with this field zero, the store's mark, the file's number, the
//             sequence number of its first entry, how many bytes of the file before it count, salt, zeros
//   entries   one behind the other, each a header of 40 bytes (magic, kind, length of the body, sequence number, the
//             last sequence number that the disk was known to have when this was written, CRC of the body, CRC of the
//             header begun with the salt) and a body, padded with zeros to a multiple of 8
//
// Sequence numbers rise by one within a file; between files they may leap, where writes failed. An entry that cannot be
// read is either one whose writing was interrupted, or damage. A later entry tells: if the disk had the broken one
// when the later was written, it is damage. The salt keeps bytes of an older file from being taken for entries.

/// The beginning of a log file.
struct LogHeader: Equatable {
    static let length = 64
    static let magic = Array("MiniLog\u{1A}".utf8)
    static let version: UInt32 = 1

    /// Which store the file belongs to.
    var store: UInt64
    var number: UInt64
    var firstSequence: UInt64
    /// Where the entries of the file before end. What comes behind is of writes that failed.
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
        writer.pad(to: Self.length)
        return writer.bytes
    }

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
        guard file.count >= Self.length, file.prefix(Self.length).elementsEqual(bytes) else { return nil }
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
            guard magic == Self.magic, checksum == Checksum.of(covered, seed: salt) else { return nil }
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
