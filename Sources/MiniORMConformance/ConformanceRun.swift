/// A run of many checks over one store, one check after the other; for tools.
///
/// ```swift
/// struct EmbeddedHarness: ConformanceHarness {
///     func makeStore() -> ConformanceStore { .blocking(InMemoryVectorStore()) }
/// }
///
/// let reports = await ConformanceRun(EmbeddedHarness()).run { report in print(report) }
/// ```
public struct ConformanceRun<Harness: ConformanceHarness>: Sendable {
    private let harness: Harness
    private let checks: [ConformanceCheck]

    /// A run.
    ///
    /// - Parameters:
    ///   - harness: What makes the store.
    ///   - checks: Which checks to run.
    public init(_ harness: Harness, checks: [ConformanceCheck] = ConformanceCheck.all) {
        self.harness = harness
        self.checks = checks
    }

    /// Runs the checks, until the task is cancelled.
    ///
    /// - Parameter progress: Called after each check.
    public func run(
        _ progress: @Sendable (ConformanceReport) async -> Void = { _ in }
    ) async -> [ConformanceReport] {
        var reports: [ConformanceReport] = []
        for check in checks where !Task.isCancelled {
            let clock = ContinuousClock()
            let start = clock.now
            let (outcome, filters) = await check.runCounting(harness)
            let report = ConformanceReport(
                check: check, outcome: outcome, duration: clock.now - start, note: filters.note)
            reports.append(report)
            await progress(report)
        }
        return reports
    }
}

/// What came of one check of a run.
public struct ConformanceReport: Sendable, CustomStringConvertible {
    /// The check.
    public let check: ConformanceCheck
    /// What came of it.
    public let outcome: ConformanceCheck.Outcome
    /// How long it took.
    public let duration: Duration
    /// What the outcome does not tell: how many of the check's filters the store refused, if any.
    public let note: String?

    /// Whether the store did something else than it should.
    public var hasFailed: Bool { if case .failed = outcome { true } else { false } }

    /// A line; three more for a failure.
    public var description: String {
        switch outcome {
        case .passed: "passed   \(check)\(note.map { " (\($0))" } ?? "")"
        case .skipped(let why): "skipped  \(check): \(why)"
        case .failed(let failure): "FAILED   \(failure)"
        }
    }
}
