internal import ArgumentParser
internal import MiniORM

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Write records from files into a collection.",
        discussion: """
            Takes either one file with a record a line,
              {"id": "eel", "vector": [0.1, 0.2], "payload": {"pos": "noun"}}
            or a NumPy array with a vector a row (float32 or float64) and a file
            with id and payload a line:
              mini-orm import --store file:words.db --collection words \\
                --vectors vectors.npy --records records.jsonl

            The collection is created if it is not there; the first record says
            how long vectors are (with --on-error skip, the first batch: what most
            of its vectors have). Records with an id that is there already replace
            it. Files are read as a stream, so their size does not matter. Ctrl-C
            stops after the batch under way, keeps what is in, and says how many
            records that are.
            """)

    @OptionGroup var options: CollectionOptions

    @Argument(help: ArgumentHelp("A file with a record a line; - is standard input.", valueName: "file.jsonl"))
    var file: String?

    @Option(name: .long, help: ArgumentHelp("A NumPy array, a vector a row.", valueName: "file.npy"))
    var vectors: String?

    @Option(name: .long, help: ArgumentHelp("The id and payload of each row, a line each.", valueName: "file.jsonl"))
    var records: String?

    @Option(
        name: .long,
        help: "How vectors are compared: cosine, dot or l2. By default what the collection has, or cosine.",
        transform: {
            guard let metric = VectorMetric($0) else { throw ValidationError("the metrics are cosine, dot and l2") }
            return metric
        })
    var metric: VectorMetric?

    @Option(name: .long, help: "How many records are written at a time, 1 to 100000.")
    var batch = 1000

    @Option(name: .long, help: "What a bad record does: stop ends there, skip reports it and goes on.")
    var onError = OnError.stop

    enum OnError: String, ExpressibleByArgument, CaseIterable { case stop, skip }

    func validate() throws {
        switch (file, vectors, records) {
        case (_?, nil, nil), (nil, _?, _?): break
        case (nil, nil, nil): throw ValidationError("Name a FILE.jsonl, or --vectors FILE.npy and --records FILE.jsonl")
        case (_?, _, _): throw ValidationError("Either FILE.jsonl, or --vectors and --records; not both")
        default: throw ValidationError("--vectors and --records go together")
        }
        guard (1...100_000).contains(batch) else { throw ValidationError("--batch is from 1 to 100000") }
    }

    func run() async throws {
        // A pipe that nobody writes to, or a long file of which the lines are counted: nothing is in yet, and a signal
        // ends the command at once.
        let source: RecordSource =
            if let vectors, let records { try RecordSource(vectors: vectors, records: records) } else {
                try RecordSource(records: file ?? "-")
            }
        Interruption.endsInOrder()
        try await options.stores.withStore(.create) { opened in
            var run = ImportRun(
                source: source, opened: opened, collection: options.collection, metric: metric, batchSize: batch,
                skips: onError == .skip)
            try await run.run()
            var output = StandardOutput()
            try output.line(run.summary + (opened.lasts ? "" : "; memory: keeps nothing, file:PATH does"))
            try output.flush()
        }
    }
}
