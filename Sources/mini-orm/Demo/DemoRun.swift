internal import MiniORM

/// The demo, step by step.
struct DemoRun {
    let sample: Sample
    let opened: OpenStore
    let url: StoreURL
    let collection: String

    private var output = StandardOutput()

    /// A word that the sample has good neighbours for.
    private static let word = (id: "n02526121", text: "eel")
    private static let condition = #"topic == "noun.food""#

    init(sample: Sample, opened: OpenStore, url: StoreURL, collection: String) {
        self.sample = sample
        self.opened = opened
        self.url = url
        self.collection = collection
    }

    mutating func run() async throws {
        let repository = try await load()
        guard let word = try await repository.fetch([Self.word.id]).first else {
            throw ToolError("the sample has no record \(Self.word.id)")
        }
        try await neighbours(of: word, repository)
        try await filtered(word, repository)
        try await sentences(repository)
        try next()
        try output.flush()
    }

    private mutating func load() async throws -> AsyncVectorRepository {
        try output.line("MiniORM: 2,000 synsets of WordNet 3.0, each embedded in 384 dimensions")
        try output.line("(words and definition, by the model all-MiniLM-L6-v2).")
        try output.line()
        try output.flush()
        var run = ImportRun(
            source: try sample.records(), opened: opened, collection: collection, metric: .cosine, batchSize: 100,
            skips: false)
        try await run.run()
        try output.line(run.summary)
        guard let description = try await opened.store.describeCollection(collection) else {
            throw ToolError("the collection \(collection.shown) is gone")
        }
        return try await opened.repository(description)
    }

    private mutating func heading(_ text: String) throws {
        try output.line()
        try output.line(text)
        try output.line()
        try output.flush()
    }

    private mutating func neighbours(of word: VectorRecord, _ repository: AsyncVectorRepository) async throws {
        let definition = word.payload?["definition"]?.stringValue ?? ""
        try heading("1. What is near \"\(Self.word.text)\"? (\(definition.fitted(to: 50)))")
        let start = ContinuousClock.now
        let hits = try await repository.query(word.vector, topK: 6)
        try show(hits, except: word, start.duration(to: .now))
    }

    private mutating func filtered(_ word: VectorRecord, _ repository: AsyncVectorRepository) async throws {
        try heading("2. The same, but only what is food: \(Self.condition)")
        let filter = try VectorFilter(parsing: Self.condition)
        let start = ContinuousClock.now
        let hits = try await repository.query(word.vector, topK: 5, filter: filter)
        try show(hits, except: word, start.duration(to: .now))
    }

    private mutating func show(
        _ hits: [VectorSearchResult], except word: VectorRecord, _ time: Duration
    ) throws {
        var table = Table([
            .init(heading: "score", side: .right), .init(heading: "words", isCut: true), .init(heading: "topic"),
            .init(heading: "definition", isCut: true),
        ])
        for hit in hits where hit.id != word.id {
            table.rows.append([
                Double(hit.score).fixed(3), hit.words, hit.payload?["topic"]?.stringValue ?? "",
                hit.payload?["definition"]?.stringValue ?? "",
            ])
        }
        try output.table(table)
        try output.line("(\(time.readable))")
    }

    private mutating func sentences(_ repository: AsyncVectorRepository) async throws {
        let queries = try sample.queries()
        try heading("3. Sentences, \(queries.count) in one call, and the two synsets that are nearest to each")
        let start = ContinuousClock.now
        let answers = try await repository.queryBatch(queries.map(\.vector), topK: 2)
        let time = start.duration(to: .now)
        var table = Table([
            .init(heading: "sentence", isCut: true), .init(heading: "score", side: .right),
            .init(heading: "nearest", isCut: true), .init(heading: "score", side: .right),
            .init(heading: "second", isCut: true),
        ])
        for (query, hits) in zip(queries, answers) {
            var row = [query.text]
            for hit in hits { row += [Double(hit.score).fixed(3), hit.words] }
            table.rows.append(row + Array(repeating: "", count: max(0, 5 - row.count)))
        }
        try output.table(table)
        try output.line("(\(time.readable) for \(queries.count))")
    }

    /// Commands that work as they stand.
    private mutating func next() throws {
        let program = Executable.command
        try output.line()
        if opened.lasts {
            try output.line("The records are in \(url). Ask on:")
            try output.line()
        } else {
            try output.line("These records were in memory and are gone. To keep them and ask on:")
            try output.line()
            try output.line("  \(program) demo --store file:words.db")
        }
        let store = opened.lasts ? url.description.shellQuoted : "file:words.db"
        let place = "-c \(collection.shellQuoted)"
        // In the environment, so that the commands are short.
        try output.line("  export MINIORM_STORE=\(store)")
        for command in [
            "query \(place) --like \(Self.word.id) --top-k 5",
            "query \(place) --like \(Self.word.id) --json \\\n      --filter 'pos == \"verb\" && links >= 5'",
            "count \(place) --filter 'pos == \"verb\"'", "export \(place) words.jsonl",
        ] {
            try output.line("  \(program) \(command)")
        }
        try output.line("  \(program) --help")
    }
}

extension VectorSearchResult {
    fileprivate var words: String {
        payload?["words"]?.arrayValue?.compactMap(\.stringValue).prefix(3).joined(separator: ", ") ?? id
    }
}
