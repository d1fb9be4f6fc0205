/// How far a long command is, on standard error; shown on a terminal only.
struct ProgressBar {
    private let title: String
    private let noun: String
    private let isShown = Terminal.showsErrors
    private let start = ContinuousClock.now
    private var last: ContinuousClock.Instant?

    /// A bar.
    ///
    /// - Parameters:
    ///   - title: What is being done.
    ///   - noun: What is counted.
    init(_ title: String, counting noun: String = "record") {
        self.title = title
        self.noun = noun
    }

    /// Shows how far it is, at most ten times a second.
    ///
    /// - Parameters:
    ///   - count: How much is done.
    ///   - fraction: How much of the whole that is, from 0 to 1, where the whole is known.
    mutating func update(_ count: Int, fraction: Double?) {
        guard isShown else { return }
        let now = ContinuousClock.now
        if let last, last.duration(to: now) < .milliseconds(100), fraction ?? 0 < 1 { return }
        last = now
        let line = Self.line(
            title, count.of(noun), rate: rate(count), fraction: fraction,
            width: Terminal.width(of: System.standardError))
        Terminal.showProgress(line)
    }

    /// Takes the bar away.
    func finish() { if isShown { Terminal.clearProgress() } }

    /// How much was done a second, since the start.
    func rate(_ count: Int) -> Int {
        let seconds = elapsed.seconds
        return seconds > 0 ? Int(min(1e15, Double(count) / seconds)) : 0
    }

    /// The time since the start.
    var elapsed: Duration { start.duration(to: .now) }

    /// The line, which leaves the last column free so that it never wraps.
    static func line(_ title: String, _ count: String, rate: Int, fraction: Double?, width: Int) -> String {
        let figures = "\(count), \(rate.grouped)/s"
        guard let fraction else { return "\(title.terminalSafe)  \(figures)".fitted(to: width - 1) }
        let part = min(1, max(0, fraction))
        let percent = Int(part * 100)
        let room = min(30, width - 1 - title.columns - figures.columns - 11)
        guard room >= 5 else { return "\(title.terminalSafe)  \(percent)%  \(figures)".fitted(to: width - 1) }
        let filled = Int(part * Double(room))
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: room - filled)
        return "\(title.terminalSafe)  [\(bar)] \(percent)%  \(figures)".fitted(to: width - 1)
    }
}
