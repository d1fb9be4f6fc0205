internal import ArgumentParser
internal import MiniORM

/// The command line tool.
@main
struct MiniORMTool: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mini-orm",
        abstract: "Vector search over an embedded store and other engines.",
        discussion: """
            Start with 'mini-orm demo', which searches a sample that ships with it.

            A store is named by a URL, with --store or in the environment as
            MINIORM_STORE:
            \(StoreScheme.all.map(\.help).joined(separator: "\n"))

            A session:
              mini-orm import --store file:words.db --collection words words.jsonl
              mini-orm query  --store file:words.db --collection words --like n02526121
              mini-orm query  --store file:words.db --collection words \\
                  --vectors queries.npy --top-k 5 --json \\
                  --filter 'pos == "verb" && links >= 5'
              mini-orm export --store file:words.db --collection words copy.jsonl

            words.jsonl holds a record a line:
              {"id": "eel", "vector": [0.1, 0.2], "payload": {"pos": "noun"}}

            The exit status is 0, 1 after a failure (with one line on standard
            error), 64 for wrong usage, 130 after Ctrl-C.
            """,
        version: toolVersion,
        subcommands: [
            DemoCommand.self, ImportCommand.self, QueryCommand.self, FetchCommand.self, ExportCommand.self,
            CountCommand.self, DeleteCommand.self, CollectionsCommand.self, DescribeCommand.self, DropCommand.self,
            CheckCommand.self,
        ])

    /// Runs the command that the arguments name, and ends the process with its status.
    static func main() async {
        Interruption.install()
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
        } catch {
            end(after: error)
        }
    }

    private static func end(after error: any Error) -> Never {
        Interruption.removeTemporaryFiles()
        switch error {
        case is BrokenPipe: Interruption.endOfPipe()
        case let error as Interrupted:
            Terminal.say("mini-orm: \(error.message)")
            System.end(Interruption.exitStatus)
        case let error as ToolError:
            Terminal.say("mini-orm: \(error.message)")
            System.end(error.status)
        case let error as VectorStoreError:
            Terminal.say("mini-orm: \(error.line)")
            System.end(1)
        default:
            Terminal.clearProgress()
            exit(withError: error)
        }
    }
}
