internal import CVectorKernels

/// A string that is compared, ordered and hashed by its UTF-8 bytes.
///
/// Swift's `String` compares by canonical equivalence: `"é"` in one scalar equals `"é"` in two. Ids and payload
/// strings are bytes to every engine, so a dictionary keyed by `String` would merge two records into one.
public struct UTF8Key: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The string itself.
    public var string: String

    /// The key of a string.
    public init(_ string: String) { self.string = string }

    /// The string itself.
    public var description: String { string }

    /// Equal bytes.
    public static func == (lhs: Self, rhs: Self) -> Bool {
        lhs.string.utf8.count == rhs.string.utf8.count && lhs.order(to: rhs) == 0
    }

    /// The order of the bytes, which is the order of the Unicode scalars.
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.order(to: rhs) < 0 }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) {
        let hashed: Void? = string.utf8.withContiguousStorageIfAvailable { bytes in
            hasher.combine(bytes: UnsafeRawBufferPointer(bytes))
        }
        if hashed == nil {
            var native = string
            native.makeContiguousUTF8()
            native.utf8.withContiguousStorageIfAvailable { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    /// Negative, zero or positive.
    func order(to other: Self) -> Int {
        let fast = string.utf8.withContiguousStorageIfAvailable { lhs in
            other.string.utf8.withContiguousStorageIfAvailable { rhs in
                let order = cvk_compare_bytes(lhs.baseAddress, rhs.baseAddress, min(lhs.count, rhs.count))
                return order != 0 ? Int(order) : lhs.count - rhs.count
            }
        }
        if let order = fast ?? nil { return order }
        for (left, right) in zip(string.utf8, other.string.utf8) where left != right { return left < right ? -1 : 1 }
        return string.utf8.count - other.string.utf8.count
    }
}
