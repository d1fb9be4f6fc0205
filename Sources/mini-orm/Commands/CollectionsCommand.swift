internal import ArgumentParser
internal import MiniORM

struct CollectionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "collections", abstract: "List the collections of a store.")

    @OptionGroup var stores: StoreOptions

    @Flag(name: .long, help: "Print JSON, a line for each collection.")
    var json = false

    func run() async throws {
        try await stores.withStore(.read) { opened in
            var output = StandardOutput()
            var table = Table([
                .init(heading: "collection"), .init(heading: "dimension", side: .right), .init(heading: "metric"),
                .init(heading: "records", side: .right),
            ])
            for name in try await opened.store.listCollections() {
                // One that is dropped meanwhile is not there any more.
                guard let collection = try await opened.store.describeCollection(name) else { continue }
                let count = try await opened.repository(collection).count()
                if json {
                    try output.json("{\(Self.members(collection, count))}")
                } else {
                    table.rows.append([name, String(collection.dimension), collection.metric.rawValue, count.grouped])
                }
            }
            if !json { try output.table(table) }
            try output.flush()
        }
    }

    /// `"collection": "words", "dimension": 384, "metric": "cosine", "count": 2000`
    static func members(_ collection: CollectionDescription, _ count: Int) -> String {
        let name = PayloadValue.string(collection.name).json()
        return #""collection": \#(name), "dimension": \#(collection.dimension), "#
            + #""metric": "\#(collection.metric.rawValue)", "count": \#(count)"#
    }
}
