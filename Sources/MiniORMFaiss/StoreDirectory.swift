#if Faiss
internal import MiniORM

/// The directory of a store: a lock, and a directory a collection.
struct StoreDirectory: Sendable {
    private let path: String
    /// Held by this store, and by its collections as long as they can write.
    let lock: OpenFile

    /// Opens a directory. Throws `VectorStoreError.Code.unavailable` while another process has it open.
    init(_ path: String) throws(VectorStoreError) {
        self.path = path
        lock = try OpenFile(writing: path + "/lock")
        guard lock.lock() else {
            throw VectorStoreError(.unavailable, "another process has the directory open; end that one first")
        }
        // What an interrupted drop or create left behind.
        for name in try Files.names(in: path) where name.hasPrefix("dropped-") || name.hasPrefix("draft-") {
            Files.remove("\(path)/\(name)")
        }
    }

    /// The names of the collections.
    func collections() throws(VectorStoreError) -> [String] {
        try Files.names(in: path).compactMap(Self.collection)
    }

    func collection(_ name: String) throws(VectorStoreError) -> CollectionDirectory {
        CollectionDirectory(path: "\(path)/\(try Self.fileName(name))")
    }

    /// Has a collection made in a directory of another name, which gets its own once it is complete.
    func create(
        _ name: String, _ make: (CollectionDirectory) throws(VectorStoreError) -> Void
    ) throws(VectorStoreError) {
        let target = try collection(name)
        let draft = CollectionDirectory(path: "\(path)/draft-\(UInt64.random(in: 0...UInt64.max))")
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
        let dropped = "\(path)/dropped-\(UInt64.random(in: 0...UInt64.max))"
        try Files.rename(try collection(name).path, dropped)
        try Files.synchronise(directory: path)
        Files.remove(dropped)
    }
}

// Names of collections as names of files: lower-case letters, digits, `-` and `_` stand for themselves, any other byte is
// `=` and two hexadecimal digits. So no name is another's on a file system that does not tell cases or normal forms
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
