/// The vectors of a NumPy file (`numpy.save`), a few rows at a time, in bounded memory.
///
/// Reads versions 1 and 2 of the format with little-endian float32 or float64 in C order: a row a vector; an array of
/// one axis is one vector. Anything else is an error that says what to do.
final class NumpyReader {
    /// The file's name, for messages.
    let name: String
    /// What the file says it holds.
    let header: NumpyHeader
    /// How many rows have been handed out.
    private(set) var row = 0

    private let descriptor: Int32

    /// Opens a file and reads its header.
    init(_ path: String) throws {
        name = path
        let descriptor = try System.openForReading(path)
        self.descriptor = descriptor
        do { header = try Self.readHeader(descriptor, path) } catch {
            System.shut(descriptor)
            throw error
        }
    }

    deinit { System.shut(descriptor) }

    private static func readHeader(_ descriptor: Int32, _ path: String) throws -> NumpyHeader {
        func refused(_ reason: String) -> ToolError { ToolError("\(path.terminalSafe): \(reason)") }
        func read(_ count: Int) throws -> [UInt8] {
            try readFully(descriptor, count, path) ?? { throw refused("it ends within its header") }()
        }
        let prefix = try readFully(descriptor, 8, path) ?? []
        guard prefix.starts(with: [0x93] + "NUMPY".utf8) else { throw refused("it is not a NumPy file (.npy)") }
        let length: Int
        switch prefix[6] {
        case 1:
            let bytes = try read(2)
            length = Int(bytes[0]) | Int(bytes[1]) << 8
        case 2:
            let bytes = try read(4)
            length = bytes.enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        default: throw refused("it has version \(prefix[6]) of NumPy's format; 1 and 2 are read")
        }
        guard length <= NumpyHeader.longest else { throw refused("its header is \(length) bytes long") }
        let header: NumpyHeader
        do { header = try NumpyHeader(text: try read(length)) } catch let refusal as NumpyHeader.Refusal {
            throw refused(refusal.reason)
        }
        let before = length + (prefix[6] == 1 ? 10 : 12)
        if let size = System.size(of: descriptor), size - before != header.byteCount {
            throw refused(
                "it should hold \(header.rows) rows of \(header.dimension) numbers (\(header.byteCount) bytes) "
                    + "and has \(size - before) bytes")
        }
        return header
    }

    /// A signal has come while a pipe has nothing to read.
    private struct Stopped: Error {}

    /// Exactly so many bytes; `nil` where the file has fewer.
    private static func readFully(_ descriptor: Int32, _ count: Int, _ path: String) throws -> [UInt8]? {
        let isFile = System.size(of: descriptor) != nil
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            if !isFile, !System.waitToRead(descriptor, unless: Interruption.wakeDescriptor) { throw Stopped() }
            let more = try bytes.withUnsafeMutableBytes {
                try System.read(descriptor, into: UnsafeMutableRawBufferPointer(rebasing: $0[filled...]), path)
            }
            if more == 0 { return nil }
            filled += more
        }
        return bytes
    }

    /// The next vector; `nil` after the last, and when a signal has come while a pipe has nothing to read.
    ///
    /// A float64 beyond float32's range becomes infinite, which no store takes.
    func next() throws -> [Float]? {
        guard row < header.rows else { return nil }
        if rest.isEmpty { guard try fill() else { return nil } }
        defer { row += 1 }
        return rest.popFirst()
    }

    private var rest: ArraySlice<[Float]> = []

    /// Reads about a megabyte, and at least a row; `false` when a signal has come first.
    private func fill() throws -> Bool {
        let width = header.dimension * header.number.size
        let rows = max(1, min(header.rows - row, (1 << 20) / width))
        let read: [UInt8]?
        do { read = try Self.readFully(descriptor, rows * width, name) } catch is Stopped { return false }
        guard let bytes = read else {
            throw ToolError("\(name.terminalSafe): it ends within row \(row + 1) of \(header.rows)")
        }
        rest = (0..<rows).map { Self.vector(bytes[($0 * width)..<(($0 + 1) * width)], header.number) }[...]
        return true
    }

    private static func vector(_ bytes: ArraySlice<UInt8>, _ number: NumpyHeader.Number) -> [Float] {
        bytes.withUnsafeBytes { bytes in
            switch number {
            case .float32:
                stride(from: 0, to: bytes.count, by: 4).map {
                    Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
                }
            case .float64:
                stride(from: 0, to: bytes.count, by: 8).map {
                    Float(
                        Double(
                            bitPattern: UInt64(
                                littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt64.self))))
                }
            }
        }
    }
}
