internal import ArgumentParser
internal import MiniORM

struct FetchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Print records by id, as JSON, a line each.",
        discussion: """
            Prints id, payload and vector of each record in the order asked for.
            Where one is missing the others are printed all the same, and the exit
            status is 1. An id that begins with a dash goes after '--'.
            """)

    @OptionGroup var options: CollectionOptions

    @Argument(help: ArgumentHelp("The ids.", valueName: "id"))
    var ids: [String]

    @Flag(name: .long, help: "Leave the vectors out.")
    var noVectors = false

    func run() async throws {
        try await options.withCollection(.read) { repository, _, _ in
            let records = try await repository.fetch(ids)
            var output = StandardOutput()
            for record in records {
                if noVectors {
                    let id = PayloadValue.string(record.id).json()
                    try output.json(#"{"id": \#(id), "payload": \#(record.payload.json)}"#)
                } else {
                    try output.json(RecordLine.bytes(record))
                }
            }
            try output.flush()
            let found = Set(records.map { UTF8Key($0.id) })
            let missing = ids.filter { !found.contains(UTF8Key($0)) }
            guard let first = missing.first else { return }
            let others = missing.count > 1 ? " and \((missing.count - 1).of("other"))" : ""
            throw ToolError("not in \(options.collection.shown): \(first.shown)\(others)")
        }
    }
}
