internal import ArgumentParser
internal import MiniORM

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a collection to a file that 'import' reads.",
        discussion: """
            A record a line, in the store's order:
              {"id": "eel", "payload": {"pos": "noun"}, "vector": [0.1, 0.2]}
            The file appears when it is complete; until then what was under its
            name stays.
            """)

    @OptionGroup var options: CollectionOptions

    @OptionGroup var condition: FilterOption

    @Argument(help: ArgumentHelp("The file to write; - is standard output.", valueName: "file.jsonl"))
    var file: String

    func run() async throws {
        let filter = try condition.parsed
        try await options.withCollection(.read) { repository, _, opened in
            if file == "-" || System.stream(file)?.descriptor == System.standardOutput {
                var output = StandardOutput()
                _ = try await Self.write(repository, filter, to: &output, bar: nil)
                try output.flush()
                return
            }
            if let store = opened.file, Self.isInside(file, store) {
                throw ToolError("\(file.shown) is the store itself, which the export would replace; name another file")
            }
            var output = try FileOutput(file)
            let total = try await repository.count(matching: filter)
            let bar = ProgressBar("exporting")
            let count = try await Self.write(repository, filter, to: &output, bar: (bar, total))
            try output.finish()
            bar.finish()
            var summary = StandardOutput()
            try summary.line("\(count.of("record")) exported to \(file.terminalSafe) in \(bar.elapsed.readable)")
            try summary.flush()
        }
    }

    /// Whether a file is a store, or in its directory, be it there already or not.
    private static func isInside(_ file: String, _ store: String) -> Bool {
        let name = file.lastIndex(of: "/").map { String(file[...$0]) } ?? "."
        return [System.resolved(file), System.resolved(name)].contains { path in
            path.map { $0 == store || $0.hasPrefix(store + "/") } ?? false
        }
    }

    private static func write(
        _ repository: AsyncVectorRepository, _ filter: VectorFilter?, to output: inout some TextOutput,
        bar: (bar: ProgressBar, total: Int)?
    ) async throws -> Int {
        var count = 0
        var bar = bar
        for try await record in try repository.records(matching: filter) {
            try output.json(RecordLine.bytes(record))
            count += 1
            if count % 256 == 0, let total = bar?.total {
                bar?.bar.update(count, fraction: Double(count) / Double(max(1, total)))
            }
        }
        return count
    }
}
