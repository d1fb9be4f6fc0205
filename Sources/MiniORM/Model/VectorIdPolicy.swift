/// Which record ids a store takes.
public enum VectorIdPolicy: String, Sendable, Hashable, Codable, CaseIterable {
    /// Any non-empty string without NUL.
    case any
    /// Only UUIDs in their textual form (8-4-4-4-12 hexadecimal digits).
    case uuid
}
