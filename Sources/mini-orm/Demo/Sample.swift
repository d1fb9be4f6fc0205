internal import MiniORM

/// The sample that ships with the tool: 2,000 WordNet synsets and a few sentences, embedded.
struct Sample {
    private let folder: String

    /// Finds the sample beside the program, or in a folder that the user names.
    init(folder: String?) throws {
        guard let program = Executable.folder else { throw ToolError("cannot tell where the program is; use --sample") }
        let places =
            folder.map { [$0] } ?? [
                // Where the package manager puts it, on Linux and on macOS, and where an installation may.
                "\(program)/mini-orm_mini-orm.resources/Sample", "\(program)/mini-orm_mini-orm.bundle/Sample",
                "\(program)/mini-orm_mini-orm.bundle/Contents/Resources/Sample", "\(program)/../share/mini-orm/Sample",
            ]
        guard let found = places.first(where: { System.resolved($0 + "/records.jsonl") != nil }) else {
            throw ToolError(
                folder.map { "there is no sample in \($0.shown)" }
                    ?? "the demo's sample is not beside the program (\(places[0].shown)); --sample FOLDER names it")
        }
        self.folder = found
    }

    /// The records.
    func records() throws -> RecordSource {
        try RecordSource(vectors: folder + "/vectors.npy", records: folder + "/records.jsonl")
    }

    /// The sentences with their vectors.
    func queries() throws -> [(text: String, vector: [Float])] {
        let vectors = try NumpyReader(folder + "/queries.npy")
        let lines = try LineReader(folder + "/queries.jsonl")
        var queries: [(text: String, vector: [Float])] = []
        while let line = try lines.next() {
            guard case .whole(let json) = line,
                let text = try PayloadValue(json: json).objectValue?["text"]?.stringValue,
                let vector = try vectors.next()
            else { throw ToolError("\(lines.name.terminalSafe):\(lines.number): no text, or no vector for it") }
            queries.append((text, vector))
        }
        return queries
    }
}
