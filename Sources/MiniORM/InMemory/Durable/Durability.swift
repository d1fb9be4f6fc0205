/// How a store in a directory keeps what is written to it.
///
/// ```swift
/// var durability = Durability()
/// durability.synchronization = .every(.milliseconds(50))
/// let store = try InMemoryVectorStore(at: "words", durability: durability)
/// ```
public struct Durability: Sendable, Hashable {
    /// When the disk is waited for. Whatever it is, what a call has acknowledged survives the end of the process, and
    /// an upsert is there whole or not at all.
    public enum Synchronization: Sendable, Hashable {
        /// Before a call returns: what is acknowledged survives a power cut. Calls that come in while the disk is busy
        /// share the next wait.
        case always
        /// This long after a call at the latest: a power cut may cost the calls of that time, the last ones first.
        case every(Duration)
        /// When a checkpoint is made: a power cut may cost everything since.
        case never
    }

    /// When the disk is waited for.
    public var synchronization = Synchronization.always
    /// Bytes of the log after which a checkpoint is made in the background, so that opening does not have more to
    /// repeat. At least 64 KB.
    public var checkpointBytes = 64 << 20

    /// Waits for the disk before each call returns; a checkpoint after 64 MB.
    public init() {}
}

/// What the opening of a directory found.
public struct OpeningReport: Sendable, Hashable {
    /// Calls that were repeated from the log, as they came after the last checkpoint.
    public var replayedCalls = 0
    /// Bytes at the end of the log that were cut off: of a call whose writing was interrupted, and which was never
    /// acknowledged. With ``Durability/Synchronization/always`` nothing else is ever cut.
    public var cutBytes = 0
}
