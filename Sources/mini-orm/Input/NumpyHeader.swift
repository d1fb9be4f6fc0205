/// What a NumPy file says of its array, which a reader has to believe before it reads on.
struct NumpyHeader: Equatable {
    /// The kinds of number that are read.
    enum Number: Equatable {
        /// `<f4`
        case float32
        /// `<f8`
        case float64

        /// The size in bytes.
        var size: Int { self == .float32 ? 4 : 8 }
    }

    /// The kind of the array's numbers.
    var number: Number
    /// How many vectors there are.
    var rows: Int
    /// The length of each.
    var dimension: Int

    /// Why a header is refused; the reader adds the file.
    struct Refusal: Error, Equatable { var reason: String }

    /// The longest header that is read, in bytes.
    static let longest = 1 << 16
    /// The longest vector that is read, which bounds the memory of a row.
    static let largestDimension = 1 << 20

    /// Reads the header's text, a Python dictionary such as
    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (20000, 384), }`.
    init(text: [UInt8]) throws(Refusal) {
        var parser = Parser(bytes: text)
        var descr: String?
        var isFortran: Bool?
        var shape: [Int]?
        try parser.expect("{")
        while !parser.take("}") {
            let key = try parser.string()
            try parser.expect(":")
            switch key {
            case "descr" where descr == nil: descr = try parser.string()
            case "fortran_order" where isFortran == nil: isFortran = try parser.bool()
            case "shape" where shape == nil: shape = try parser.tuple()
            default: throw Refusal(reason: "its header is not NumPy's")
            }
            if !parser.take(",") {
                try parser.expect("}")
                break
            }
        }
        guard parser.isAtEnd, let descr, let isFortran, let shape else {
            throw Refusal(reason: "its header is not NumPy's")
        }
        switch descr {
        case "<f4": number = .float32
        case "<f8": number = .float64
        default:
            throw Refusal(
                reason: "it holds \(descr.shown) numbers; save it as little-endian float32 or float64 (astype('<f4'))")
        }
        guard shape.count == 1 || shape.count == 2 else {
            throw Refusal(reason: "it has \(shape.count) axes; a row a vector makes 2")
        }
        guard !isFortran || shape.count == 1 else {
            throw Refusal(reason: "it is in Fortran's order; save it with numpy.ascontiguousarray")
        }
        rows = shape.count == 2 ? shape[0] : 1
        dimension = shape[shape.count - 1]
        guard dimension > 0 else { throw Refusal(reason: "its vectors have no components") }
        guard dimension <= Self.largestDimension else {
            throw Refusal(reason: "its vectors have more than \(Self.largestDimension.grouped) components")
        }
        // Keeps the size in bytes within Int, whatever the file says.
        guard rows.multipliedReportingOverflow(by: dimension).partialValue <= Int.max / 16,
            !rows.multipliedReportingOverflow(by: dimension).overflow
        else { throw Refusal(reason: "its shape is beyond any file's size") }
    }

    /// The size of the array's numbers in bytes.
    var byteCount: Int { rows * dimension * number.size }
}

/// Reads the few forms of Python that a header is made of.
private struct Parser {
    let bytes: [UInt8]
    var position = 0

    private static let refusal = NumpyHeader.Refusal(reason: "its header is not NumPy's")

    init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func skipSpaces() {
        while position < bytes.count, [0x20, 0x0A, 0x09, 0x0D].contains(bytes[position]) { position += 1 }
    }

    var isAtEnd: Bool { bytes[position...].allSatisfy { [0x20, 0x0A, 0x09, 0x0D].contains($0) } }

    mutating func take(_ text: StaticString) -> Bool {
        skipSpaces()
        let wanted = Array("\(text)".utf8)
        guard bytes[position...].starts(with: wanted) else { return false }
        position += wanted.count
        return true
    }

    mutating func expect(_ text: StaticString) throws(NumpyHeader.Refusal) {
        guard take(text) else { throw Self.refusal }
    }

    mutating func string() throws(NumpyHeader.Refusal) -> String {
        skipSpaces()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "'") || bytes[position] == UInt8(ascii: "\"")
        else { throw Self.refusal }
        let rest = bytes[(position + 1)...]
        guard let end = rest.firstIndex(of: bytes[position]) else { throw Self.refusal }
        position = end + 1
        return String(decoding: rest[..<end], as: UTF8.self)
    }

    mutating func bool() throws(NumpyHeader.Refusal) -> Bool {
        if take("True") { return true }
        try expect("False")
        return false
    }

    mutating func tuple() throws(NumpyHeader.Refusal) -> [Int] {
        var values: [Int] = []
        try expect("(")
        while !take(")") {
            skipSpaces()
            let digits = bytes[position...].prefix { (0x30...0x39).contains($0) }
            guard let value = Int(String(decoding: digits, as: UTF8.self)) else { throw Self.refusal }
            position += digits.count
            values.append(value)
            if !take(",") {
                try expect(")")
                break
            }
        }
        return values
    }
}
