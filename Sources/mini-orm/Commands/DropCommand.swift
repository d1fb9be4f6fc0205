internal import ArgumentParser
internal import MiniORM

struct DropCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drop",
        abstract: "Drop a collection with its records.",
        discussion: "Asks first on a terminal; elsewhere it needs --yes.")

    @OptionGroup var options: CollectionOptions

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    func validate() throws {
        guard yes || Terminal.takesInput else {
            throw ValidationError("Nobody can be asked here: say --yes to drop the collection")
        }
    }

    func run() async throws {
        try await options.withCollection(.change) { repository, collection, opened in
            let count = try await repository.count()
            let name = collection.name.shown
            if !yes, !Terminal.confirms("Drop collection \(name) with \(count.of("record"))?") {
                throw ToolError("nothing was dropped")
            }
            try await Interruption.shielded {
                try await repository.dropCollection()
                try await opened.commit()
            }
            var output = StandardOutput()
            try output.line("collection \(name) dropped, \(count.of("record"))")
            try output.flush()
        }
    }
}
