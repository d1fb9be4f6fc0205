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

    private func logPath(_ generation: UInt64) -> String { "\(path)/rows-\(generation).log" }
    private func indexPath(_ stamp: UInt64) -> String { "\(path)/index-\(String(stamp, radix: 16)).faiss" }

    /// A path for a log in the making.
    func draftPath() -> String { "\(path)/draft-\(UInt64.random(in: 0...UInt64.max))" }

    /// Gives a finished draft the highest number, and removes what it takes the place of.
    func publish(_ draft: String, stamp: UInt64) throws(VectorStoreError) {
        let present = try generations()
        let published = logPath((present.max() ?? 0) + 1)
        try Files.rename(draft, published)
        do throws(VectorStoreError) { try Files.synchronise(directory: path) } catch {
            // The one before stays in use, so this one must not be found later.
            Files.remove(published)
            throw error
        }
        for generation in present { Files.remove(logPath(generation)) }
        removeIndexes(except: stamp)
    }

    /// The log that counts, after removing the files that were left behind.
    func currentLog() throws(VectorStoreError) -> String {
        let present = try generations()
        guard let last = present.max() else {
            throw VectorStoreError(
                .corruptedStorage, "the collection's directory holds no rows-N.log; restore it from a copy")
        }
        for generation in present where generation != last { Files.remove(logPath(generation)) }
        for name in try Files.names(in: path) where name.hasPrefix("draft-") { Files.remove("\(path)/\(name)") }
        return logPath(last)
    }

    private func generations() throws(VectorStoreError) -> [UInt64] {
        try Files.names(in: path).compactMap { name in
            guard name.hasPrefix("rows-"), name.hasSuffix(".log") else { return nil }
            return UInt64(name.dropFirst(5).dropLast(4))
        }
    }

    private func removeIndexes(except stamp: UInt64) {
        let kept = indexPath(stamp)
        for name in (try? Files.names(in: path)) ?? [] where name.hasPrefix("index-") {
            if "\(path)/\(name)" != kept { Files.remove("\(path)/\(name)") }
        }
    }
}

// The index file: what it was built with, over which rows, two checksums, and FAISS's bytes.
extension CollectionDirectory {
    private static let magic: UInt64 = 0x3153_5349_4146_4F4D
    private static let version: UInt32 = 1

    /// Writes an index over the first rows of a log.
    func save(_ index: FaissIndex, rows: Int, of stamp: UInt64, _ plan: IndexPlan) throws(VectorStoreError) {
        let bytes = try index.serialised()
        var file = ByteWriter()
        file.reserve(bytes.count + 128)
        file.integer(Self.magic)
        file.integer(Self.version)
        file.integer(stamp)
        file.integer(UInt64(rows))
        file.text(plan.fingerprint)
        file.integer(UInt64(bytes.count))
        file.integer(checksum(bytes[...]))
        file.integer(checksum(file.bytes[...]))
        file.append(bytes)
        try Files.replace(indexPath(stamp), with: file.bytes, in: path)
    }

    /// The saved index over the first rows of a log; `nil` where there is none that is whole and of this log and plan.
    ///
    /// FAISS trusts what it reads, so it gets nothing that does not have the checksum it was written with.
    func savedIndex(of stamp: UInt64, _ rows: Rows, _ plan: IndexPlan, _ metric: VectorMetric) -> FaissIndex? {
        removeIndexes(except: stamp)
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
