extension String {
    /// The text that bytes are in UTF-8; `nil` where they are not.
    ///
    /// Most texts are short and ASCII, for which the standard library's check, which is one for all encodings, costs
    /// more than the text does.
    package init?(validUTF8 bytes: UnsafeBufferPointer<UInt8>) {
        var bits: UInt8 = 0
        for byte in bytes { bits |= byte }
        if bits < 0x80 {
            self.init(decoding: bytes, as: UTF8.self)
        } else {
            self.init(validating: bytes, as: UTF8.self)
        }
    }
}
