#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A file that appears whole or not at all: written under a temporary name beside it, and renamed.
///
/// What was under its name before stays until then. A pipe or a device cannot be replaced and is written to directly,
/// as is what a name such as `/dev/stdout` stands for: a file there belongs to who opened it.
final class FileOutput: TextOutput {
    private let path: String
    private let temporary: String?
    private var descriptor: Int32
    private var buffer: [UInt8] = []

    /// A file to be written.
    init(_ name: String) throws {
        var status = stat()
        let exists = stat(name, &status) == 0
        if let stream = System.stream(name) {
            (path, temporary) = (name, nil)
            descriptor = try stream.opened()
            return
        }
        // A link stays a link: what it points at is replaced.
        path = exists ? System.resolved(name) ?? name : name
        if exists, status.st_mode & S_IFMT != S_IFREG {
            temporary = nil
            descriptor = open(path, O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw ToolError.system("write", name, errno: errno) }
            return
        }
        let beside = "\(path).\(getpid()).tmp"
        descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw ToolError.system("write", beside, errno: errno) }
        temporary = beside
        Interruption.remember(beside)
        if exists { _ = fchmod(descriptor, status.st_mode & 0o7777) }
    }

    deinit { discard() }

    func write(_ text: String) throws {
        buffer.append(contentsOf: text.utf8)
        if buffer.count >= 1 << 18 { try flush() }
    }

    func json(_ bytes: [UInt8]) throws {
        buffer.append(contentsOf: bytes)
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= 1 << 18 { try flush() }
    }

    private func flush() throws {
        try buffer.withUnsafeBytes { try System.write(descriptor, $0, path) }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Puts the file in its place.
    func finish() throws {
        try flush()
        guard let temporary else { return }
        guard fsync(descriptor) == 0 else { throw ToolError.system("write", path, errno: errno) }
        guard rename(temporary, path) == 0 else { throw ToolError.system("write", path, errno: errno) }
        Interruption.forget(temporary)
        close()
    }

    private func close() {
        if descriptor >= 0 { System.shut(descriptor) }
        descriptor = -1
    }

    private func discard() {
        guard descriptor >= 0 else { return }
        close()
        guard let temporary else { return }
        _ = unlink(temporary)
        Interruption.forget(temporary)
    }
}
