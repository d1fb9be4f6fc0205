internal import Dispatch
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

// Written once, before there is a handler that reads it.
nonisolated(unsafe) private var signalPipe: Int32 = -1

/// The handler of a signal. It does what a handler may do: it writes a byte.
private func noteSignal(_ number: Int32) {
    let error = errno
    var byte = UInt8(truncatingIfNeeded: number)
    _ = write(signalPipe, &byte, 1)
    errno = error
}

/// What Ctrl-C (and SIGTERM) does: it never leaves a half-written file, and a command that asks for it ends in order.
///
/// Without more the process removes its temporary files and exits with 128 and the signal's number (130 for Ctrl-C).
/// A command that sets ``endsInOrder()`` is told instead, and while a file is saved a signal waits. The second signal
/// ends the process at once, whatever it does.
enum Interruption {
    private struct State {
        var isInOrder = false
        var shields = 0
        var signal: Int32?
        var temporaryFiles: Set<String> = []
        var wake: (read: Int32, write: Int32) = (-1, -1)
    }

    private static let state = Mutex(State())
    // Only kept alive: written by `install`, which runs once and before everything else.
    nonisolated(unsafe) private static var source: (any DispatchSourceRead)?

    /// Starts to listen, and lets writes to closed pipes fail instead of ending the process.
    static func install() {
        System.holdStandardDescriptors()
        _ = signal(SIGPIPE, SIG_IGN)
        let wake = makePipe()
        state.withLock { $0.wake = wake }
        // Signals go through a pipe, which keeps those that come before anybody listens.
        let signals = makePipe()
        signalPipe = signals.write
        let source = DispatchSource.makeReadSource(
            fileDescriptor: signals.read, queue: DispatchQueue(label: "mini-orm.signals"))
        source.setEventHandler {
            var number: UInt8 = 0
            if read(signals.read, &number, 1) == 1 { received(Int32(number)) }
        }
        source.activate()
        self.source = source
        for number in [SIGINT, SIGTERM, SIGHUP] {
            // A signal that was ignored from outside (nohup) stays so.
            var present = sigaction()
            _ = sigaction(number, nil, &present)
            if !isIgnored(present) { _ = signal(number, noteSignal) }
        }
    }

    private static func makePipe() -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        _ = pipe(&ends)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        #if canImport(Darwin)
        let handler = action.__sigaction_u.__sa_handler
        #else
        let handler = action.__sigaction_handler.sa_handler
        #endif
        return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    private static func received(_ number: Int32) {
        let waits = state.withLock { state in
            defer { state.signal = state.signal ?? number }
            return state.signal == nil && (state.shields > 0 || state.isInOrder)
        }
        if waits {
            let end = state.withLock { $0.wake.write }
            var byte: UInt8 = 1
            _ = withUnsafeBytes(of: &byte) { try? System.write(end, $0, "") }
        } else {
            leave(number)
        }
    }

    /// Ends the process, without a trace on the disk.
    private static func leave(_ number: Int32) -> Never {
        removeTemporaryFiles()
        Terminal.clearProgress()
        _exit(128 + number)
    }

    /// Ends the process as the closed pipe would have: quietly, and a shell sees why.
    static func endOfPipe() -> Never {
        _ = signal(SIGPIPE, SIG_DFL)
        _ = raise(SIGPIPE)
        _exit(128 + SIGPIPE)
    }

    /// Removes what was not finished.
    static func removeTemporaryFiles() {
        for path in state.withLock({ $0.temporaryFiles }) { _ = unlink(path) }
    }

    /// From here on the first signal is only noted: the command looks at ``isRequested`` and ends in order.
    static func endsInOrder() { state.withLock { $0.isInOrder = true } }

    /// Whether a signal has come.
    static var isRequested: Bool { state.withLock { $0.signal != nil } }

    /// The exit status of a command that was stopped by a signal.
    static var exitStatus: Int32 { 128 + (state.withLock { $0.signal } ?? SIGINT) }

    /// Readable once a signal has come.
    static var wakeDescriptor: Int32 { state.withLock { $0.wake.read } }

    /// Does what should not be cut short; the first signal waits until it is done.
    static func shielded<Value, Failure: Error>(
        _ body: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        state.withLock { $0.shields += 1 }
        defer { endShield() }
        return try await body()
    }

    private static func endShield() {
        let pending = state.withLock { state in
            state.shields -= 1
            return state.shields == 0 && !state.isInOrder ? state.signal : nil
        }
        if let pending { leave(pending) }
    }

    /// Notes a file to be removed if the process ends before ``forget(_:)``.
    static func remember(_ path: String) { state.withLock { _ = $0.temporaryFiles.insert(path) } }

    /// The file is finished, or gone.
    static func forget(_ path: String) { state.withLock { _ = $0.temporaryFiles.remove(path) } }
}
