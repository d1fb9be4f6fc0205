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
    /// Bytes at the end of the log that cannot be read and were cut off, or were passed over with `readOnly`.
    ///
    /// They are those of a call whose writing was interrupted by the end of the process or the power, and which was never
    /// acknowledged; or, where the policy does not wait for the disk, of the last calls before a power cut. Damage looks
    /// the same where nothing behind it says that the disk had been waited for: in the last call before a process was
    /// killed and, with ``Durability/Synchronization/every(_:)`` and ``Durability/Synchronization/never``, anywhere since
    /// the disk was last waited for. After ``InMemoryVectorStore/close()`` nothing is cut, and damage is an error; only of
    /// a log whose file was made shorter since, as by a copy that ended too early, the log itself says nothing.
    public var cutBytes = 0
    /// Where these bytes are kept: a file of the directory that is never read again, behind a copy of the log's header.
    /// The last 16 such files stay, and may be deleted. `nil` where nothing was cut, or nothing but zeros.
    public var cutFile: String?
}
