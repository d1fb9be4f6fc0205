internal import ArgumentParser
internal import MiniORM

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Load the sample that ships with the tool, and search it.",
        discussion: """
            2,000 synsets of WordNet, embedded in 384 dimensions, go into the
            embedded store; then come the neighbours of a word, a filtered search
            and a batch of sentences. With --store the records stay there, for
            searches of your own.
            """)

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Where the records go: \(StoreScheme.all.map(\.form).joined(separator: ", ")).", valueName: "url"))
    var store = "memory:"

    @Option(name: .shortAndLong, help: ArgumentHelp("The collection they go into.", valueName: "name"))
    var collection = defaultCollection

    static let defaultCollection = "wordnet"

    @Option(
        name: .long, help: ArgumentHelp("Where the sample is, if it is not beside the program.", valueName: "folder"))
    var sample: String?

    func validate() throws {
        guard let url = StoreURL(store) else {
            throw ValidationError("'--store' takes a URL: \(StoreScheme.all.map(\.form).joined(separator: ", "))")
        }
        guard StoreScheme.all.contains(where: { $0.name == url.scheme }) else {
            throw ValidationError(StoreScheme.unknown(url.scheme))
        }
    }

    func run() async throws {
        guard let url = StoreURL(store) else { return }
        let sample = try Sample(folder: sample)
        let opened = try await StoreScheme.open(url, for: .create)
        do {
            var run = DemoRun(sample: sample, opened: opened, url: url, collection: collection)
            try await run.run()
        } catch {
            await opened.close()
            throw error
        }
        await opened.close()
    }
}
