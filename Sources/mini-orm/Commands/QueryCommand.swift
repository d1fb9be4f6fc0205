internal import ArgumentParser
internal import MiniORM

struct QueryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query",
        abstract: "Find the records nearest to a vector.",
        discussion: #"""
            Asks with one of:
              --like ID              the vector of a record, which is itself left out
              --vector '[0.1, 0.2]'  a vector, as JSON
              --vectors FILE.npy     the rows of a NumPy array (float32 or float64)

            Scores are higher for better matches: the cosine, the dot product, or
            minus the Euclidean distance.

            Conditions compare fields of the payload with JSON values:
              pos == "verb" && links >= 5    topic in ["noun.animal", "noun.food"]
              words contains "run"           not (author.name exists) || `a.b` != 1

            --json prints an object for each vector, in order, on a line of its own:
              {"query": 0, "hits": [{"id": "eel", "score": 0.63, "payload": null}]}
            """#)

    @OptionGroup var options: CollectionOptions

    @Option(
        name: .long, parsing: .unconditional,
        help: ArgumentHelp("The id of the record whose neighbours are wanted.", valueName: "id"))
    var like: String?

    @Option(name: .long, parsing: .unconditional, help: ArgumentHelp("A vector, as JSON.", valueName: "json"))
    var vector: String?

    @Option(name: .long, help: ArgumentHelp("A NumPy array, a vector a row.", valueName: "file.npy"))
    var vectors: String?

    @Option(name: .shortAndLong, help: "How many answers for each vector, at the most.")
    var topK = 10

    @OptionGroup var condition: FilterOption

    @Option(name: .long, parsing: .unconditional, help: "Leave out answers with a lower score.")
    var minScore: Float?

    @Flag(name: .long, help: "Print JSON, a line for each vector.")
    var json = false

    /// How many vectors are asked for in one call.
    private static let batch = 64

    func validate() throws {
        guard [like, vector, vectors].count(where: { $0 != nil }) == 1 else {
            throw ValidationError("Ask with one of --like ID, --vector JSON and --vectors FILE.npy")
        }
        guard topK >= 0 else { throw ValidationError("--top-k is 0 or more") }
        guard minScore?.isFinite ?? true else { throw ValidationError("--min-score is a number") }
        _ = try parsedVector
    }

    private var parsedVector: [Float]? {
        get throws {
            guard let vector else { return nil }
            guard let values = try? PayloadValue(json: vector).arrayValue else {
                throw ValidationError("--vector takes an array of numbers, such as '[0.1, 0.2]'")
            }
            return try values.map {
                guard let number = $0.doubleValue, Float(number).isFinite else {
                    throw ValidationError("--vector takes an array of numbers that a 32-bit float can hold")
                }
                return Float(number)
            }
        }
    }

    func run() async throws {
        let filter = try condition.parsed
        let given = try parsedVector
        let array = try vectors.map { try NumpyReader($0) }
        try await options.withCollection(.read) { repository, description, opened in
            var printer = HitPrinter(json: json)
            if let like {
                guard let record = try await repository.fetch([like]).first else {
                    throw ToolError("there is no record \(like.shown) in \(options.collection.shown)")
                }
                let start = ContinuousClock.now
                let asked = Self.askedFor(topK, atMost: opened.store.capabilities.maximumTopK)
                let hits = try await repository.query(record.vector, topK: asked, filter: filter, minScore: minScore)
                let others = hits.filter { UTF8Key($0.id) != UTF8Key(like) }.prefix(topK)
                try printer.print([Array(others)], start.duration(to: .now))
            } else if let given {
                let start = ContinuousClock.now
                let hits = try await repository.query(given, topK: topK, filter: filter, minScore: minScore)
                try printer.print([hits], start.duration(to: .now))
            } else if let array {
                guard array.header.dimension == description.dimension else {
                    throw ToolError(
                        "\(array.name.terminalSafe): its vectors have \(array.header.dimension) components, those of "
                            + "\(options.collection.shown) have \(description.dimension)")
                }
                printer.isMany = array.header.rows > 1
                while let batch = try Self.next(array) {
                    do {
                        let start = ContinuousClock.now
                        let hits = try await repository.queryBatch(
                            batch, topK: topK, filter: filter, minScore: minScore)
                        try printer.print(hits, start.duration(to: .now))
                    } catch VectorStoreError.Code.invalidVector {
                        // One of them is no vector. Those before it are answered.
                        for (index, vector) in batch.enumerated() {
                            try await answer(vector, row: array.row - batch.count + index)
                        }
                    }
                }

                func answer(_ vector: [Float], row: Int) async throws {
                    let start = ContinuousClock.now
                    let hits: [VectorSearchResult]
                    do throws(VectorStoreError) {
                        hits = try await repository.query(vector, topK: topK, filter: filter, minScore: minScore)
                    } catch {
                        guard error.code == .invalidVector else { throw error }
                        throw ToolError(
                            "\(array.name.terminalSafe), row \(row) (the first is 0): \(error.message.singleLine)")
                    }
                    try printer.print([hits], start.duration(to: .now))
                }
            }
        }
    }

    /// How many answers are asked for where one of them is the record itself: one more, but no more than the store gives.
    /// At that limit there may be one answer too few.
    static func askedFor(_ topK: Int, atMost limit: Int?) -> Int { topK < limit ?? Int.max ? topK + 1 : topK }

    private static func next(_ array: NumpyReader) throws -> [[Float]]? {
        var batch: [[Float]] = []
        while batch.count < Self.batch, let vector = try array.next() { batch.append(vector) }
        return batch.isEmpty ? nil : batch
    }
}
