/// How often, and after which pause, a call that is safe to repeat is repeated.
///
/// The pause before retry *n* is drawn evenly from zero to `min(maximumDelay, baseDelay * 2^(n-1))` ("full jitter"),
/// and never shorter than what the server asked for.
public struct RetryPolicy: Sendable, Hashable {
    /// How often a call is sent, at the most; 1 is no retry.
    public var maximumAttempts: Int
    /// The bound of the first pause.
    public var baseDelay: Duration
    /// The bound of every pause.
    public var maximumDelay: Duration

    /// A policy: four attempts, pauses of up to 0.1 s, 0.2 s and 0.4 s.
    public init(
        maximumAttempts: Int = 4, baseDelay: Duration = .milliseconds(100), maximumDelay: Duration = .seconds(5)
    ) {
        self.maximumAttempts = maximumAttempts
        self.baseDelay = baseDelay
        self.maximumDelay = maximumDelay
    }

    /// No retry.
    public static let none = RetryPolicy(maximumAttempts: 1)

    /// The pause after an attempt, or `nil` where it was the last one.
    ///
    /// - Parameters:
    ///   - attempt: How many attempts were made, from 1.
    ///   - hint: What the server asked to wait, where it did.
    public func delay(after attempt: Int, hint: Duration? = nil) -> Duration? {
        guard attempt >= 1, attempt < maximumAttempts else { return nil }
        var bound = min(maximumDelay, baseDelay)
        for _ in 1..<min(attempt, 64) where bound < maximumDelay { bound = min(maximumDelay, bound + bound) }
        let jittered = bound * Double.random(in: 0...1)
        return max(jittered, hint ?? .zero)
    }
}
