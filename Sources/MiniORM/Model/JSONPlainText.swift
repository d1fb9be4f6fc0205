/// The bytes of a string that JSON has as they are, in reading and in writing.
enum JSONPlainText {
    /// Where they end: at a quotation mark, a backslash, a control character or the end of all bytes, eight of which are
    /// looked at at a time; and whether all before are ASCII.
    ///
    /// - Parameter asASCII: Whether to end at what is not printable ASCII, too.
    @inline(__always)
    static func end(
        _ bytes: UnsafeBufferPointer<UInt8>, from start: Int, asASCII: Bool = false
    ) -> (index: Int, isASCII: Bool) {
        let ones: UInt64 = 0x0101_0101_0101_0101, tops: UInt64 = 0x8080_8080_8080_8080
        let raw = UnsafeRawBufferPointer(bytes)
        var index = start
        var seen: UInt64 = 0
        while index + 8 <= bytes.count {
            let eight = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let quotes = eight ^ ones &* 0x22, backslashes = eight ^ ones &* 0x5C
            // The top bit of each byte that is below 0x20, a quotation mark or a backslash; above the first such byte
            // there may be one too many, which the loop below looks at.
            var special = (eight &- ones &* 0x20) & ~eight
            special |= (quotes &- ones) & ~quotes
            special |= (backslashes &- ones) & ~backslashes
            if asASCII { special |= eight | (eight &+ ones) }
            if special & tops != 0 { break }
            seen |= eight
            index += 8
        }
        while index < bytes.count {
            let byte = bytes[index]
            let isPlain = byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
            guard isPlain && (byte < 0x7F || !asASCII) else { break }
            seen |= UInt64(byte)
            index += 1
        }
        return (index, seen & tops == 0)
    }
}
