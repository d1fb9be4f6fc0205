internal import Synchronization

/// Where rows are, by the hash of their id: a sorted table in a data file, as it is in the manifest.
struct StoredRun: Sendable, Hashable {
    /// The bytes of an entry: the hash (UInt64), the chunk's serial number and the row (UInt32).
    static let entryLength = 16
    /// The bytes that a table takes in the manifest.
    static let length = 3 * 8 + 4

    var file: UInt64
    var offset: UInt64
    var count: UInt64
    var checksum: UInt32

    func write(to writer: inout ByteWriter) {
        for value in [file, offset, count] { writer.fixed(value) }
        writer.fixed(checksum)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        file = try reader.fixed(UInt64.self)
        offset = try reader.fixed(UInt64.self)
        count = try reader.fixed(UInt64.self)
        checksum = try reader.fixed(UInt32.self)
    }

    init(file: UInt64, offset: UInt64, count: UInt64, checksum: UInt32) {
        self.file = file
        self.offset = offset
        self.count = count
        self.checksum = checksum
    }
}

/// A table in a data file. Rows that have died since are in it still: whoever asks has to look.
final class IdRun: Sendable {
    /// An entry of a table.
    struct Entry {
        var hash: UInt64
        var location: RowLocation
    }

    let stored: StoredRun
    private let mapping: MappedFile
    private let range: Range<Int>
    /// 0 before the checksum has been compared, 1 if it is right, 2 if not.
    private let state = Atomic<UInt8>(0)

    /// `nil` for a table that its file does not hold.
    init?(_ stored: StoredRun, _ mapping: MappedFile) {
        guard let offset = Int(exactly: stored.offset), let count = Int(exactly: stored.count),
            offset <= mapping.bytes.count, count <= (mapping.bytes.count - offset) / StoredRun.entryLength
        else { return nil }
        self.stored = stored
        self.mapping = mapping
        range = offset..<offset + count * StoredRun.entryLength
    }

    var count: Int { range.count / StoredRun.entryLength }

    /// Whether the table is what was written. Reads it at the first time.
    func isIntact() -> Bool {
        let known = state.load(ordering: .acquiring)
        if known != 0 { return known == 1 }
        let isRight = Checksum.of(UnsafeRawBufferPointer(rebasing: mapping.bytes[range])) == stored.checksum
        state.store(isRight ? 1 : 2, ordering: .releasing)
        return isRight
    }

    private func hash(_ index: Int) -> UInt64 {
        let offset = range.lowerBound + index * StoredRun.entryLength
        return UInt64(littleEndian: mapping.bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    func entry(_ index: Int) -> Entry {
        let offset = range.lowerBound + index * StoredRun.entryLength
        func number(_ at: Int) -> UInt32 {
            UInt32(littleEndian: mapping.bytes.loadUnaligned(fromByteOffset: offset + at, as: UInt32.self))
        }
        return Entry(hash: hash(index), location: RowLocation(serial: number(8), row: number(12)))
    }

    /// The row with a hash that a body knows for the one that is meant.
    func find(_ wanted: UInt64, _ isMeant: (RowLocation) -> Bool) -> RowLocation? {
        guard count > 0 else { return nil }
        var index = first(wanted)
        while index < count, hash(index) == wanted {
            let location = entry(index).location
            if isMeant(location) { return location }
            index += 1
        }
        return nil
    }

    /// The first entry whose hash is not less. Hashes are spread evenly, so it is near where it would be if they were
    /// spread exactly so.
    private func first(_ wanted: UInt64) -> Int {
        let guess = Int(wanted.multipliedFullWidth(by: UInt64(count)).high)
        var step = 8
        var (low, high) = (guess, guess)
        while low > 0, hash(low) >= wanted {
            low = max(0, low - step)
            step *= 2
        }
        step = 8
        while high < count, hash(high) < wanted {
            high = min(count, high + step)
            step *= 2
        }
        while low < high {
            let middle = low + (high - low) / 2
            if hash(middle) < wanted { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
