#if canImport(Darwin)
internal import Darwin
#elseif canImport(Musl)
internal import Musl
#else
internal import Glibc
#endif

/// The calls that can fail while a file is written, so that a test can make them.
struct FileCalls: Sendable {
    var write: @Sendable (Int32, UnsafeRawPointer, Int) -> Int
    var sync: @Sendable (Int32) -> Int32
    var rename: @Sendable (String, String) -> Int32

    /// The system's own.
    static let system = FileCalls(
        write: { descriptor, bytes, count in
            #if canImport(Darwin)
            Darwin.write(descriptor, bytes, count)
            #elseif canImport(Musl)
            Musl.write(descriptor, bytes, count)
            #else
            Glibc.write(descriptor, bytes, count)
            #endif
        },
        sync: { descriptor in
            #if canImport(Darwin)
            synchronizeData(descriptor)
            #else
            // For a directory, a change of names is more than its data.
            fsync(descriptor)
            #endif
        },
        rename: { old, new in
            #if canImport(Darwin)
            Darwin.rename(old, new)
            #elseif canImport(Musl)
            Musl.rename(old, new)
            #else
            Glibc.rename(old, new)
            #endif
        })
}

/// Waits until the disk has the bytes of a file, with its length, or the names in a directory; 0, or -1 and `errno`.
func synchronizeData(_ descriptor: Int32) -> Int32 {
    #if canImport(Darwin)
    // Only this reaches the medium; not every file system has it.
    if fcntl(descriptor, F_FULLFSYNC) == 0 { return 0 }
    guard errno == ENOTSUP || errno == ENOTTY || errno == EINVAL else { return -1 }
    return fsync(descriptor)
    #else
    // Without the times.
    return fdatasync(descriptor)
    #endif
}

/// The result of a call that is made again where a signal has interrupted it.
func uninterrupted(_ call: () -> Int32) -> Int32 {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}

/// The error of a call that failed, by the thread's `errno`.
func fileError(_ what: String, _ path: String, _ number: Int32 = errno) -> VectorStoreError {
    let code: VectorStoreError.Code =
        switch number {
        case EACCES, EPERM: .unauthorized
        case ENOENT, ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM, EAGAIN, EBUSY: .unavailable
        default: .backend
        }
    return VectorStoreError(
        code, "cannot \(what) \(path.quoted): \(String(cString: strerror(number)))", store: "memory")
}

/// A file that is read where it lies.
///
/// `@unchecked Sendable`: the bytes are mapped read-only in `init` and given back in `deinit`. The file is ours, and is
/// replaced as a whole, never written to, so they do not change.
final class MappedFile: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    init(_ path: String) throws(VectorStoreError) {
        // Without O_NONBLOCK, opening a pipe would wait for a writer.
        let descriptor = uninterrupted { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else { throw fileError("open", path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw fileError("open", path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw VectorStoreError(.corruptedStorage, "\(path.quoted) is not a regular file", store: "memory")
        }
        let size = Int(status.st_size)
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        let memory = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard let memory, memory != MAP_FAILED else { throw fileError("map", path) }
        bytes = UnsafeRawBufferPointer(start: memory, count: size)
    }

    deinit {
        if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
    }
}

/// A file that comes into being as a whole or not at all: written under another name in the same directory, and
/// renamed when it is on the disk.
struct NewFile: ~Copyable {
    private let path: String
    private let temporary: String
    private let directory: String
    private let descriptor: Int32
    private let calls: FileCalls
    private var buffer: [UInt8] = []
    private var isInPlace = false
    private(set) var length = 0

    init(_ path: String, calls: FileCalls) throws(VectorStoreError) {
        // Through a symbolic link to the file itself, so that the link stays one.
        var target = path
        if let resolved = realpath(path, nil) {
            target = String(cString: resolved)
            free(resolved)
        }
        let slash = target.utf8.lastIndex(of: UInt8(ascii: "/"))
        self.path = target
        self.calls = calls
        directory = slash.map { $0 == target.utf8.startIndex ? "/" : String(target[..<$0]) } ?? "."
        temporary = "\(target).\(getpid()).\(String(UInt64.random(in: 0...(.max)), radix: 36)).tmp"
        var old = stat()
        let mode = stat(target, &old) == 0 ? old.st_mode & 0o777 : 0o666
        let name = temporary
        descriptor = uninterrupted { open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode) }
        guard descriptor >= 0 else { throw fileError("create", temporary) }
    }

    deinit {
        close(descriptor)
        if !isInPlace { unlink(temporary) }
    }

    /// Adds bytes at the end.
    mutating func append(_ bytes: UnsafeRawBufferPointer) throws(VectorStoreError) {
        length += bytes.count
        if bytes.count < 1 << 16 {
            buffer.append(contentsOf: bytes)
            if buffer.count >= 1 << 20 { try flush() }
        } else {
            try flush()
            try write(bytes)
        }
    }

    /// Adds bytes at the end.
    mutating func append(_ bytes: [UInt8]) throws(VectorStoreError) {
        length += bytes.count
        buffer.append(contentsOf: bytes)
        if buffer.count >= 1 << 20 { try flush() }
    }

    private mutating func flush() throws(VectorStoreError) {
        let full = buffer
        buffer.removeAll(keepingCapacity: true)
        try write(full)
    }

    private func write(_ bytes: [UInt8]) throws(VectorStoreError) {
        let result: Result<Void, VectorStoreError> = bytes.withUnsafeBytes { bytes in
            do throws(VectorStoreError) { return .success(try write(bytes)) } catch { return .failure(error) }
        }
        try result.get()
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws(VectorStoreError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let base = UnsafeRawBufferPointer(rebasing: rest).baseAddress else { return }
            // Some systems refuse more than 2 GB at once.
            let written = calls.write(descriptor, base, min(rest.count, 1 << 30))
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw fileError("write", temporary, written == 0 ? ENOSPC : errno) }
            rest = rest.dropFirst(written)
        }
    }

    /// Writes the beginning again, waits for the disk, and gives the file its name.
    mutating func finish(header: [UInt8]) throws(VectorStoreError) {
        try flush()
        guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw fileError("write", temporary) }
        try write(header)
        guard uninterrupted({ calls.sync(descriptor) }) == 0 else { throw fileError("write", temporary) }
        guard calls.rename(temporary, path) == 0 else { throw fileError("replace", path) }
        isInPlace = true
        // The name, too, has to reach the disk.
        let parent = uninterrupted { open(directory, O_RDONLY | O_CLOEXEC) }
        guard parent >= 0 else { throw fileError("open", directory) }
        defer { close(parent) }
        guard uninterrupted({ calls.sync(parent) }) == 0 || errno == EINVAL || errno == ENOTSUP else {
            throw fileError("write", directory)
        }
    }
}
