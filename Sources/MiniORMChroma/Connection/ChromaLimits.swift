#if Chroma
/// How much one request may ask for. What is `nil` is asked of the server, or not limited.
public struct ChromaLimits: Sendable, Hashable {
    /// Records in one write, at the most. The server's own limit counts too, if it is lower.
    public var recordsPerWrite: Int = 1_000
    /// Bytes of one write, about; a single record may exceed it.
    public var bytesPerWrite: Int = 8 << 20
    /// Records in one answer.
    public var recordsPerAnswer: Int?
    /// Records read at once where a call reads many, vectors included; fewer where vectors are long.
    public var recordsPerRead: Int = 2_000
    /// Conditions in one filter that are left to the server; the rest is finished on our side. (The server's SQLite
    /// refuses more than about 990, and a server was seen to die of 20,000.)
    public var conditions: Int = 256
    /// Writes under way at the same time in one call.
    public var writesInFlight: Int = 2
    /// The longest vector.
    public var dimension: Int?

    /// The limits of a server of one's own.
    public init() {}

    /// Chroma Cloud's published quotas: 300 records a write and an answer, 8 conditions, 4,096 components.
    public static var cloud: Self {
        var limits = Self()
        limits.recordsPerWrite = 300
        limits.recordsPerAnswer = 300
        limits.recordsPerRead = 300
        limits.conditions = 8
        limits.dimension = 4_096
        return limits
    }
}
#endif
