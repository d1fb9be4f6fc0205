import Foundation
import MiniORM
import Testing

/// Each command, used well and used wrongly.
@Suite struct CommandTests {
    let scratch: Scratch
    let store: String

    init() throws {
        scratch = try Scratch()
        store = try scratch.threeRecords()
    }

    private func run(_ command: String, _ arguments: String..., input: String? = nil) throws -> Tool.Outcome {
        let process = Tool.process([command, "--store", store, "--collection", "three"] + arguments)
        return try Tool.run(process, input: input)
    }

    @Test func countPrintsTheNumberAlone() throws {
        #expect(try run("count").output == "3\n")
        #expect(try run("count", "--filter", #"pos == "verb" && links >= 5"#).output == "1\n")
    }

    @Test func anExportNeverReplacesTheStoreItReads() throws {
        try FileManager.default.createSymbolicLink(
            atPath: scratch.file("link"), withDestinationPath: scratch.file("three.db"))
        let files = try FileManager.default.contentsOfDirectory(atPath: scratch.file("three.db"))
        #expect(!files.isEmpty)
        for name in ["three.db", "link", "./three.db", "link/new"] + files.map({ "three.db/" + $0 }) {
            let outcome = try run("export", scratch.file(name))
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("is the store itself"), "\(name)")
        }
        #expect(try run("count").output == "3\n")
    }

    @Test func anExportNeverReplacesTheFileItReads() throws {
        let store = InMemoryVectorStore()
        let three = try VectorRepository(store, "three", dimension: 2)
        try three.upsert([VectorRecord(id: "a", vector: [1, 0])])
        try store.save(to: scratch.file("saved"))
        let outcome = try Tool.run(
            Tool.process(
                ["export", "--store", "file:" + scratch.file("saved"), "--collection", "three", scratch.file("saved")]))
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("is the store itself"))
        #expect(try InMemoryVectorStore(opening: scratch.file("saved")).listCollections() == ["three"])
    }

    @Test func aProcessWithoutStandardInputFailsToReadIt() throws {
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = ["-c", #"exec "$0" import --store memory: --collection three - <&-"#, Tool.path]
        let outcome = try Tool.run(shell)
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("cannot read"))
    }

    @Test func aMistakeInAFilterIsWrongUsageAndPointsAtTheColumn() throws {
        let outcome = try run("count", "--filter", "pos == ")
        #expect(outcome.status == 64)
        #expect(outcome.errors.contains("column"))
        #expect(outcome.output.isEmpty)
    }

    @Test func queryByVectorPrintsExactJSON() throws {
        let outcome = try run("query", "--vector", "[1, 0]", "--json", "--top-k", "2")
        #expect(
            outcome.lines == [
                #"{"query": 0, "hits": [{"id": "a", "score": 1.0, "payload": {"links":7,"pos":"verb"}}, "#
                    + #"{"id": "b", "score": 0.8, "payload": {"links":2.5,"pos":"noun"}}]}"#
            ])
    }

    @Test func aMissingPayloadIsNullInJSON() throws {
        let outcome = try run("query", "--vector", "[0, 1]", "--json", "--top-k", "1")
        #expect(outcome.output == #"{"query": 0, "hits": [{"id": "c", "score": 1.0, "payload": null}]}"# + "\n")
    }

    @Test func queryLikeLeavesTheRecordItselfOut() throws {
        let outcome = try run("query", "--like", "a", "--json")
        let answer = try PayloadValue(json: outcome.output)
        let hits = answer.objectValue?["hits"]?.arrayValue ?? []
        #expect(hits.compactMap { $0.objectValue?["id"]?.stringValue } == ["b", "c"])
        let one = try run("query", "--like", "b", "--top-k", "1", "--json")
        #expect(one.output.contains(#""id": "a""#))
    }

    @Test func queryTakesFilterAndMinimalScore() throws {
        #expect(try run("query", "--vector", "[1,0]", "--json", "--filter", #"pos == "noun""#).output.contains(#""b""#))
        #expect(try run("query", "--vector", "[1,0]", "--json", "--min-score", "0.9").output.contains(#""b""#) == false)
        #expect(try run("query", "--vector", "[1,0]", "--json", "--min-score", "-0.5").output.contains(#""c""#))
        #expect(try run("query", "--vector", "[-1,0]", "--top-k", "0", "--json").output.contains(#""hits": []"#))
    }

    @Test func queryFileAnswersEachRowInOrder() throws {
        // More rows than one call takes.
        let rows: [[Float]] = (0..<150).map { $0 % 2 == 0 ? [1, 0] : [0, 1] }
        let file = try scratch.write("q.npy", Numpy.file(rows, version: 2))
        let outcome = try run("query", "--vectors", file, "--top-k", "1", "--json")
        #expect(outcome.lines.count == 150)
        for (number, line) in outcome.lines.enumerated() {
            let answer = try PayloadValue(json: line).objectValue
            #expect(answer?["query"] == .int(Int64(number)))
            let id = answer?["hits"]?.arrayValue?.first?.objectValue?["id"]?.stringValue
            #expect(id == (number % 2 == 0 ? "a" : "c"))
        }
    }

    @Test func queryPrintsTables() throws {
        let outcome = try run("query", "--vector", "[1, 0]")
        #expect(outcome.lines.first == "#  id   score  payload")
        #expect(outcome.lines.count == 6)
        #expect(outcome.output.contains("1  a   1.0000"))
    }

    @Test(arguments: [
        [], ["--like", "a", "--vector", "[1,0]"], ["--vector", "1,0"], ["--vector", #"["x"]"#],
        ["--vector", "[1e99, 0]"], ["--vector", "[1,0]", "--top-k", "-1"], ["--vector", "[1,0]", "--top-k", "x"],
        ["--vector", "[1,0]", "--min-score", "nan"], ["--vector", "[1,0]", "--colour", "red"],
    ])
    func wrongUseOfQueryIs64(_ arguments: [String]) throws {
        let process = Tool.process(["query", "--store", store, "--collection", "three"] + arguments)
        let outcome = try Tool.run(process)
        #expect(outcome.status == 64)
        #expect(outcome.errors.hasPrefix("Error: "))
        #expect(outcome.output.isEmpty)
    }

    @Test func aFailureIs1WithOneLine() throws {
        let missing = [
            try run("query", "--like", "nobody"), try run("query", "--vector", "[1, 2, 3]"),
            try run("query", "--vectors", scratch.file("none.npy")),
            try Tool.run("count", "--store", store, "--collection", "absent"),
            try Tool.run("count", "--store", "file:" + scratch.file("absent.db"), "--collection", "three"),
        ]
        for outcome in missing {
            #expect(outcome.status == 1)
            #expect(outcome.errors.hasPrefix("mini-orm: "))
            #expect(outcome.errors.split(separator: "\n").count == 1)
            #expect(outcome.output.isEmpty)
        }
    }

    @Test func fetchPrintsRecordsInTheOrderAskedForAndNamesMissingOnes() throws {
        let outcome = try run("fetch", "c", "a")
        #expect(outcome.status == 0)
        #expect(
            outcome.lines == [
                #"{"id":"c","payload":null,"vector":[0.0,1.0]}"#,
                #"{"id":"a","payload":{"links":7,"pos":"verb"},"vector":[1.0,0.0]}"#,
            ])
        let some = try run("fetch", "b", "x", "y", "--no-vectors")
        #expect(some.status == 1)
        #expect(some.lines == [#"{"id": "b", "payload": {"links":2.5,"pos":"noun"}}"#])
        #expect(some.errors == "mini-orm: not in \"three\": \"x\" and 1 other\n")
    }

    @Test func deleteTakesIdsOrAFilterAndNotBoth() throws {
        #expect(try run("delete").status == 64)
        #expect(try run("delete", "a", "--filter", "links exists").status == 64)
        #expect(try run("count").output == "3\n")
        #expect(try run("delete", "a", "a", "x").output == "1 record deleted\n")
        #expect(try run("delete", "--filter", "not (links exists)").output == "1 record deleted\n")
        #expect(try run("fetch", "--no-vectors", "b").status == 0)
        #expect(try run("count").output == "1\n")
    }

    @Test func describeAndCollectionsSayWhatIsThere() throws {
        let json = #"{"collection": "three", "dimension": 2, "metric": "cosine", "count": 3}"# + "\n"
        let described = try PayloadValue(json: run("describe", "--json").output).objectValue ?? [:]
        #expect(described["dimension"] == 2 && described["metric"] == "cosine" && described["count"] == 3)
        let can = described["store"]?.objectValue ?? [:]
        #expect(can["name"] == "memory" && can["is_exact"] == true && can["is_upsert_atomic"] == true)
        #expect(can["id_policy"] == "any" && can["keeps_vector_bits"] == true && can["supports_filters"] == true)
        #expect(can["metrics"] == ["cosine", "dot", "l2"])
        #expect(can["pushed_down_operators"]?.arrayValue?.contains("contains") == true)
        #expect(can["maximum_dimension"] == 65_536 && can["maximum_top_k"] == .null && can["is_persistent"] == true)
        let text = try run("describe").output
        for line in ["answers:      exact", "limits:       dimension 65,536", "lasts:        yes"] {
            #expect(text.contains(line))
        }
        #expect(text.contains("==, !=, <, <=, >, >=, in, contains, exists, and, or, not"))
        #expect(try run("describe").output.contains("dimension:    2"))
        #expect(try Tool.run("collections", "--store", store, "--json").output == json)
        #expect(try Tool.run("collections", "--store", store).lines.last == "three               2  cosine        3")
        #expect(try Tool.run("collections", "--store", "memory:", "--json").output.isEmpty)
    }

    @Test func dropNeedsYesWhereNobodyCanBeAsked() throws {
        #expect(try run("drop").status == 64)
        #expect(try run("count").output == "3\n")
        #expect(try run("drop", "--yes").output == "collection \"three\" dropped, 3 records\n")
        #expect(try run("count").status == 1)
    }

    @Test func exportIsWhatImportReads() throws {
        let file = scratch.file("copy.jsonl")
        #expect(try run("export", file).status == 0)
        let again = "file:" + scratch.file("again.db")
        let outcome = try Tool.run("import", "--store", again, "--collection", "three", file)
        #expect(outcome.output.hasPrefix("3 records imported into three, in "))
        let copied = try Tool.run("fetch", "--store", again, "--collection", "three", "a", "b", "c")
        #expect(try copied.output == run("fetch", "a", "b", "c").output)
        #expect(try run("export", "-").lines.sorted() == copied.lines.sorted())
        #expect(try run("export", "-", "--filter", "links < 5").lines.count == 1)
        #expect(!scratch.names.contains { $0.hasSuffix(".tmp") || $0.hasSuffix(".lock") })
    }

    /// What `/dev/stdout` stands for was opened by the shell: it is written to, not replaced.
    @Test(arguments: ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link", "/dev/fd/3"])
    func anExportToAStreamReplacesNothing(_ name: String) throws {
        #if os(Linux)
        let target = try scratch.write("target", "before\n")
        let inode = try FileManager.default.attributesOfItem(atPath: target)[.systemFileNumber] as? UInt64
        try FileManager.default.createSymbolicLink(atPath: scratch.file("link"), withDestinationPath: "/dev/stdout")
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = [
            "-c", #""$0" export --store "$1" --collection three "$2" \#(name == "/dev/fd/3" ? "3" : "")>>"$3""#,
            Tool.path,
            store, name == "link" ? scratch.file("link") : name, target,
        ]
        let outcome = try Tool.run(shell)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let lines = try String(contentsOfFile: target, encoding: .utf8).split(separator: "\n").map(String.init)
        #expect(lines.first == "before")
        #expect(try lines.dropFirst().map { try VectorRecord(json: $0).id }.sorted() == ["a", "b", "c"])
        #expect(try FileManager.default.attributesOfItem(atPath: target)[.systemFileNumber] as? UInt64 == inode)
        #endif
    }

    @Test func anExportThatCannotBeWrittenFailsAndLeavesNothing() throws {
        #expect(try run("export", scratch.file("no/such/folder.jsonl")).status == 1)
        #expect(try run("export", scratch.path).status == 1)
        #expect(!scratch.names.contains { $0.hasSuffix(".tmp") })
    }

    @Test func aClosedPipeEndsQuietly() throws {
        let big = "file:" + scratch.file("big.db")
        let imported = try Tool.run(
            "import", "--store", big, "--collection", "big", "--vectors", Tool.sample + "/vectors.npy", "--records",
            Tool.sample + "/records.jsonl")
        try #require(imported.status == 0, "\(imported.errors)")
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = ["-c", #""$0" export --store "$1" --collection big - | head -n 1"#, Tool.path, big]
        let outcome = try Tool.run(shell)
        #expect(outcome.status == 0)
        #expect(outcome.lines.count == 1)
        #expect(outcome.errors.isEmpty)
    }

    @Test func theStoreMayBeInTheEnvironment() throws {
        let outcome = try Tool.run("count", "--collection", "three", environment: ["MINIORM_STORE": store])
        #expect(outcome.output == "3\n")
    }

    @Test func storesAreNamedByURL() throws {
        for wrong in ["three.db", "", "://", "redis://user:secret@host/x", "1a:b"] {
            let outcome = try Tool.run("count", "--store", wrong, "--collection", "three")
            #expect(outcome.status == 64)
            #expect(!outcome.errors.contains("secret"))
            #expect(outcome.errors.contains("memory:"))
        }
        #expect(try Tool.run("collections", "--store", "file:").status == 64)
        #expect(try Tool.run("collections", "--store", "MEMORY:").status == 0)
    }

    @Test func aTruncatedOrForeignFileIsOneLine() throws {
        let path = scratch.file("saved.db")
        try InMemoryVectorStore(at: scratch.file("three.db"), readOnly: true).save(to: path)
        let whole = try Array(Data(contentsOf: URL(fileURLWithPath: path)))
        for bytes in [Array(whole.prefix(whole.count / 2)), Array("hello\n".utf8), []] {
            let damaged = try scratch.write("damaged.db", bytes)
            for command in ["count", "describe"] {
                let outcome = try Tool.run(command, "--store", "file:" + damaged, "--collection", "three")
                #expect(outcome.status == 1)
                #expect(outcome.errors.split(separator: "\n").count == 1)
                #expect(outcome.output.isEmpty)
            }
            let file = scratch.file("three.jsonl")
            let imported = try Tool.run("import", "--store", "file:" + damaged, "--collection", "three", file)
            #expect(imported.status == 1)
            #expect(try Array(Data(contentsOf: URL(fileURLWithPath: damaged))) == bytes)
        }
    }

    @Test func tablesObeyNoEscapes() throws {
        let file = try scratch.write(
            "hostile.jsonl",
            #"{"id": "\u001b[31mred\u0007\n\u202e", "vector": [1], "payload": {"a\u001b]0;x": "\u009b2J"}}"#)
        let store = "file:" + scratch.file("hostile.db")
        #expect(try Tool.run("import", "--store", store, "--collection", "hostile", file).status == 0)
        let outcome = try Tool.run("query", "--store", store, "--collection", "hostile", "--vector", "[1]")
        #expect(outcome.status == 0)
        #expect(outcome.output.contains(#"\u{1B}[31mred\u{7}\n\u{202E}"#))
        #expect(!outcome.output.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
    }

    /// A terminal obeys U+009B as it does the escape, and nothing of JSON is lost with it.
    @Test func jsonObeysNoEscapes() throws {
        let record = VectorRecord(
            id: "\u{9B}2J\u{7F}\u{202E}é", vector: [1, 0], payload: ["\u{85}": "\u{E0041}\u{FEFF}"])
        let file = try scratch.write("hostile.jsonl", record.json() + "\n")
        #expect(try run("import", file).status == 0)
        for outcome in try [
            run("fetch", record.id), run("fetch", record.id, "--no-vectors"), run("export", "-"),
            run("query", "--vector", "[1, 0]", "--json"),
        ] {
            #expect(outcome.status == 0)
            #expect(outcome.output.contains(#""\u009b2J\u007f\u202eé""#))
            #expect(outcome.output.contains(#""\u0085":"\udb40\udc41\ufeff""#))
            for scalar in outcome.output.unicodeScalars { #expect(scalar.value < 0x7F || scalar == "é") }
        }
        #expect(try VectorRecord(json: run("fetch", record.id).output) == record)
    }

    @Test func largeScoresArePrinted() throws {
        let file = try scratch.write("one.jsonl", #"{"id": "a", "vector": [1]}"#)
        #expect(try run("import", "--collection", "dot", "--metric", "dot", file).status == 0)
        for (vector, score) in [
            ("[9.5e14]", "949999990996992.0"), ("[-1e18]", "-9.999999843067494e+17"), ("[12.5]", "12.5000"),
        ] {
            let outcome = try run("query", "--collection", "dot", "--vector", vector)
            #expect(outcome.status == 0)
            #expect(outcome.output.contains(score), "\(outcome.output)")
        }
    }

    @Test func checkRunsTheConformanceKitAndNamesWhatItSkips() throws {
        let outcome = try Tool.run("check", "--store", "memory:")
        #expect(outcome.status == 0, "\(outcome.output)")
        #expect(outcome.lines.contains { $0.hasPrefix("passed   ") })
        #expect(outcome.lines.contains { $0.hasPrefix("skipped  ") })
        #expect(outcome.lines.last?.contains(" 0 failed") == true)
        #expect(try Tool.run("check", "--store", store).status == 0)
        #expect(try run("count").output == "3\n")
        #expect(try Tool.run("check", "--store", "file:" + scratch.file("three.jsonl")).status == 1)
        #expect(try Tool.run("check").status == 64)
    }

    @Test func helpAndVersion() throws {
        #expect(try Tool.run("--version").output == "0.1.0\n")
        for command in [
            "demo", "import", "query", "fetch", "export", "count", "delete", "collections", "describe", "drop", "check",
        ] {
            let outcome = try Tool.run(command, "--help")
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("USAGE: mini-orm \(command)"))
        }
        #expect(try Tool.run("frobnicate").status == 64)
    }
}
