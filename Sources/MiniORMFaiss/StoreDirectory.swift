#if Faiss
internal import MiniORM

/// The directory of a store: a file that says whose it is, a lock, and a directory a collection.
struct StoreDirectory: Sendable {
    private let path: String
    let isReadOnly: Bool
    /// Held by this store, and by its collections as long as they can write.
    let lock: OpenFile

    /// Opens a directory, which has to be there.
    ///
    /// Throws `VectorStoreError.Code.unavailable` while another process has it open, unless both only read, and
    /// `VectorStoreError.Code.invalidArgument` for a directory that holds anything that no store has put there.
    init(_ path: String, isReadOnly: Bool) throws(VectorStoreError) {
        self.path = path
        self.isReadOnly = isReadOnly
        // Before anything is made in it.
        let isMarked = try Self.isMarked(path)
        if isReadOnly, !isMarked { throw VectorStoreError(.unavailable, "there is no store in \(path.quoted)") }
        let lockPath = path + "/lock"
        lock = isReadOnly ? try OpenFile(reading: lockPath) : try OpenFile(writing: lockPath)
        guard try lock.lock(isShared: isReadOnly) else {
            throw VectorStoreError(
                .unavailable,
                isReadOnly
                    ? "another process writes to the directory; end that one first"
                    : "another process has the directory open; end that one first")
        }
        guard !isReadOnly else { return }
        // Another process may have begun a store since it was looked at.
        if try !Self.isMarked(path) { try Self.mark(path) }
        // What an interrupted drop or create left behind.
        for name in try Files.names(in: path)
        where Files.number(of: name, after: "dropped-") != nil || Files.number(of: name, after: "draft-") != nil {
            Files.remove("\(path)/\(name)")
        }
    }

    private static let marker = "mini-orm-faiss"
    private static let mark = Array("MiniORM FAISS store, version 1\n".utf8)

    /// Whether a directory is a store's. `false` for one that may become one, as it is empty.
    private static func isMarked(_ path: String) throws(VectorStoreError) -> Bool {
        let names = try Files.names(in: path)
        var found: [UInt8] = []
        if names.contains(marker) {
            let file = try OpenFile(reading: "\(path)/\(marker)")
            found = try file.read(mark.count + 1, at: 0)
            if found == mark { return true }
        }
        // The mark may have been interrupted half-way; nothing else is there then.
        guard mark.starts(with: found) else {
            throw VectorStoreError(
                .corruptedStorage,
                "\("\(path)/\(marker)".quoted) is of another version, or damaged; restore it from a copy")
        }
        guard names.allSatisfy({ $0 == marker || $0 == "lock" }) else {
            throw VectorStoreError(
                .invalidArgument, "\(path.quoted) holds files, and no store; name a directory that is new or empty")
        }
        return false
    }

    private static func mark(_ path: String) throws(VectorStoreError) {
        let file = try OpenFile(writing: "\(path)/\(marker)")
        try file.write(mark, at: 0)
        try file.synchronise()
        try Files.synchronise(directory: path)
    }

    /// The names of the collections.
    func collections() throws(VectorStoreError) -> [String] {
        try Files.names(in: path).compactMap(Self.collection)
    }

    func collection(_ name: String) throws(VectorStoreError) -> CollectionDirectory {
        CollectionDirectory(path: "\(path)/\(try Self.fileName(name))", isReadOnly: isReadOnly)
    }

    /// Has a collection made in a directory of another name, which gets its own once it is complete.
    func create(
        _ name: String, _ make: (CollectionDirectory) throws(VectorStoreError) -> Void
    ) throws(VectorStoreError) {
        let target = try collection(name)
        let draft = CollectionDirectory(path: "\(path)/\(Files.numbered("draft-"))")
        do throws(VectorStoreError) {
            try Files.makeDirectory(draft.path)
            try make(draft)
            try Files.rename(draft.path, target.path)
            try Files.synchronise(directory: path)
        } catch {
            Files.remove(draft.path)
            throw error
        }
    }

    /// Takes a collection out of sight in one step, then removes its files.
    func remove(_ name: String) throws(VectorStoreError) {
        let dropped = "\(path)/\(Files.numbered("dropped-"))"
        try Files.rename(try collection(name).path, dropped)
        try Files.synchronise(directory: path)
        Files.remove(dropped)
    }
}

// Names of collections as names of files: lower-case letters, digits, `-` and `_` stand for themselves, any other byte
// is `=` and two hexadecimal digits. So no name is another's on a file system that does not tell cases or normal forms
// apart, and none is a path.
extension StoreDirectory {
    private static let prefix = "collection-"
    private static let longest = 240

    static func fileName(_ name: String) throws(VectorStoreError) -> String {
        var file = prefix
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                file.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16)
                file += "=" + (digits.utf8.count == 1 ? "0" : "") + digits
            }
        }
        guard !name.isEmpty, file.utf8.count <= longest else {
            throw VectorStoreError(
                .invalidCollectionName,
                "the name does not fit a file's: a byte other than a-z, 0-9, - and _ counts three, and there is room for "
                    + "\(longest - prefix.utf8.count)")
        }
        return file
    }

    /// The collection of a file name; `nil` if it is none.
    static func collection(_ file: String) -> String? {
        guard file.hasPrefix(prefix) else { return nil }
        var bytes: [UInt8] = []
        var rest = file.utf8.dropFirst(prefix.utf8.count)
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "=") else {
                bytes.append(byte)
                continue
            }
            guard let digits = String(rest.prefix(2)), digits.utf8.count == 2, let value = UInt8(digits, radix: 16)
            else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        guard let name = String(validating: bytes, as: UTF8.self), (try? fileName(name)) == file else { return nil }
        return name
    }
}
#endif
