#if Qdrant
internal import MiniORM

/// How the ids of a collection's records are the ids of its points, which Qdrant wants to be UUIDs or integers.
enum PointIdentity: String, Sendable, Hashable {
    /// A version 5 UUID of the id; the id itself travels in the payload.
    case hashed = "any"
    /// The id itself where it is a UUID in canonical form, else as ``hashed``.
    case uuid
    /// The id itself where it is a UUID in canonical form or an unsigned integer, else as ``hashed``: collections that
    /// others made.
    case natural

    /// The point of a record.
    func point(_ id: String) -> Qdrant_PointId {
        var point = Qdrant_PointId()
        if self != .hashed, UUIDText.isCanonical(id) {
            point.uuid = id
        } else if self == .natural, let number = UInt64(id), String(number) == id {
            point.num = number
        } else {
            point.uuid = UUIDText.version5(of: id)
        }
        return point
    }

    /// The id of a point that has no id in its payload.
    static func id(_ point: Qdrant_PointId) -> String {
        switch point.pointIDOptions {
        case .num(let number): String(number)
        case .uuid(let text): text
        case nil: ""
        }
    }
}

/// UUIDs as text, RFC 9562.
enum UUIDText {
    /// Whether a text is a UUID as UUIDs are written: 8-4-4-4-12 digits, lower case.
    static func isCanonical(_ text: String) -> Bool {
        text.utf8.count == 36
            && text.utf8.enumerated().allSatisfy { offset, byte in
                switch offset {
                case 8, 13, 18, 23: byte == UInt8(ascii: "-")
                default:
                    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                        || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
                }
            }
    }

    /// The namespace of this library's ids: fixed for ever, as stored points depend on it
    /// (6f0c1a52-93de-4c0b-8e57-2d1b7c5a9e40).
    private static let namespace: [UInt8] = [
        0x6F, 0x0C, 0x1A, 0x52, 0x93, 0xDE, 0x4C, 0x0B, 0x8E, 0x57, 0x2D, 0x1B, 0x7C, 0x5A, 0x9E, 0x40,
    ]

    /// The version 5 UUID of a name, by its UTF-8 bytes.
    static func version5(of name: String) -> String {
        var bytes = SHA1.digest(namespace + Array(name.utf8)).prefix(16).map { $0 }
        bytes[6] = bytes[6] & 0x0F | 0x50
        bytes[8] = bytes[8] & 0x3F | 0x80
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for (offset, byte) in bytes.enumerated() {
            if offset == 4 || offset == 6 || offset == 8 || offset == 10 { text.append(UInt8(ascii: "-")) }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static let digits = Array("0123456789abcdef".utf8)
}

/// SHA-1 (FIPS 180-4), which version 5 UUIDs are defined by. Not for anything secret.
enum SHA1 {
    /// The 20 bytes of the digest.
    static func digest(_ message: [UInt8]) -> [UInt8] {
        var padded = message
        padded.append(0x80)
        while padded.count % 64 != 56 { padded.append(0) }
        let bits = UInt64(message.count) &* 8
        for shift in stride(from: 56, through: 0, by: -8) { padded.append(UInt8(truncatingIfNeeded: bits >> shift)) }

        var hash: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
        var words = [UInt32](repeating: 0, count: 80)
        for block in stride(from: 0, to: padded.count, by: 64) {
            for index in 0..<16 {
                words[index] = padded[(block + index * 4)..<(block + index * 4 + 4)].reduce(0) { $0 << 8 | UInt32($1) }
            }
            for index in 16..<80 {
                let mixed = words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16]
                words[index] = mixed << 1 | mixed >> 31
            }
            var (a, b, c, d, e) = (hash[0], hash[1], hash[2], hash[3], hash[4])
            for index in 0..<80 {
                let (choice, constant): (UInt32, UInt32) =
                    switch index {
                    case ..<20: (b & c | ~b & d, 0x5A82_7999)
                    case ..<40: (b ^ c ^ d, 0x6ED9_EBA1)
                    case ..<60: (b & c | b & d | c & d, 0x8F1B_BCDC)
                    default: (b ^ c ^ d, 0xCA62_C1D6)
                    }
                let next = (a << 5 | a >> 27) &+ choice &+ e &+ constant &+ words[index]
                (a, b, c, d, e) = (next, a, b << 30 | b >> 2, c, d)
            }
            for (index, value) in [a, b, c, d, e].enumerated() { hash[index] = hash[index] &+ value }
        }
        return hash.flatMap { word in stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
        }
    }
}
#endif
