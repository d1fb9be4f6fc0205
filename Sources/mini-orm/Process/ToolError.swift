internal import MiniORM

/// A failure that a person can act on: one line on standard error, and an exit status.
struct ToolError: Error, CustomStringConvertible {
    /// What went wrong and what to do, in one line.
    var message: String
    /// The exit status.
    var status: Int32 = 1

    init(_ message: String, status: Int32 = 1) {
        self.message = message
        self.status = status
    }

    var description: String { message }

    /// What the system says of a failed call.
    static func system(_ what: String, _ path: String, errno code: Int32) -> ToolError {
        ToolError("cannot \(what) \(path.shown): \(systemMessage(code))")
    }
}

/// Standard output was closed by who read it: not a failure to report.
struct BrokenPipe: Error {}

/// The run was stopped by a signal, and what had to be kept is kept.
struct Interrupted: Error {
    /// What to say on standard error.
    var message: String
}

extension VectorStoreError {
    /// The error as one line for a person.
    var line: String { description.singleLine }
}

extension String {
    /// The string on one line, with nothing in it that a terminal obeys.
    var singleLine: String { terminalSafe }

    /// The string in double quotes, safe for a terminal and cut where it is long.
    var shown: String {
        let text = terminalSafe
        return text.count > 200 ? "\"\(text.prefix(200))…\"" : "\"\(text)\""
    }
}
