internal import ArgumentParser
internal import MiniORM
internal import MiniORMConformance

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Run the conformance kit against a store.",
        discussion: """
            Checks every clause of the contract, in collections of its own, which it
            drops afterwards. What the store does not declare is skipped, by name.
            The exit status is 1 if a check fails. Ctrl-C stops after the check
            under way.
            """)

    @OptionGroup var stores: StoreOptions

    func run() async throws {
        let harness = URLHarness(url: try stores.url)
        // A store that cannot be opened is one failure, not one a check. Opened to read, as the collections of the
        // checks are never saved to a file.
        let first = try await StoreScheme.open(harness.url, for: .read)
        await first.close()
        Interruption.endsInOrder()
        let start = ContinuousClock.now
        let reports = await ConformanceRun(harness).run { report in
            var output = StandardOutput()
            for line in report.description.split(separator: "\n") { try? output.line(String(line).terminalSafe) }
            let isHeard = (try? output.flush()) != nil
            if Interruption.isRequested || !isHeard { withUnsafeCurrentTask { $0?.cancel() } }
        }
        let failed = reports.count(where: \.hasFailed)
        let skipped = reports.count { if case .skipped = $0.outcome { true } else { false } }
        var output = StandardOutput()
        try output.line(
            "\(reports.count - failed - skipped) passed, \(skipped) skipped, \(failed) failed, in "
                + start.duration(to: .now).readable)
        try output.flush()
        if Interruption.isRequested {
            throw Interrupted(
                message: "interrupted after \(reports.count) of \(ConformanceCheck.all.count.of("check"))")
        }
        if failed > 0 { throw ToolError("\(failed) of \(reports.count.of("check")) failed") }
    }
}

/// Opens the store of a URL for each check.
private struct URLHarness: ConformanceHarness {
    let url: StoreURL

    func makeStore() async throws -> ConformanceStore { Self.checked(try await StoreScheme.open(url, for: .check)) }

    func reopen(_ store: ConformanceStore) async throws -> ConformanceStore? {
        // The kit goes on writing through the first one.
        let opened = try await StoreScheme.open(url, for: .readBeside)
        // Where the store itself does not last, the tool saves it, which is not what is checked.
        return opened.store.capabilities.isPersistent ? Self.checked(opened) : nil
    }

    private static func checked(_ opened: OpenStore) -> ConformanceStore {
        opened.blocking.map { .blocking($0) } ?? .suspending(opened.store)
    }

    func cleanUp(_ store: ConformanceStore) async throws {
        switch store {
        case .blocking(let store): try store.close()
        case .suspending(let store): try await store.close()
        }
    }

    /// Another one for every process, as several may check one server.
    var collectionPrefix: String { "check-\(System.processNumber)" }

    var secrets: [String] { url.secrets }
}
