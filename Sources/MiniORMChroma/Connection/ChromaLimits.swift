#if Chroma
/// How much one request may ask for. What is `nil` is asked of the server, or not limited.
public struct ChromaLimits: Sendable, Hashable {
    /// Records in one write, at the most. The server's own limit counts too, if it is lower.
    public var recordsPerWrite: Int = 2_000
    /// Bytes of one write; a single record may exceed it.
    public var bytesPerWrite: Int = 8 << 20
    /// Records in one answer, at least 2.
    public var recordsPerAnswer: Int?
    /// Records read at once where a call reads many, vectors included; fewer where vectors are long.
    public var recordsPerRead: Int = 2_000
    /// Conditions in one filter that are left to the server; the rest is finished on our side. (The server's SQLite
    /// refuses more than about 990, and a server was seen to die of 20,000.)
    public var conditions: Int = 256
    /// Values in the lists of one filter that are left to the server, a number counted twice. (The server's SQLite
    /// binds 32,766.)
    public var operands: Int = 10_000
    /// Whether the server may order numbers. A distributed server keeps 32 bits of an integer, which is enough to find
    /// equal ones and too few to order them.
    public var ordersNumbers = true
    /// Writes under way at the same time in one call.
    public var writesInFlight: Int = 2
    /// Requests under way at the same time in a store, and so its connections; further ones wait.
    public var requestsInFlight: Int = 16
    /// The longest vector.
    public var dimension: Int?
    /// The longest id, in UTF-8.
    public var bytesPerID: Int?
    /// The longest name of a collection.
    public var bytesPerName: Int?
    /// The longest key of a record's metadata, at least 16: fields with a longer one are not indexed. Fixed when a
    /// collection is created.
    public var bytesPerKey: Int?
    /// The longest text in a record's metadata, at least 64: a longer payload goes in pieces.
    public var bytesPerValue: Int?
    /// Values in a record's metadata, at least 2: what exceeds them is not indexed, and the record is looked at on our
    /// side by every filter. (The server's SQLite refuses 5,461, and the whole collection from then on.)
    public var valuesPerRecord: Int = 2_000

    /// The limits of a server of one's own.
    public init() {}

    /// Chroma Cloud's published quotas: 300 records a write and an answer, 8 conditions, 4,096 components, ids and
    /// names of 128 bytes, 32 values a record with keys of 36 bytes and texts of 4,096, 10 requests at a time.
    public static var cloud: Self {
        var limits = Self()
        limits.recordsPerWrite = 300
        limits.recordsPerAnswer = 300
        limits.recordsPerRead = 300
        limits.conditions = 8
        limits.ordersNumbers = false
        limits.requestsInFlight = 10
        limits.dimension = 4_096
        limits.bytesPerID = 128
        limits.bytesPerName = 128
        limits.bytesPerKey = 36
        limits.bytesPerValue = 4_096
        limits.valuesPerRecord = 32
        return limits
    }

    /// Whether a store can work within them.
    var areUsable: Bool {
        [recordsPerWrite, recordsPerRead, writesInFlight, requestsInFlight, dimension ?? 1, bytesPerID ?? 1]
            .allSatisfy { $0 >= 1 }
            && recordsPerAnswer ?? 2 >= 2 && valuesPerRecord >= 2 && bytesPerName ?? 3 >= 3
            && bytesPerKey ?? 16 >= 16 && bytesPerValue ?? 64 >= 64
    }
}
#endif
