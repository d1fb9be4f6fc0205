/// The lines of a file, one after the other, in bounded memory.
///
/// Lines end with LF or CRLF. Blank lines are passed over (and counted), as is a byte order mark.
final class LineReader {
    /// The longest line that is read, in bytes.
    static let longestLine = 64 << 20

    /// The file's name, for messages.
    let name: String
    /// The size of the file in bytes; `nil` for a pipe.
    let size: Int?
    /// How many bytes have been handed out.
    private(set) var offset = 0
    /// The number of the line handed out last, from 1.
    private(set) var number = 0

    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    private static let chunk = 1 << 18

    /// Opens a file; `-` is standard input.
    init(_ path: String) throws {
        if path == "-" {
            name = "standard input"
            descriptor = System.standardInput
        } else {
            name = path
            descriptor = try System.openForReading(path)
        }
        size = System.size(of: descriptor)
    }

    deinit { if descriptor != System.standardInput { System.shut(descriptor) } }

    /// The next line that is not blank, without its end; `nil` at the end of the file, and when a signal has come
    /// while a pipe has nothing to read.
    func next() throws -> [UInt8]? {
        while let range = try nextRange() {
            number += 1
            var (first, last) = (range.lowerBound, range.upperBound)
            if last > first, buffer[last - 1] == UInt8(ascii: "\r") { last -= 1 }
            if number == 1, buffer[first..<last].starts(with: [0xEF, 0xBB, 0xBF]) { first += 3 }
            let isBlank = buffer[first..<last].allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            if !isBlank { return Array(buffer[first..<last]) }
        }
        return nil
    }

    /// Where the next line is in the buffer.
    private func nextRange() throws -> Range<Int>? {
        var searched = start
        while true {
            if let end = Self.lineEnd(buffer, from: searched) {
                defer {
                    offset += end + 1 - start
                    start = end + 1
                }
                return start..<end
            }
            guard buffer.count - start <= Self.longestLine else {
                throw ToolError(
                    "\(name.terminalSafe):\(number + 1): the line is longer than \(Self.longestLine >> 20) MB")
            }
            searched = buffer.count
            if isAtEnd {
                guard start < buffer.count else { return nil }
                defer {
                    offset += buffer.count - start
                    start = buffer.count
                }
                return start..<buffer.count
            }
            searched -= start
            buffer.removeFirst(start)
            start = 0
            try fill()
        }
    }

    private func fill() throws {
        if size == nil, !System.waitToRead(descriptor, unless: Interruption.wakeDescriptor) {
            // Stopped: the line under way is not whole.
            buffer.removeAll()
            isAtEnd = true
            return
        }
        let present = buffer.count
        buffer.append(contentsOf: repeatElement(0, count: Self.chunk))
        let (descriptor, name) = (descriptor, name)
        let count = try buffer.withUnsafeMutableBytes {
            try System.read(descriptor, into: UnsafeMutableRawBufferPointer(rebasing: $0[present...]), name)
        }
        buffer.removeLast(Self.chunk - count)
        isAtEnd = count == 0
    }

    private static func lineEnd(_ bytes: [UInt8], from start: Int) -> Int? {
        bytes.withUnsafeBufferPointer { bytes in
            UnsafeBufferPointer(rebasing: bytes[start...]).firstIndex(of: UInt8(ascii: "\n")).map { $0 + start }
        }
    }
}
