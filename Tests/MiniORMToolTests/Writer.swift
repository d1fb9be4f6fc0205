import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#endif

/// A process that reads from a pipe which the test holds open.
final class Writer {
    let process: Process
    private let pipe = Pipe()
    private let scratch: Scratch

    init(_ process: Process) throws {
        self.process = process
        scratch = try Scratch()
        process.standardInput = pipe
        process.standardOutput = FileHandle(forWritingAtPath: try scratch.write("out", ""))
        process.standardError = FileHandle(forWritingAtPath: try scratch.write("err", ""))
        try process.run()
    }

    func write(_ text: String) { write(Array(text.utf8)) }

    func write(_ bytes: [UInt8]) { pipe.fileHandleForWriting.write(Data(bytes)) }

    /// Waits until the process has read everything and, as far as one can tell from outside, waits for more.
    func waitUntilRead() {
        var unread: Int32 = 1
        while unread > 0, ioctl(pipe.fileHandleForWriting.fileDescriptor, UInt(FIONREAD), &unread) == 0 {
            Thread.sleep(forTimeInterval: 0.01)
        }
        Thread.sleep(forTimeInterval: 0.3)
    }

    /// Waits until an interruption does not simply kill the process.
    func waitUntilItListens() {
        #if os(Linux)
        while process.isRunning, !(status("SigCgt").flatMap { UInt64($0, radix: 16) } ?? 0).isSet(SIGINT - 1) {
            Thread.sleep(forTimeInterval: 0.01)
        }
        #else
        Thread.sleep(forTimeInterval: 2)
        #endif
    }

    /// What Linux says of the process.
    func status(_ key: String) -> String? {
        let text = try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
        return text?.split(separator: "\n").first { $0.hasPrefix(key + ":") }
            .map { $0.dropFirst(key.count + 1).trimmingCharacters(in: .whitespaces) }
    }

    /// Waits for the end, and kills the process when it does not come.
    func wait(atMost seconds: Double) -> Tool.Outcome {
        let start = Date()
        while process.isRunning, Date().timeIntervalSince(start) < seconds { Thread.sleep(forTimeInterval: 0.01) }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        return wait()
    }

    func finish() throws -> Tool.Outcome {
        try pipe.fileHandleForWriting.close()
        return wait()
    }

    func wait() -> Tool.Outcome {
        process.waitUntilExit()
        func text(_ name: String) -> String { (try? String(contentsOfFile: scratch.file(name), encoding: .utf8)) ?? "" }
        return Tool.Outcome(status: process.terminationStatus, output: text("out"), errors: text("err"))
    }
}

extension UInt64 {
    fileprivate func isSet(_ bit: Int32) -> Bool { self >> UInt64(bit) & 1 == 1 }
}
