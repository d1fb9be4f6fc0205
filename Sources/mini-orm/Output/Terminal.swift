internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What is known about the terminal, and messages to the person at it.
enum Terminal {
    /// Whether a person reads standard output.
    static var showsOutput: Bool { isatty(System.standardOutput) == 1 }
    /// Whether a person reads standard error.
    static var showsErrors: Bool { isatty(System.standardError) == 1 }
    /// Whether a person types on standard input.
    static var takesInput: Bool { isatty(System.standardInput) == 1 }

    /// The terminal's width in columns.
    static func width(of descriptor: Int32) -> Int {
        var size = winsize()
        if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
        return System.environment("COLUMNS").flatMap { Int($0) } ?? 80
    }

    private static let progressIsShown = Mutex(false)

    /// Shows a line of progress in place of the one before.
    static func showProgress(_ line: String) {
        progressIsShown.withLock { $0 = true }
        write("\r\u{1B}[2K" + line)
    }

    /// Takes the line of progress away.
    static func clearProgress() {
        let shown = progressIsShown.withLock { shown in
            defer { shown = false }
            return shown
        }
        if shown { write("\r\u{1B}[2K") }
    }

    /// Says something on standard error, on a line of its own.
    static func say(_ line: String) {
        clearProgress()
        write(line + "\n")
    }

    /// Asks on standard error; yes only for `y` or `yes`.
    static func confirms(_ question: String) -> Bool {
        write(question + " [y/N] ")
        let answer = readLine()?.lowercased() ?? ""
        return answer == "y" || answer == "yes"
    }

    private static func write(_ text: String) {
        let bytes = Array(text.utf8)
        // Where standard error is closed there is nobody to tell.
        bytes.withUnsafeBytes { try? System.write(System.standardError, $0, "standard error") }
    }
}
