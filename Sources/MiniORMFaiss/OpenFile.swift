#if Faiss
internal import MiniORM

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

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

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

    /// Keeps other processes, and other stores of this one, from a lock on the same file. `false` if one has it.
    func lock() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }

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
        var failed = false
        bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count, let base = buffer.baseAddress {
                let put = pwrite(descriptor, base + done, min(buffer.count - done, 1 << 30), off_t(offset + done))
                if put < 0, errno == EINTR { continue }
                failed = put <= 0
                if failed { break }
                done += put
            }
        }
        if failed { throw Files.failure("write", nil) }
    }

    func truncate(to size: Int) throws(VectorStoreError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw Files.failure("cut", nil) }
    }

    /// Waits until the disk has what was written.
    func synchronise() throws(VectorStoreError) {
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

    static func makeDirectory(_ path: String) throws(VectorStoreError) {
        guard mkdir(path, mode_t(0o755)) == 0 || errno == EEXIST else { throw failure("make", path) }
    }

    /// Makes a directory with those that it is in.
    static func makeDirectories(_ path: String) throws(VectorStoreError) {
        var made = path.utf8.first == UInt8(ascii: "/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            try makeDirectory(made)
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

    /// Writes a file under another name first, so that it is there whole or not at all.
    static func replace(_ path: String, with bytes: [UInt8], in directory: String) throws(VectorStoreError) {
        let draft = "\(directory)/draft-\(UInt64.random(in: 0...UInt64.max))"
        do throws(VectorStoreError) {
            let file = try OpenFile(writing: draft)
            try file.write(bytes, at: 0)
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
