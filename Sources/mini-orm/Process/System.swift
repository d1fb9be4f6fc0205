#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What the system says of an error number.
func systemMessage(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// The few calls of the system that files, pipes and terminals need.
enum System {
    /// Where a running command reads, writes and reports.
    static let standardInput: Int32 = 0, standardOutput: Int32 = 1, standardError: Int32 = 2

    /// Takes the places of standard input, output and error where the process was started without them, so that no
    /// file or pipe of ours gets their numbers. Using them fails, as it would have.
    static func holdStandardDescriptors() {
        for descriptor in [standardInput, standardOutput, standardError] where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", descriptor == standardInput ? O_WRONLY : O_RDONLY)
        }
    }

    /// Opens a file for reading. Throws where it is a folder.
    static func openForReading(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ToolError.system("read", path, errno: errno) }
        var status = stat()
        if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            _ = close(descriptor)
            throw ToolError.system("read", path, errno: EISDIR)
        }
        return descriptor
    }

    /// Closes a descriptor.
    static func shut(_ descriptor: Int32) { _ = close(descriptor) }

    /// The size of an open regular file; `nil` for a pipe or a terminal.
    static func size(of descriptor: Int32) -> Int? {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    /// Reads into a buffer; 0 at the end.
    static func read(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, _ path: String) throws -> Int {
        while true {
            let count = _read(descriptor, buffer)
            if count >= 0 { return count }
            if errno != EINTR { throw ToolError.system("read", path, errno: errno) }
        }
    }

    private static func _read(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
        #if canImport(Darwin)
        Darwin.read(descriptor, buffer.baseAddress, buffer.count)
        #elseif canImport(Glibc)
        Glibc.read(descriptor, buffer.baseAddress, buffer.count)
        #elseif canImport(Musl)
        Musl.read(descriptor, buffer.baseAddress, buffer.count)
        #endif
    }

    /// Where a byte comes first, from a position on.
    static func firstIndex(of byte: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard start < bytes.count, let base = bytes.baseAddress else { return nil }
        // Within the buffer: the count is that of what follows the position.
        return memchr(base + start, Int32(byte), bytes.count - start).map {
            $0 - UnsafeMutableRawPointer(mutating: base)
        }
    }

    /// Writes all bytes.
    static func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, _ path: String) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = _write(descriptor, rest)
            if count < 0 {
                switch errno {
                case EINTR: continue
                case EAGAIN:
                    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&waiting, 1, 1000)
                    continue
                case EPIPE: throw BrokenPipe()
                default: throw ToolError.system("write", path, errno: errno)
                }
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    private static func _write(_ descriptor: Int32, _ buffer: UnsafeRawBufferPointer) -> Int {
        #if canImport(Darwin)
        Darwin.write(descriptor, buffer.baseAddress, buffer.count)
        #elseif canImport(Glibc)
        Glibc.write(descriptor, buffer.baseAddress, buffer.count)
        #elseif canImport(Musl)
        Musl.write(descriptor, buffer.baseAddress, buffer.count)
        #endif
    }

    /// Waits until a descriptor can be read; `false` where the other one could be first.
    static func waitToRead(_ descriptor: Int32, unless other: Int32) -> Bool {
        var waiting = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: other, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&waiting, 2, -1) < 0 { if errno != EINTR { return true } }
        return waiting[1].revents == 0
    }

    /// Ends the process.
    static func end(_ status: Int32) -> Never { exit(status) }

    /// The number of this process.
    static var processNumber: Int { Int(getpid()) }

    /// The value of an environment variable, where it is set and not empty.
    static func environment(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }

    /// A path without links, `.` and `..`; `nil` where there is nothing.
    static func resolved(_ path: String) -> String? {
        guard let found = realpath(path, nil) else { return nil }
        defer { free(found) }
        return String(cString: found)
    }

    /// Whether there is a directory of a name.
    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The names of what is in a directory; none where it cannot be read.
    static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
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

    /// Removes a directory and the files in it.
    static func removeDirectory(_ path: String) {
        for name in names(in: path) { _ = unlink(path + "/" + name) }
        _ = rmdir(path)
    }
}
