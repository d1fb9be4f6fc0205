#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Keeps two commands from changing one file at a time, where the second would undo the first.
///
/// It is a file beside it, locked while the command runs and removed afterwards. One that is left over by a crash is
/// not locked and does no harm.
final class FileLock: Sendable {
    private let path: String
    private let descriptor: Int32

    /// Takes the lock of a file. Throws where another command has it.
    init(_ file: String) throws {
        path = file + ".lock"
        while true {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
            guard descriptor >= 0 else { throw ToolError.system("write", path, errno: errno) }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                let code = errno
                System.shut(descriptor)
                guard code == EWOULDBLOCK else { throw ToolError.system("lock", path, errno: code) }
                throw ToolError("another command is changing \(file.shown); try again when it is done")
            }
            // Who had it before may have removed the file between our opening and our locking.
            var locked = stat()
            var present = stat()
            if fstat(descriptor, &locked) == 0, stat(path, &present) == 0, locked.st_ino == present.st_ino {
                self.descriptor = descriptor
                break
            }
            System.shut(descriptor)
        }
        Interruption.remember(path)
    }

    deinit { release() }

    private func release() {
        _ = unlink(path)
        Interruption.forget(path)
        System.shut(descriptor)
    }
}
