/// Reads the entries of a log file.
struct LogReading {
    /// Where a file's entries end, and why there.
    enum End {
        /// At the end of the file.
        case whole
        /// Before an entry whose writing was interrupted, so that nobody was told that it was kept.
        case torn
        /// Before an entry that the disk had, and that cannot be read.
        case damaged
    }

    private(set) var header: LogHeader
    private let bytes: UnsafeRawBufferPointer
    private(set) var offset = LogHeader.length
    private(set) var nextSequence: UInt64
    /// Whether the last entry that was read is a mark, or there was none.
    private(set) var isMarked = true

    /// The bytes have to outlive the reading. `nil` if they do not begin with a header.
    ///
    /// - Parameter end: Where the entries end, where a later file knows.
    init?(_ bytes: UnsafeRawBufferPointer, end: Int?) {
        guard let header = LogHeader(bytes) else { return nil }
        self.header = header
        self.bytes = UnsafeRawBufferPointer(rebasing: bytes[..<min(bytes.count, end ?? bytes.count)])
        nextSequence = header.firstSequence
    }

    /// Reads entries behind a header that is damaged; `nil` if none can be read.
    ///
    /// - Parameter sequence: The number of the first entry, as far as is known.
    init?(_ bytes: UnsafeRawBufferPointer, end: Int?, store: UInt64, number: UInt64, from sequence: UInt64) {
        self.bytes = UnsafeRawBufferPointer(rebasing: bytes[..<min(bytes.count, end ?? bytes.count)])
        nextSequence = sequence
        header = LogHeader(store: store, number: number, salt: 0)
        for salt in LogHeader.salts(bytes) {
            header.salt = salt
            if entryHeader(at: offset) != nil || nextHeader(after: offset) != nil { return }
        }
        return nil
    }

    /// The next entry; `nil` at the end, and where an entry cannot be read.
    mutating func next() -> (sequence: UInt64, entry: LogEntry)? {
        guard let (entryHeader, body) = frame(at: offset), entryHeader.sequence == nextSequence,
            let entry = try? LogEntry(kind: entryHeader.kind, body), let padded = entryHeader.paddedLength
        else { return nil }
        offset += LogEntryHeader.length + padded
        nextSequence += 1
        if case .mark = entry { isMarked = true } else { isMarked = false }
        return (entryHeader.sequence, entry)
    }

    /// The header and the body at an offset, if their checksums are right.
    private func frame(at offset: Int) -> (LogEntryHeader, UnsafeRawBufferPointer)? {
        guard let header = entryHeader(at: offset), let padded = header.paddedLength,
            padded <= bytes.count - offset - LogEntryHeader.length
        else { return nil }
        let start = offset + LogEntryHeader.length
        guard Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[start..<start + padded])) == header.bodyChecksum else {
            return nil
        }
        return (header, UnsafeRawBufferPointer(rebasing: bytes[start..<start + Int(header.bodyLength)]))
    }

    private func entryHeader(at offset: Int) -> LogEntryHeader? {
        guard offset >= 0, offset <= bytes.count - LogEntryHeader.length else { return nil }
        let header = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + LogEntryHeader.length])
        return LogEntryHeader(header, salt: self.header.salt)
    }

    /// The offset of the next header behind an entry that cannot be read.
    private func nextHeader(after offset: Int) -> Int? {
        var offset = offset + 8
        while offset <= bytes.count - LogEntryHeader.length {
            // The magic number first, as a checksum for every 8 bytes takes its time.
            let word = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            if word == LogEntryHeader.magic, entryHeader(at: offset) != nil { return offset }
            offset += 8
        }
        return nil
    }

    /// What is behind the last entry that ``next()`` gave.
    var end: End {
        if offset == bytes.count { return .whole }
        var offset = offset
        while let next = nextHeader(after: offset) {
            if let header = entryHeader(at: next), header.synchronized >= nextSequence { return .damaged }
            offset = next
        }
        // An entry that is whole but says what no entry does was not torn.
        return frame(at: self.offset).map { $0.0.sequence == nextSequence } == true ? .damaged : .torn
    }

    /// Takes the first entry that can be read for the first one.
    mutating func beginAtFirstEntry() {
        var offset = offset
        while frame(at: offset) == nil {
            guard let next = nextHeader(after: offset) else { return }
            offset = next
        }
        guard let first = entryHeader(at: offset) else { return }
        self.offset = offset
        nextSequence = first.sequence
    }

    /// Goes on behind an entry that cannot be read; how many entries were passed over, or `nil` if there is none
    /// behind it. What came between is lost.
    mutating func skip() -> UInt64? {
        var offset = offset
        while let next = nextHeader(after: offset) {
            if let header = entryHeader(at: next), header.sequence >= nextSequence {
                let lost = header.sequence - nextSequence
                self.offset = next
                nextSequence = header.sequence
                return max(1, lost)
            }
            offset = next
        }
        return nil
    }
}
