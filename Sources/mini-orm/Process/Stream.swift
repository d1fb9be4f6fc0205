#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What a name below `/dev` or `/proc` stands for, such as `/dev/stdout`: something that is open already, or a device.
struct Stream {
    /// The name, without links on the way to it.
    let path: String
    /// The number, where it is a descriptor of this process.
    var descriptor: Int32?

    /// Opens it for writing; a file is written to at its end.
    func opened() throws -> Int32 {
        // A copy of a descriptor shares its position with whoever else writes there.
        let opened =
            if let descriptor { fcntl(descriptor, F_DUPFD_CLOEXEC, 3) } else {
                open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
            }
        guard opened >= 0 else { throw ToolError.system("write", path, errno: errno) }
        return opened
    }
}

extension System {
    /// The stream that a name stands for; `nil` for any other file, be it there or not.
    static func stream(_ name: String) -> Stream? {
        var path = name
        var isDevice = false
        // As many links as the system follows.
        for _ in 0..<40 {
            let slash = path.lastIndex(of: "/")
            let last = slash.map { String(path[path.index(after: $0)...]) } ?? path
            guard !last.isEmpty, let folder = resolved(slash.map { String(path[...$0]) } ?? ".") else { return nil }
            let full = folder + "/" + last
            if full.hasPrefix("/proc/") || folder == "/dev/fd" {
                let isOurs = folder == "/proc/\(processNumber)/fd" || folder == "/dev/fd"
                return Stream(path: full, descriptor: isOurs ? Int32(last) : nil)
            }
            // Files in shared memory are files.
            isDevice = isDevice || full.hasPrefix("/dev/") && !full.hasPrefix("/dev/shm/")
            guard let target = target(of: full) else { return isDevice ? Stream(path: full) : nil }
            path = target.hasPrefix("/") ? target : folder + "/" + target
        }
        return nil
    }

    /// What a link points at; `nil` where there is no link.
    private static func target(of path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }
}
