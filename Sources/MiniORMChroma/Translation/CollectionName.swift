#if Chroma
internal import MiniORM

/// The server's rule for names. No name is altered, so no two meet.
enum CollectionName {
    /// Throws `VectorStoreError.Code.invalidCollectionName` for a name that the server does not take: 3 to 512
    /// characters `[A-Za-z0-9._-]`, the first and last a letter or digit, no two dots in a row, not an IPv4 address.
    ///
    /// - Parameter limit: The longest name, if the server says so.
    static func check(_ name: String, limit: Int? = nil) throws(VectorStoreError) {
        let limit = min(512, limit ?? 512)
        guard name.utf8.count <= limit, isValid(Array(name.utf8)) else {
            throw VectorStoreError(
                .invalidCollectionName,
                "Chroma takes 3 to \(limit) characters [A-Za-z0-9._-], the first and last a letter or digit, no \"..\" "
                    + "and no IP address", store: "chroma", collection: name)
        }
    }

    private static func isValid(_ name: [UInt8]) -> Bool {
        guard (3...512).contains(name.count), let first = name.first, let last = name.last,
            isLetterOrDigit(first), isLetterOrDigit(last),
            name.allSatisfy({ isLetterOrDigit($0) || "._-".utf8.contains($0) })
        else { return false }
        let parts = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty }) else { return false }
        return parts.count != 4 || !parts.allSatisfy { UInt8(String(decoding: $0, as: UTF8.self)) != nil }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
}
#endif
