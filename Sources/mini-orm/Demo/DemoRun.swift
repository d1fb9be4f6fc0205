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

    /// The call that a program makes for the search.
    private mutating func swift(_ call: String) throws {
        let wait = opened.blocking == nil ? "await " : ""
        try output.line("In Swift: try \(wait)\(call)")
        try output.line()
        try output.flush()
    }

    private mutating func neighbours(of word: VectorRecord, _ repository: AsyncVectorRepository) async throws {
        let definition = word.payload?["definition"]?.stringValue ?? ""
        try heading("1. What is near \"\(Self.word.text)\"? (\(definition.fitted(to: 50)))")
        try swift("words.query(eel.vector, topK: 6)")
        let start = ContinuousClock.now
        let hits = try await repository.query(word.vector, topK: 6)
        try show(hits, except: word, start.duration(to: .now))
    }

    private mutating func filtered(_ word: VectorRecord, _ repository: AsyncVectorRepository) async throws {
        try heading("2. The same, but only what is food: \(Self.condition)")
        try swift("words.query(eel.vector, topK: 5, filter: [\"topic\": \"noun.food\"])")
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
        try swift("words.queryBatch(sentences, topK: 2)")
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

    /// What to type next, and the same from a program.
    private mutating func next() throws {
        try output.line()
        let next = NextSteps(program: Executable.command, url: url, lasts: opened.lasts, collection: collection)
        for line in next.lines(like: Self.word.id) { try output.line(line) }
    }
}

extension VectorSearchResult {
    fileprivate var words: String {
        payload?["words"]?.arrayValue?.compactMap(\.stringValue).prefix(3).joined(separator: ", ") ?? id
    }
}
