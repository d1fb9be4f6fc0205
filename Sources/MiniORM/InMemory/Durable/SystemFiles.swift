#if canImport(Darwin)
internal import Darwin
#elseif canImport(Musl)
internal import Musl
#else
internal import Glibc
#endif

/// The operating system's files.
struct SystemFiles: FileLayer {
    func makeDirectory(_ path: String) throws(VectorStoreError) {
        if mkdir(path, 0o777) == 0 {
            try synchronize(directory: parent(of: path))
            return
        }
        if errno == EEXIST { return }
        guard errno == ENOENT, parent(of: path) != path else { throw fileError("make the directory", path) }
        try makeDirectory(parent(of: path))
        guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw fileError("make the directory", path) }
        try synchronize(directory: parent(of: path))
    }

    private func parent(of path: String) -> String {
        var bytes = Substring(path).utf8
        while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == bytes.startIndex ? "/" : String(Substring(bytes[..<slash]))
    }

    func resolved(_ directory: String) throws(VectorStoreError) -> String {
        guard let bytes = realpath(directory, nil) else { throw fileError("find", directory) }
        defer { free(bytes) }
        // What is no text cannot be said better than it was.
        return String(validatingCString: bytes) ?? directory
    }

    func names(in directory: String) throws(VectorStoreError) -> [String]? {
        var opened = opendir(directory)
        while opened == nil, errno == EINTR { opened = opendir(directory) }
        guard let stream = opened else {
            if errno == ENOENT { return nil }
            throw fileError("list", directory)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            // The end and a failure look the same but for this.
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw fileError("list", directory) }
                break
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { start in
                start.withMemoryRebound(to: CChar.self, capacity: 1) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    func open(_ path: String, isNew: Bool) throws(VectorStoreError) -> any LayeredFile {
        try SystemFile(path, isNew ? O_RDWR | O_CREAT | O_EXCL : O_RDWR)
    }

    func map(_ path: String) throws(VectorStoreError) -> MappedFile { try MappedFile(path) }

    func read(_ path: String, atMost count: Int) throws(VectorStoreError) -> [UInt8] {
        try SystemFile(path, O_RDONLY | O_NONBLOCK).read(atMost: count)
    }

    func exists(_ path: String) throws(VectorStoreError) -> Bool {
        if access(path, F_OK) == 0 { return true }
        guard errno == ENOENT else { throw fileError("look for", path) }
        return false
    }

    func rename(_ old: String, to new: String) throws(VectorStoreError) {
        guard FileCalls.system.rename(old, new) == 0 else { throw fileError("replace", new) }
    }

    func remove(_ path: String) throws(VectorStoreError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw fileError("remove", path) }
    }

    func synchronize(directory: String) throws(VectorStoreError) {
        try SystemFile(directory, O_RDONLY | O_DIRECTORY).synchronizeDirectory()
    }

    func lock(_ path: String) throws(VectorStoreError) -> any DirectoryLock {
        let file = try SystemFile(path, O_RDWR | O_CREAT)
        try file.lock()
        return SystemLock(file)
    }
}

/// A lock that is held.
private final class SystemLock: DirectoryLock {
    private let file: SystemFile
    init(_ file: SystemFile) { self.file = file }
    var isInPlace: Bool { file.isInPlace }
    // By name, and not by closing the file: a process that is being started has a copy of its descriptor for a moment.
    deinit { file.unlock() }
}

/// An open descriptor.
private final class SystemFile: LayeredFile {
    private let descriptor: Int32
    private let path: String

    init(_ path: String, _ flags: Int32) throws(VectorStoreError) {
        self.path = path
        descriptor = uninterrupted { Self.open(path, flags | O_CLOEXEC) }
        guard descriptor >= 0 else { throw fileError("open", path) }
    }

    private static func open(_ path: String, _ flags: Int32) -> Int32 {
        #if canImport(Darwin)
        Darwin.open(path, flags, 0o666)
        #elseif canImport(Musl)
        Musl.open(path, flags, 0o666)
        #else
        Glibc.open(path, flags, 0o666)
        #endif
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(VectorStoreError) {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            // Some systems refuse more than 2 GB at once.
            let count = pwrite(descriptor, base + done, min(bytes.count - done, 1 << 30), off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw fileError("write", path, count == 0 ? ENOSPC : errno) }
            done += count
        }
    }

    func truncate(to length: Int) throws(VectorStoreError) {
        guard uninterrupted({ ftruncate(descriptor, off_t(length)) }) == 0 else { throw fileError("cut", path) }
    }

    func synchronize() throws(VectorStoreError) {
        guard uninterrupted({ synchronizeData(descriptor) }) == 0 else { throw fileError("synchronize", path) }
    }

    func synchronizeDirectory() throws(VectorStoreError) {
        if uninterrupted({ fsync(descriptor) }) == 0 { return }
        // A file system that does not do this for directories keeps names in its own way.
        guard errno == EINVAL || errno == ENOTSUP else { throw fileError("synchronize", path) }
    }

    func read(atMost limit: Int) throws(VectorStoreError) -> [UInt8] {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw fileError("read", path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw VectorStoreError(.corruptedStorage, "\(path.quoted) is not a regular file", store: "memory")
        }
        var failure: VectorStoreError?
        let bytes = [UInt8](unsafeUninitializedCapacity: max(0, min(limit, Int(status.st_size)))) { buffer, filled in
            while filled < buffer.count, let base = buffer.baseAddress {
                let count = pread(descriptor, base + filled, min(buffer.count - filled, 1 << 30), off_t(filled))
                if count < 0, errno == EINTR { continue }
                if count < 0 { failure = fileError("read", path) }
                if count <= 0 { break }
                filled += count
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Whether the file still has its name.
    var isInPlace: Bool {
        var (mine, found) = (stat(), stat())
        return fstat(descriptor, &mine) == 0 && stat(path, &found) == 0 && mine.st_dev == found.st_dev
            && mine.st_ino == found.st_ino
    }

    func unlock() { _ = flock(descriptor, LOCK_UN) }

    /// Belongs to the open file, so that it ends with the process, however that ends, and keeps other stores of this
    /// process out too.
    func lock() throws(VectorStoreError) {
        guard uninterrupted({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            guard errno == EWOULDBLOCK else { throw fileError("lock", path) }
            let holder = (try? read(atMost: 16)).flatMap { Int32(String(decoding: $0, as: UTF8.self)) }
            let who = holder.map { $0 == getpid() ? "another store of this process" : "process \($0)" }
            throw VectorStoreError(
                .unavailable,
                "\(who ?? "another process") writes to the directory of \(path.quoted); close the store there, or open "
                    + "this one with readOnly: true",
                store: "memory")
        }
        // For the message above alone, so that it may fail.
        let process = Array("\(getpid())".utf8)
        try? truncate(to: 0)
        try? write(process, at: 0)
    }
}
