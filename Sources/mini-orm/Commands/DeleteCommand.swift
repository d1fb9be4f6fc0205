internal import ArgumentParser
internal import MiniORM

struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete records, by id or by condition.",
        discussion: """
            Prints how many records were there and are gone. The condition 'true'
            is every record. An id that begins with a dash goes after '--'.
            """)

    @OptionGroup var options: CollectionOptions

    @OptionGroup var condition: FilterOption

    @Argument(help: ArgumentHelp("The ids.", valueName: "id"))
    var ids: [String] = []

    func validate() throws {
        switch (ids.isEmpty, condition.filter) {
        case (true, nil): throw ValidationError("Name the records: ids, or --filter CONDITION")
        case (false, _?): throw ValidationError("Either ids or --filter; not both")
        default: break
        }
    }

    func run() async throws {
        let filter = try condition.parsed
        try await options.withCollection(.change) { repository, _, opened in
            let ids = ids
            let count = try await Interruption.shielded {
                let count =
                    if let filter { try await repository.delete(matching: filter) } else {
                        try await repository.delete(ids)
                    }
                if count > 0 { try await opened.commit() }
                return count
            }
            var output = StandardOutput()
            try output.line("\(count.of("record")) deleted")
            try output.flush()
        }
    }
}
