#if Chroma
// Unsafe, because a checked access per byte costs more than the work: a component writes at most `longest` bytes, for
// which there is room, and the pointers do not leave the closures that they are given to.

/// Finite floats as JSON numbers, each a whole number of nine or ten digits times a power of ten.
///
/// Nine digits tell every float from its neighbours, so that the nearest float to the text is the one it was made of.
/// The text is not the shortest one, and is made in a third of its time.
enum FloatText {
    /// The most bytes that one component takes, with the comma after it.
    static let longest = 16

    /// Powers of ten from -30 to 53.
    private static let powers: [Double] = (-30...53).map { Double("1e\($0)") ?? 0 }

    /// Two digits for every number below 100, as they lie in memory.
    private static let pairs: [UInt16] = (0..<100).map { number in
        let tens = UInt16(number / 10), ones = UInt16(number % 10)
        return (0x3030 + tens + ones << 8).littleEndian
    }

    /// Appends the components with commas between them.
    static func append(_ vector: [Float], to text: inout [UInt8]) {
        guard !vector.isEmpty else { return }
        withUnsafeTemporaryAllocation(byteCount: vector.count * longest, alignment: 1) { room in
            var end = 0
            powers.withUnsafeBufferPointer { powers in
                pairs.withUnsafeBufferPointer { pairs in
                    for component in vector { write(component, powers, pairs, room, &end) }
                }
            }
            // Not the last comma.
            text.append(contentsOf: UnsafeRawBufferPointer(rebasing: room[..<(end - 1)]))
        }
    }

    private static func write(
        _ component: Float, _ powers: UnsafeBufferPointer<Double>, _ pairs: UnsafeBufferPointer<UInt16>,
        _ room: UnsafeMutableRawBufferPointer, _ end: inout Int
    ) {
        func put(_ byte: UInt8) {
            room[end] = byte
            end += 1
        }
        func put(pair number: UInt32) {
            room.storeBytes(of: pairs[Int(number)], toByteOffset: end, as: UInt16.self)
            end += 2
        }
        if component < 0 { put(UInt8(ascii: "-")) }
        guard component.isNormal || component.isSubnormal else {
            put(UInt8(ascii: "0"))
            put(UInt8(ascii: ","))
            return
        }
        // The decimal exponent, or one less; 78,913 is log10(2) times 2^18.
        let exponent = (Int(component.exponent) * 78_913) >> 18
        // At least 1e8 and below 2e9. It is off by less than one in the last digit, of which eight are enough.
        let digits = UInt32(Double(component.magnitude) * powers[38 - exponent] + 0.5)
        let upper = digits / 100_000_000, lower = digits % 100_000_000
        if upper >= 10 { put(pair: upper) } else { put(UInt8(ascii: "0") + UInt8(upper)) }
        put(pair: lower / 1_000_000)
        put(pair: lower / 10_000 % 100)
        put(pair: lower / 100 % 100)
        put(pair: lower % 100)
        let power = exponent - 8
        put(UInt8(ascii: "e"))
        if power < 0 { put(UInt8(ascii: "-")) }
        if power.magnitude >= 10 { put(pair: UInt32(power.magnitude)) } else { put(0x30 + UInt8(power.magnitude)) }
        put(UInt8(ascii: ","))
    }
}
#endif
