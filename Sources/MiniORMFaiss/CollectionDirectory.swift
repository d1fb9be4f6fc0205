#if Faiss
internal import MiniORM

/// The files of a collection:
///
/// | name | what |
/// |---|---|
/// | `rows-N.log` | the records; the highest `N` counts |
/// | `index-S.faiss` | FAISS's index over the first rows of the log whose stamp is `S`; made anew if damaged |
/// | `draft-…` | a file in the making |
struct CollectionDirectory: Sendable {
    let path: String
    /// Whether the files stay as they are.
    var isReadOnly = false

    private func logPath(_ generation: UInt64) -> String { "\(path)/rows-\(generation).log" }
    private func indexPath(_ stamp: UInt64) -> String { "\(path)/index-\(String(stamp, radix: 16)).faiss" }

    /// A path for a log in the making.
    func draftPath() -> String { "\(path)/\(Files.numbered("draft-"))" }

    /// Gives a finished draft the highest number, and removes what it takes the place of.
    func publish(_ draft: String, stamp: UInt64) throws(VectorStoreError) {
        let present = try generations()
        let last = present.max() ?? 0
        guard last < Self.lastGeneration else {
            throw VectorStoreError(
                .corruptedStorage, "\(logPath(last).quoted) has the highest number there is; restore it from a copy")
        }
        let published = logPath(last + 1)
        try Files.rename(draft, published)
        do throws(VectorStoreError) { try Files.synchronise(directory: path) } catch {
            // The one before stays in use, so this one must not be found later.
            Files.remove(published)
            throw error
        }
        for generation in present { Files.remove(logPath(generation)) }
        removeIndexes(except: stamp)
    }

    /// No name has a higher number, so that there is one after every other.
    private static let lastGeneration = UInt64.max - 1

    /// The log that counts, after removing the files that were left behind.
    func currentLog() throws(VectorStoreError) -> String {
        let present = try generations()
        guard let last = present.max() else {
            throw VectorStoreError(
                .corruptedStorage, "the collection's directory holds no rows-N.log; restore it from a copy")
        }
        guard !isReadOnly else { return logPath(last) }
        for generation in present where generation != last { Files.remove(logPath(generation)) }
        for name in try Files.names(in: path) where Files.number(of: name, after: "draft-") != nil {
            Files.remove("\(path)/\(name)")
        }
        return logPath(last)
    }

    private func generations() throws(VectorStoreError) -> [UInt64] {
        try Files.names(in: path).compactMap { Files.number(of: $0, after: "rows-", before: ".log") }
            .filter { $0 <= Self.lastGeneration }
    }

    private func removeIndexes(except stamp: UInt64) {
        let kept = indexPath(stamp)
        for name in (try? Files.names(in: path)) ?? [] where name.hasPrefix("index-") && name.hasSuffix(".faiss") {
            if "\(path)/\(name)" != kept { Files.remove("\(path)/\(name)") }
        }
    }
}

// The index file: what it was built with, over which rows, two checksums, and FAISS's bytes.
extension CollectionDirectory {
    private static let magic: UInt64 = 0x3153_5349_4146_4F4D
    private static let version: UInt32 = 1

    /// Writes an index over the first rows of a log, which the disk has to have already: rows that a power cut takes
    /// away may be followed by others in their places.
    func save(
        _ index: SerialisedIndex, rows: Int, of stamp: UInt64, _ plan: IndexPlan
    ) throws(VectorStoreError) {
        var head = ByteWriter()
        head.integer(Self.magic)
        head.integer(Self.version)
        head.integer(stamp)
        head.integer(UInt64(rows))
        head.text(plan.fingerprint)
        head.integer(UInt64(index.bytes.count))
        head.integer(checksum(index.bytes))
        head.integer(checksum(head.bytes[...]))
        try Files.replace(indexPath(stamp), in: path) { (file) throws(VectorStoreError) in
            try file.write(head.bytes, at: 0)
            try file.write(index.bytes, at: head.bytes.count)
        }
    }

    /// The saved index over the first rows of a log; `nil` where there is none that is whole and of this log and plan.
    /// One that is refused is removed, so that it is not taken for one over other rows later.
    func savedIndex(of stamp: UInt64, _ rows: Rows, _ plan: IndexPlan, _ metric: VectorMetric) -> FaissIndex? {
        let index = readIndex(of: stamp, rows, plan, metric)
        if !isReadOnly {
            removeIndexes(except: stamp)
            if index == nil { Files.remove(indexPath(stamp)) }
        }
        return index
    }

    /// FAISS trusts what it reads, so it gets nothing that does not have the checksum it was written with.
    private func readIndex(
        of stamp: UInt64, _ rows: Rows, _ plan: IndexPlan, _ metric: VectorMetric
    ) -> FaissIndex? {
        do throws(VectorStoreError) {
            let file = try OpenFile(reading: indexPath(stamp))
            let bytes = try file.read(try file.size, at: 0)
            var reader = ByteReader(bytes[...])
            guard try reader.integer() == Self.magic, try reader.integer() == Self.version,
                try reader.integer() == stamp
            else { return nil }
            let count = try reader.integer(UInt64.self)
            guard try reader.text() == plan.fingerprint else { return nil }
            let length = try reader.integer(UInt64.self)
            let bodyChecksum = try reader.integer(UInt32.self)
            let headSize = reader.offset
            guard try reader.integer() == checksum(bytes[..<headSize]), count <= UInt64(rows.count) else { return nil }
            let body = bytes[reader.offset...]
            guard UInt64(body.count) == length, checksum(body) == bodyChecksum else { return nil }
            let outcome: Result<FaissIndex, VectorStoreError> = body.withUnsafeBytes { body in
                do throws(VectorStoreError) {
                    return .success(
                        try FaissIndex(
                            reading: body, plan, dimension: rows.vectors.dimension, metric: metric, rows: Int(count)))
                } catch { return .failure(error) }
            }
            return try outcome.get()
        } catch { return nil }
    }
}
#endif
