import Foundation
import MiniORM
import Testing

/// The demo, and that what it says to type works when it is typed.
@Suite struct DemoTests {
    @Test func showsThreeSearches() throws {
        let outcome = try Tool.run("demo")
        #expect(outcome.status == 0)
        #expect(outcome.errors.isEmpty)
        for text in ["2,000 records imported", "1. What is near \"eel\"?", "smoked eel", "3. Sentences, 8 in one call"]
        {
            #expect(outcome.output.contains(text))
        }
    }

    @Test func whatItSaysToTypeWorks() throws {
        let scratch = try Scratch()
        let outcome = try Tool.run("demo", in: scratch.path)
        let typed = outcome.output.split(separator: "\n").filter { $0.hasPrefix("  ") }
        try #require(typed.count == 8)
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = ["-e", "-c", typed.joined(separator: "\n")]
        shell.currentDirectoryURL = URL(fileURLWithPath: scratch.path)
        let answer = try Tool.run(shell)
        #expect(answer.status == 0, "\(answer.errors)")
        for text in ["The records are in file:words.db", "\n244\n", "2,000 records exported", "USAGE: mini-orm"] {
            #expect(answer.output.contains(text))
        }
        #expect(scratch.names == ["words.db", "words.jsonl"])
    }

    /// The calls that the demo shows, made here, find what it shows.
    @Test func whatItShowsInSwiftFindsTheSame() throws {
        let scratch = try Scratch()
        let outcome = try Tool.run("demo", "--store", "file:" + scratch.file("words.db"))
        for line in [
            #"let store = try InMemoryVectorStore(at: "\#(scratch.file("words.db"))")"#,
            #"let words = try VectorRepository(store, "wordnet", dimension: 384)"#,
            #"let eel = try words.fetch(["n02526121"])[0]"#, "In Swift: try words.query(eel.vector, topK: 6)",
            #"In Swift: try words.query(eel.vector, topK: 5, filter: ["topic": "noun.food"])"#,
            "In Swift: try words.queryBatch(sentences, topK: 2)",
        ] {
            #expect(outcome.lines.contains(line))
        }
        let store = try InMemoryVectorStore(at: scratch.file("words.db"))
        let words = try VectorRepository(store, "wordnet", dimension: 384)
        let eel = try #require(try words.fetch(["n02526121"]).first)
        let near = try words.query(eel.vector, topK: 6)
        let food = try words.query(eel.vector, topK: 5, filter: ["topic": "noun.food"])
        #expect(near.count == 6 && food.count == 5)
        for hit in near + food where hit.id != eel.id {
            let definition = hit.payload?["definition"]?.stringValue ?? "none"
            #expect(outcome.lines.contains { $0.contains(definition) })
        }
    }

    @Test func aMissingSampleIsOneLine() throws {
        let scratch = try Scratch()
        let outcome = try Tool.run("demo", "--sample", scratch.path)
        #expect(outcome.status == 1)
        #expect(outcome.errors == "mini-orm: there is no sample in \"\(scratch.path)\"\n")
        // Without its resources the program says so as well.
        let copy = scratch.file("mini-orm")
        try FileManager.default.copyItem(atPath: Tool.path, toPath: copy)
        let alone = Process()
        alone.executableURL = URL(fileURLWithPath: copy)
        alone.arguments = ["demo"]
        let missing = try Tool.run(alone)
        #expect(missing.status == 1)
        #expect(missing.errors.contains("--sample FOLDER"))
    }
}
