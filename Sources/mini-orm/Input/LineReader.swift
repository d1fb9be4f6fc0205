/// The lines of a file, one after the other, in bounded memory.
///
/// Lines end with LF or CRLF. Blank lines are passed over (and counted), as is a byte order mark.
final class LineReader {
    /// What is read next.
    enum Line {
        /// A line without its end.
        case whole([UInt8])
        /// A line of more than ``longestLine`` bytes, which is passed over.
        case tooLong
    }

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
    /// What is read at once.
    private var chunk = [UInt8](repeating: 0, count: 1 << 18)

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

    /// The next line that is not blank; `nil` at the end of the file, and when a signal has come while a pipe has
    /// nothing to read.
    func next() throws -> Line? {
        while let range = try nextRange() {
            number += 1
            guard range.count <= Self.longestLine else { return .tooLong }
            var (first, last) = (range.lowerBound, range.upperBound)
            if last > first, buffer[last - 1] == UInt8(ascii: "\r") { last -= 1 }
            if number == 1, buffer[first..<last].starts(with: [0xEF, 0xBB, 0xBF]) { first += 3 }
            let isBlank = buffer[first..<last].allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            if !isBlank { return .whole(Array(buffer[first..<last])) }
        }
        return nil
    }

    /// Where the next line is in the buffer. Of one that is too long only the length counts: what the buffer would have
    /// to hold beyond the limit is not kept.
    private func nextRange() throws -> Range<Int>? {
        var searched = start
        var dropped = 0
        while true {
            if let end = Self.lineEnd(buffer, from: searched) {
                defer { pass(to: end + 1) }
                return start..<(end + dropped)
            }
            if isAtEnd {
                guard start < buffer.count || dropped > 0 else { return nil }
                defer { pass(to: buffer.count) }
                return start..<(buffer.count + dropped)
            }
            if buffer.count - start > Self.longestLine {
                dropped += buffer.count - start
                pass(to: buffer.count)
            }
            searched = buffer.count - start
            buffer.removeFirst(start)
            start = 0
            guard try fill() else { return nil }
        }
    }

    private func pass(to position: Int) {
        offset += position - start
        start = position
    }

    /// Reads on; `false` when a signal has come first.
    private func fill() throws -> Bool {
        if size == nil, !System.waitToRead(descriptor, unless: Interruption.wakeDescriptor) {
            // The line under way is not whole.
            buffer.removeAll()
            start = 0
            isAtEnd = true
            return false
        }
        let (descriptor, name) = (descriptor, name)
        let count = try chunk.withUnsafeMutableBytes { try System.read(descriptor, into: $0, name) }
        buffer.append(contentsOf: chunk[..<count])
        isAtEnd = count == 0
        return true
    }

    private static func lineEnd(_ bytes: [UInt8], from start: Int) -> Int? {
        bytes.withUnsafeBytes { System.firstIndex(of: UInt8(ascii: "\n"), in: $0, from: start) }
    }
}
