import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#endif

/// A terminal that a test sits at.
final class PseudoTerminal {
    private let own: Int32
    private let other: FileHandle
    /// What has been shown so far.
    private(set) var shown = ""

    /// A terminal of a width.
    init(columns: Int) throws {
        var size = winsize(ws_row: 40, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        var (own, opened): (Int32, Int32) = (-1, -1)
        try #require(openpty(&own, &opened, nil, nil, &size) == 0)
        // A process of another test that holds it would keep the terminal open.
        for descriptor in [own, opened] { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        self.own = own
        other = FileHandle(fileDescriptor: opened, closeOnDealloc: true)
    }

    deinit { close(own) }

    /// Which of a process's streams are the terminal.
    struct Streams: OptionSet {
        let rawValue: Int
        static let input = Self(rawValue: 1), output = Self(rawValue: 2), errors = Self(rawValue: 4)
        static let all: Self = [.input, .output, .errors]
    }

    /// Starts a process at the terminal. Streams that are not there are the null device.
    func start(_ process: Process, _ streams: Streams = .all) throws {
        process.standardInput = streams.contains(.input) ? other : FileHandle.nullDevice
        process.standardOutput = streams.contains(.output) ? other : FileHandle.nullDevice
        process.standardError = streams.contains(.errors) ? other : FileHandle.nullDevice
        try process.run()
        try other.close()
    }

    /// Runs a process to its end and returns its status.
    func run(_ process: Process, _ streams: Streams = .all) throws -> Int32 {
        try start(process, streams)
        while readMore() {}
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Reads until a text is shown.
    func wait(for text: String) throws { while !shown.contains(text) { try #require(readMore(), "\(shown)") } }

    /// Types on the keyboard.
    func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(own, bytes, bytes.count)
    }

    /// `false` once the process has let go of the terminal.
    private func readMore() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(own, &bytes, bytes.count)
        guard count > 0 else { return false }
        shown += String(decoding: bytes[..<count], as: UTF8.self)
        return true
    }
}
