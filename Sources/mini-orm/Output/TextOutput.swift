/// Where lines go: standard output or a file, buffered.
protocol TextOutput {
    /// Adds text as it is.
    mutating func write(_ text: String) throws
    /// Adds a line of JSON.
    mutating func json(_ bytes: [UInt8]) throws
}

extension TextOutput {
    /// Adds a line.
    mutating func line(_ text: String = "") throws { try write(text + "\n") }

    /// Adds a line of JSON.
    mutating func json(_ text: String) throws { try json(Array(text.utf8)) }

    /// Adds a table, cut to the terminal where there is one.
    mutating func table(_ table: Table) throws {
        let width = Terminal.showsOutput ? Terminal.width(of: System.standardOutput) : nil
        for line in table.lines(width: width) { try self.line(line) }
    }
}

/// Standard output, written in large pieces. Nothing is seen before ``flush()``.
struct StandardOutput: TextOutput {
    private var buffer: [UInt8] = []

    mutating func write(_ text: String) throws {
        buffer.append(contentsOf: text.utf8)
        if buffer.count >= 1 << 16 { try flush() }
    }

    /// A terminal may be at the end of standard output: what it obeys is escaped, which says the same in JSON.
    mutating func json(_ bytes: [UInt8]) throws {
        buffer.append(contentsOf: bytes.jsonSafe)
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= 1 << 16 { try flush() }
    }

    /// Writes what is there.
    mutating func flush() throws {
        try buffer.withUnsafeBytes { try System.write(System.standardOutput, $0, "standard output") }
        buffer.removeAll(keepingCapacity: true)
    }
}
