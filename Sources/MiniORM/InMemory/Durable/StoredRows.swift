internal import CVectorKernels
internal import Synchronization

/// The rows of a chunk that stay in a data file: ids and payloads are read where they lie, when somebody asks.
///
/// Checksums are compared at the first use of a section. Whoever asks gets an answer without an error, as a scan has no
/// time for them: of a section that is damaged, some value. The damage is noted, and every call of the store that may
/// have met it asks ``isDamaged`` before it returns.
final class StoredRows: Sendable {
    private final class Names: Sendable {
        let names: [String]
        init(_ names: [String]) { self.names = names }
    }

    let chunk: StoredChunk
    let layout: StoredLayout
    private let mapping: MappedFile
    /// A bit for each section that has been found intact, and above them one for each that has been found damaged.
    private let found = Atomic<UInt8>(0)
    private let names = AtomicLazyReference<Names>()

    /// `nil` for a chunk that its file does not hold.
    init?(_ chunk: StoredChunk, _ mapping: MappedFile, dimension: Int) {
        let length = mapping.bytes.count
        guard let layout = StoredLayout(chunk, dimension: dimension, fileLength: length) else { return nil }
        self.chunk = chunk
        self.layout = layout
        self.mapping = mapping
    }

    func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: mapping.bytes[range]) }

    private static func intact(_ section: StoredChunk.Section) -> UInt8 { 1 << UInt8(section.rawValue) }
    private static func damaged(_ section: StoredChunk.Section) -> UInt8 { 16 << UInt8(section.rawValue) }

    /// Whether a section is what was written. Reads it at the first time.
    @discardableResult
    func isIntact(_ section: StoredChunk.Section) -> Bool {
        let found = found.load(ordering: .acquiring)
        if found & Self.damaged(section) != 0 { return false }
        return found & Self.intact(section) != 0 || check(section)
    }

    private func check(_ section: StoredChunk.Section) -> Bool {
        let isRight =
            Checksum.of(bytes(layout.section(section))) == chunk.checksums[section.rawValue]
            && (section == .vectors || hasForm(section))
        note(isRight ? Self.intact(section) : Self.damaged(section))
        return isRight
    }

    private func note(_ bit: UInt8) { _ = found.bitwiseOr(bit, ordering: .acquiringAndReleasing) }

    /// Whether offsets rise and stay within their bytes.
    private func hasForm(_ section: StoredChunk.Section) -> Bool {
        let isOfIds = section == .identities
        let offsets = isOfIds ? layout.idOffsets : layout.payloadOffsets
        let end = isOfIds ? layout.ids.count : layout.payloads.count
        var last: UInt64 = 0
        for row in 0...Int(chunk.rows) {
            let offset = self.offset(offsets, row)
            guard offset >= last, offset <= UInt64(end), row > 0 || offset == 0 else { return false }
            last = offset
        }
        guard last == UInt64(end) else { return false }
        guard section == .payloads else { return true }
        var reader = ByteReader(bytes(layout.names))
        guard let names = try? PayloadBytes.readNames(from: &reader), reader.remaining == 0 else { return false }
        _ = self.names.storeIfNil(Names(names))
        return true
    }

    private func offset(_ offsets: Range<Int>, _ row: Int) -> UInt64 {
        UInt64(littleEndian: mapping.bytes.loadUnaligned(fromByteOffset: offsets.lowerBound + row * 8, as: UInt64.self))
    }

    /// Whether a use has shown that some section is not what was written.
    var isDamaged: Bool { found.load(ordering: .acquiring) >= 16 }

    /// Whether a use has shown that a section is not what was written.
    func isKnownDamaged(_ section: StoredChunk.Section) -> Bool {
        found.load(ordering: .acquiring) & Self.damaged(section) != 0
    }

    /// The bytes of an id; none of one that is damaged.
    private func idBytes(_ row: Int) -> UnsafeRawBufferPointer {
        guard isIntact(.identities) else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let start = layout.ids.lowerBound
        return bytes(
            start + Int(offset(layout.idOffsets, row))..<start + Int(offset(layout.idOffsets, row + 1)))
    }

    func id(_ row: Int) -> String { String(decoding: idBytes(row), as: UTF8.self) }

    func hasID(_ row: Int, _ id: String) -> Bool {
        let stored = idBytes(row)
        guard stored.count == id.utf8.count else { return false }
        let fast = id.utf8.withContiguousStorageIfAvailable { bytes in
            cvk_compare_bytes(stored.baseAddress, bytes.baseAddress, stored.count) == 0
        }
        return fast ?? stored.elementsEqual(id.utf8)
    }

    func payload(_ row: Int) -> [String: PayloadValue]? {
        guard isIntact(.payloads), let names = names.load() else { return nil }
        let start = layout.payloads.lowerBound
        let range =
            start + Int(offset(layout.payloadOffsets, row))..<start + Int(offset(layout.payloadOffsets, row + 1))
        var reader = ByteReader(bytes(range))
        do throws(MalformedBytes) {
            let payload = try PayloadBytes.readPayload(names.names, from: &reader)
            guard reader.remaining == 0 else { throw MalformedBytes() }
            return payload
        } catch {
            note(Self.damaged(.payloads))
            return nil
        }
    }
}
