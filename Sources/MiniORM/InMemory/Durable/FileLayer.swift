/// What a store in a directory asks of the file system: every call that can fail, in one place, so that a test can make
/// any of them fail, tear a write, or cut the power.
protocol FileLayer: Sendable {
    /// Makes a directory with those that it is in; one that is there is fine.
    func makeDirectory(_ path: String) throws(VectorStoreError)
    /// A directory's own path, which stays the same where a link on the way to it is turned elsewhere.
    func resolved(_ directory: String) throws(VectorStoreError) -> String
    /// The names in a directory, in any order; `nil` if there is no such directory.
    func names(in directory: String) throws(VectorStoreError) -> [String]?
    /// Opens a file for reading and writing. A new one must not be there already; an old one has to be.
    func open(_ path: String, isNew: Bool) throws(VectorStoreError) -> any LayeredFile
    /// All bytes of a file that is never written to again, where they lie.
    func map(_ path: String) throws(VectorStoreError) -> MappedFile
    /// The bytes of a file that may be written to meanwhile, or its first ones.
    func read(_ path: String, atMost count: Int) throws(VectorStoreError) -> [UInt8]
    /// Whether there is a file of a name.
    func exists(_ path: String) throws(VectorStoreError) -> Bool
    /// Gives a file a name, in place of a file that has it.
    func rename(_ old: String, to new: String) throws(VectorStoreError)
    /// Removes a file; one that is not there is fine.
    func remove(_ path: String) throws(VectorStoreError)
    /// Waits until the disk has the names in a directory.
    func synchronize(directory: String) throws(VectorStoreError)
    /// Takes a directory for this store alone, until what is returned is let go.
    func lock(_ path: String) throws(VectorStoreError) -> any DirectoryLock
}

/// A directory that is taken, until nobody has this any more.
protocol DirectoryLock: Sendable {
    /// Whether the path that was taken still leads to the same file.
    var isInPlace: Bool { get }
}

/// An open file; closed when nobody has it any more.
protocol LayeredFile: AnyObject, Sendable {
    /// Writes all of the bytes. After an error any part of them may be in the file.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(VectorStoreError)
    /// Cuts or grows the file.
    func truncate(to length: Int) throws(VectorStoreError)
    /// Waits until the disk has the bytes.
    func synchronize() throws(VectorStoreError)
}

extension FileLayer {
    /// All bytes of a file.
    func read(_ path: String) throws(VectorStoreError) -> [UInt8] { try read(path, atMost: .max) }
}

extension LayeredFile {
    /// Writes all of the bytes.
    func write(_ bytes: [UInt8], at offset: Int) throws(VectorStoreError) {
        let result: Result<Void, VectorStoreError> = bytes.withUnsafeBytes { bytes in
            do throws(VectorStoreError) { return .success(try write(bytes, at: offset)) } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}
