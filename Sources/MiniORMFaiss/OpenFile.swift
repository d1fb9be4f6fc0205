#if Faiss
internal import MiniORM
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Musl)
internal import Musl
#else
internal import Glibc
#endif

/// An open file, closed when nobody has it any more.
final class OpenFile: Sendable {
    private let descriptor: Int32
    private let isLocked = Atomic(false)

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit {
        // By name, and not by closing the file: a process that is being started has a copy of its descriptor for a
        // moment.
        if isLocked.load(ordering: .relaxed) { unlock() }
        close(descriptor)
    }

    /// Opens a file for reading and writing, and makes it if it is not there.
    convenience init(writing path: String) throws(VectorStoreError) {
        try self.init(path, O_RDWR | O_CREAT | O_CLOEXEC)
    }

    /// Opens a file, or a directory, for reading.
    convenience init(reading path: String) throws(VectorStoreError) { try self.init(path, O_RDONLY | O_CLOEXEC) }

    private convenience init(_ path: String, _ flags: Int32) throws(VectorStoreError) {
        let descriptor = open(path, flags, mode_t(0o644))
        guard descriptor >= 0 else { throw Files.failure("open", path) }
        self.init(descriptor)
    }

    /// Keeps other processes, and other stores of this one, from a lock on the same file; a shared lock keeps those
    /// alone away that do not share it. `false` if one has it.
    func lock(isShared: Bool = false) throws(VectorStoreError) -> Bool {
        guard flock(descriptor, (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw Files.failure("lock", nil) }
            return false
        }
        isLocked.store(true, ordering: .relaxed)
        return true
    }

    /// Lets go of the lock, whoever has the file still.
    func unlock() { _ = flock(descriptor, LOCK_UN) }

    var size: Int {
        get throws(VectorStoreError) {
            let end = lseek(descriptor, 0, SEEK_END)
            guard end >= 0 else { throw Files.failure("measure", nil) }
            return Int(end)
        }
    }

    /// Exactly so many bytes from a place on, or fewer at the end of the file.
    func read(_ count: Int, at offset: Int) throws(VectorStoreError) -> [UInt8] {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count, let base = buffer.baseAddress {
                let got = pread(descriptor, base + filled, min(count - filled, 1 << 30), off_t(offset + filled))
                if got < 0, errno == EINTR { continue }
                failed = got < 0
                if got <= 0 { break }
                filled += got
            }
        }
        if failed { throw Files.failure("read", nil) }
        return bytes
    }

    /// Writes all of the bytes.
    func write(_ bytes: [UInt8], at offset: Int) throws(VectorStoreError) {
        let isWritten = bytes.withUnsafeBytes { buffer in put(buffer, at: offset) }
        guard isWritten else { throw Files.failure("write", nil) }
    }

    /// Writes all of the bytes.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(VectorStoreError) {
        guard put(bytes, at: offset) else { throw Files.failure("write", nil) }
    }

    private func put(_ buffer: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        var done = 0
        while done < buffer.count, let base = buffer.baseAddress {
            let put = pwrite(descriptor, base + done, min(buffer.count - done, 1 << 30), off_t(offset + done))
            if put < 0, errno == EINTR { continue }
            guard put > 0 else { return false }
            done += put
        }
        return true
    }

    func truncate(to size: Int) throws(VectorStoreError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw Files.failure("cut", nil) }
    }

    /// Waits until the disk has what was written.
    func synchronise() throws(VectorStoreError) {
        #if canImport(Darwin)
        // Only this reaches the medium; not every file system has it.
        if fcntl(descriptor, F_FULLFSYNC) == 0 { return }
        #endif
        guard fsync(descriptor) == 0 else { throw Files.failure("flush", nil) }
    }
}

/// Names in the file system.
enum Files {
    /// The error of the system call that has just failed.
    static func failure(_ what: String, _ path: String?) -> VectorStoreError {
        let number = errno
        let code: VectorStoreError.Code =
            switch number {
            case EACCES, EPERM, EROFS: .unauthorized
            case ENOSPC, EDQUOT, EMFILE, ENFILE: .unavailable
            default: .backend
            }
        let place = path.map { " \($0.quoted)" } ?? ""
        return VectorStoreError(code, "cannot \(what) the file\(place): \(String(cString: strerror(number)))")
    }

    /// Makes a directory. `false` if it was there.
    @discardableResult
    static func makeDirectory(_ path: String) throws(VectorStoreError) -> Bool {
        if mkdir(path, mode_t(0o755)) == 0 { return true }
        guard errno == EEXIST else { throw failure("make", path) }
        return false
    }

    /// Makes a directory with those that it is in, and waits until the disk has the names of those that are new.
    static func makeDirectories(_ path: String) throws(VectorStoreError) {
        var made = path.utf8.first == UInt8(ascii: "/") ? "" : "."
        for part in path.split(separator: "/") {
            let parent = made.isEmpty ? "/" : made
            made += "/" + part
            if try makeDirectory(made) { try synchronise(directory: parent) }
        }
    }

    /// The names in a directory.
    static func names(in path: String) throws(VectorStoreError) -> [String] {
        guard let directory = opendir(path) else { throw failure("list", path) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { start in
                start.withMemoryRebound(to: CChar.self, capacity: 1) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    static func rename(_ from: String, _ to: String) throws(VectorStoreError) {
        #if canImport(Darwin)
        let status = Darwin.rename(from, to)
        #elseif canImport(Musl)
        let status = Musl.rename(from, to)
        #else
        let status = Glibc.rename(from, to)
        #endif
        guard status == 0 else { throw failure("rename", from) }
    }

    /// Removes a file, or a directory with the files in it; what is not there needs no removing.
    static func remove(_ path: String) {
        if unlink(path) == 0 { return }
        for name in (try? names(in: path)) ?? [] { unlink(path + "/" + name) }
        rmdir(path)
    }

    /// Waits until the disk has the names in a directory.
    static func synchronise(directory: String) throws(VectorStoreError) {
        try OpenFile(reading: directory).synchronise()
    }

    /// The number of a name such as `draft-5`, in the one way that the store writes it; `nil` for any other name.
    static func number(of name: String, after prefix: String, before suffix: String = "") -> UInt64? {
        guard name.hasPrefix(prefix), name.hasSuffix(suffix), name.utf8.count > prefix.utf8.count + suffix.utf8.count,
            let text = String(name.utf8.dropFirst(prefix.utf8.count).dropLast(suffix.utf8.count)),
            let number = UInt64(text), "\(number)" == text
        else { return nil }
        return number
    }

    /// A name for a file in the making, or on its way out.
    static func numbered(_ prefix: String) -> String { "\(prefix)\(UInt64.random(in: 0...UInt64.max))" }

    /// Writes a file under another name first, so that it is there whole or not at all.
    static func replace(
        _ path: String, in directory: String, with write: (OpenFile) throws(VectorStoreError) -> Void
    ) throws(VectorStoreError) {
        let draft = "\(directory)/\(numbered("draft-"))"
        do throws(VectorStoreError) {
            let file = try OpenFile(writing: draft)
            try write(file)
            try file.synchronise()
            try rename(draft, path)
        } catch {
            remove(draft)
            throw error
        }
        try synchronise(directory: directory)
    }
}
#endif
