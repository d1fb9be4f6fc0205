internal import ArgumentParser
internal import MiniORM

struct DescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Say what a collection is and what its store can do.")

    @OptionGroup var options: CollectionOptions

    @Flag(name: .long, help: "Print JSON: collection, dimension, metric and count.")
    var json = false

    func run() async throws {
        try await options.withCollection(.read) { repository, collection, opened in
            let count = try await repository.count()
            var output = StandardOutput()
            if json {
                try output.line(CollectionsCommand.json(collection, count))
            } else {
                let can = opened.store.capabilities
                for (name, value) in [
                    ("collection", collection.name), ("dimension", String(collection.dimension)),
                    ("metric", collection.metric.rawValue), ("records", count.grouped), ("store", opened.store.name),
                    ("answers", can.isExact ? "exact" : "approximate"),
                    ("an upsert is", can.isUpsertAtomic ? "all or nothing" : "in batches"),
                    ("ids", can.idPolicy == .any ? "any text" : "UUIDs"),
                ] {
                    try output.line("\(name):".padded(to: 14) + value.terminalSafe)
                }
            }
            try output.flush()
        }
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: Swift.max(0, width - count))
    }
}
