#if Faiss
import Foundation
import MiniORM
import Testing

/// What the tool does on `file:`, on a directory of FAISS.
@Suite struct FaissTests {
    private let scratch: Scratch
    private let store: String

    init() throws {
        scratch = try Scratch()
        store = "faiss:" + scratch.file("store")
    }

    private func run(_ command: String, _ arguments: String...) throws -> Tool.Outcome {
        try Tool.run(Tool.process([command, "--store", store] + arguments))
    }

    @Test func everyCommandWorksOnADirectory() throws {
        let lines = try scratch.write(
            "three.jsonl",
            """
            {"id": "a", "vector": [1, 0], "payload": {"pos": "verb", "links": 7}}
            {"id": "b", "vector": [0.8, 0.6], "payload": {"pos": "noun", "links": 2.5}}
            {"id": "c", "vector": [0, 1]}

            """)
        let imported = try run("import", "--collection", "three", lines)
        #expect(imported.status == 0, "\(imported.errors)")
        #expect(try run("count", "--collection", "three").output == "3\n")
        #expect(try run("count", "--collection", "three", "--filter", "links >= 5").output == "1\n")
        #expect(
            try run("query", "--collection", "three", "--vector", "[0, 1]", "--top-k", "1", "--json").output
                == #"{"query": 0, "hits": [{"id": "c", "score": 1.0, "payload": null}]}"# + "\n")
        let filtered = try run(
            "query", "--collection", "three", "--vector", "[0, 1]", "--filter", #"pos == "verb""#, "--json")
        #expect(filtered.output.contains(#""id": "a""#) && !filtered.output.contains(#""id": "c""#))
        let fetched = try run("fetch", "--collection", "three", "c", "a")
        #expect(fetched.lines.count == 2)
        #expect(fetched.lines.first?.contains(#""c""#) == true)
        #expect(try run("collections").output.contains("three"))
        #expect(try run("describe", "--collection", "three").output.contains("2"))

        let exported = scratch.file("exported.jsonl")
        #expect(try run("export", "--collection", "three", exported).status == 0)
        let again = try run("import", "--collection", "again", exported)
        #expect(again.status == 0, "\(again.errors)")
        #expect(
            try run("fetch", "--collection", "again", "b").output == run("fetch", "--collection", "three", "b").output)

        #expect(try run("delete", "--collection", "three", "a", "nobody").status == 0)
        #expect(try run("count", "--collection", "three").output == "2\n")
        let dropped = try run("drop", "--collection", "three", "--yes")
        #expect(dropped.status == 0, "\(dropped.errors)")
        #expect(try !run("collections").output.contains("three"))
        #expect(try run("count", "--collection", "again").output == "3\n")
        let missing = try run("count", "--collection", "three")
        #expect(missing.status == 1)
        #expect(missing.errors.hasPrefix("mini-orm: "))
    }

    @Test func aDirectoryOfSomebodyElseIsLeftAlone() throws {
        let lines = try scratch.write("one.jsonl", #"{"id": "a", "vector": [1, 0]}"# + "\n")
        let folder = try Scratch()
        _ = try folder.write("draft-thesis.docx", "mine")
        let outcome = try Tool.run("import", "--store", "faiss:" + folder.path, "--collection", "one", lines)
        #expect(outcome.status == 1)
        #expect(outcome.errors.hasPrefix("mini-orm: "))
        #expect(folder.names == ["draft-thesis.docx"])
    }
}
#endif
