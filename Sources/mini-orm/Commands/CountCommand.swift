internal import ArgumentParser
internal import MiniORM

struct CountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "count", abstract: "Print how many records there are: the number alone.")

    @OptionGroup var options: CollectionOptions

    @OptionGroup var condition: FilterOption

    func run() async throws {
        let filter = try condition.parsed
        try await options.withCollection(.read) { repository, _, _ in
            var output = StandardOutput()
            try output.line(String(try await repository.count(matching: filter)))
            try output.flush()
        }
    }
}
