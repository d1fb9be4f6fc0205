import Foundation
import MiniORM
import Testing

/// What `import` reads, refuses, skips and keeps.
@Suite struct ImportTests {
    let scratch: Scratch
    let store: String

    init() throws {
        scratch = try Scratch()
        store = "file:" + scratch.file("new.db")
    }

    private func run(_ arguments: String..., input: String? = nil) throws -> Tool.Outcome {
        try Tool.run(Tool.process(["import", "--store", store, "--collection", "new"] + arguments), input: input)
    }

    private func count() throws -> String { try Tool.run("count", "--store", store, "--collection", "new").output }

    @Test func takesARecordALineFromAPipe() throws {
        let text = "\u{FEFF}{\"id\":\"a\",\"vector\":[1,2]}\r\n\n  \n{\"id\":\"b\",\"vector\":[3,4],\"payload\":{}}"
        let outcome = try run("-", "--metric", " Euclid ", input: text)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try count() == "2\n")
        let description = try Tool.run("describe", "--store", store, "--collection", "new", "--json").output
        #expect(description.contains(#""dimension": 2, "metric": "l2""#))
    }

    @Test func takesANumpyArrayAndLines() throws {
        let records = try scratch.write(
            "r.jsonl", "{\"id\":\"a\",\"payload\":{\"n\":1}}\n{\"id\":\"b\",\"payload\":null}\n")
        let narrow = try scratch.write("v.npy", Numpy.file([[1, 2], [3, 4]]))
        let wide = try scratch.write("w.npy", Numpy.wide([[1.5, 2], [3, 0.1]]))
        #expect(try run("--vectors", narrow, "--records", records).status == 0)
        #expect(try count() == "2\n")
        #expect(try run("--vectors", wide, "--records", records, "--batch", "1").status == 0)
        let fetched = try Tool.run("fetch", "--store", store, "--collection", "new", "b", "a")
        #expect(
            fetched.lines == [
                #"{"id":"b","payload":null,"vector":[3.0,0.1]}"#, #"{"id":"a","payload":{"n":1},"vector":[1.5,2.0]}"#,
            ])
    }

    @Test(arguments: [1, 3, 1000]) func skippingKeepsEveryGoodRecordAndReportsTheOthersInOrder(batch: Int) throws {
        // Runs of good and bad records of every length up to 9.
        var isGood = [true]
        for length in 1..<10 {
            isGood += Array(repeating: false, count: length) + Array(repeating: true, count: 10 - length)
        }
        let lines = isGood.enumerated().map { index, isGood in
            #"{"id": "\#(index)", "vector": [1, \#(isGood ? "2" : "2, 3")]}"#
        }
        let file = try scratch.write("mixed.jsonl", lines.joined(separator: "\n"))
        let outcome = try run(file, "--on-error", "skip", "--batch", "\(batch)")
        #expect(outcome.status == 0)
        let bad = isGood.indices.filter { !isGood[$0] }
        let reported = outcome.errors.split(separator: "\n").map { $0.dropFirst(file.count + 1).prefix { $0 != ":" } }
        #expect(reported.map(String.init) == bad.map { String($0 + 1) })
        #expect(try count() == "\(isGood.count - bad.count)\n")
    }

    @Test func rowsAndLinesHaveToBeAsMany() throws {
        let vectors = try scratch.write("v.npy", Numpy.file([[1, 2], [3, 4]]))
        for lines in [1, 3] {
            let text = (0..<lines).map { "{\"id\":\"\($0)\"}\n" }.joined()
            let records = try scratch.write("r.jsonl", text)
            let outcome = try run("--vectors", vectors, "--records", records)
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("2 rows"))
            #expect(!scratch.names.contains("new.db"))
        }
    }

    @Test(arguments: [
        (#"{"id": "x", "vector": [1]}"#, ""), (#"{"id": "x", "vector": [1, "2"]}"#, "column"),
        (#"{"id": "x", "vector": [1, 1e39]}"#, "column"), (#"{"id": "", "vector": [1, 2]}"#, ""),
        (#"{"id": "x\u0000", "vector": [1, 2]}"#, ""), (#"{"id": "x"}"#, "vector"), (#"{"vector": [1, 2]}"#, "id"),
        (#"{"id": 7, "vector": [1, 2]}"#, "column"), (#"{"id": "x", "vector": [1, 2], "extra": 1}"#, "extra"),
        (#"{"id": "x", "vector": [1, 2]"#, "column"), ("not json", "column"), ("[]", "column"),
        (#"{"id": "x", "vector": [1, 2], "payload": [1]}"#, "column"),
    ])
    func aBadLineIsNamedAndWhatIsBeforeItIsKept(_ bad: String, _ hint: String) throws {
        let good = (1...4).map { "{\"id\":\"\($0)\",\"vector\":[\($0),1]}" }
        let file = try scratch.write("r.jsonl", (good[..<2] + [bad] + good[2...]).joined(separator: "\n"))
        let stopped = try run(file)
        #expect(stopped.status == 1)
        #expect(stopped.errors.hasPrefix("mini-orm: \(file):3: "))
        #expect(!stopped.errors.contains("line 1"))
        #expect(hint.isEmpty || stopped.errors.contains(hint))
        #expect(stopped.errors.hasSuffix("; 2 records are in\n"))
        #expect(try count() == "2\n")
        let skipped = try run(file, "--on-error", "skip")
        #expect(skipped.status == 0)
        #expect(skipped.errors.hasPrefix("\(file):3: "))
        #expect(skipped.errors.hasSuffix(" (skipped)\n"))
        #expect(skipped.output.contains("4 records imported into new, 1 skipped"))
        #expect(try count() == "4\n")
    }

    @Test func aBadFirstRecordDoesNotDecideTheDimension() throws {
        let text = "{\"id\":\"a\",\"vector\":[]}\n{\"id\":\"b\",\"vector\":[1,2]}\n"
        let outcome = try run("-", "--on-error", "skip", input: text)
        #expect(outcome.output.contains("1 record imported into new, 1 skipped"))
        #expect(outcome.errors.hasPrefix("standard input:1: "))
    }

    @Test func aLineThatIsTooLongIsOneBadRecord() throws {
        let path = try scratch.write("long.jsonl", "{\"id\":\"a\",\"vector\":[1]}\n")
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.seekToEnd()
        let spaces = Data(repeating: 0x20, count: 1 << 20)
        for _ in 0..<65 { try file.write(contentsOf: spaces) }
        try file.write(contentsOf: Data("\n{\"id\":\"b\",\"vector\":[1]}".utf8))
        try file.close()
        let stopped = try run(path)
        #expect(stopped.status == 1)
        #expect(stopped.errors == "mini-orm: \(path):2: the line is longer than 64 MB; 1 record is in\n")
        #expect(try count() == "1\n")
        let skipped = try run(path, "--on-error", "skip")
        #expect(skipped.status == 0)
        #expect(skipped.errors == "\(path):2: the line is longer than 64 MB (skipped)\n")
        #expect(skipped.output.contains("2 records imported into new, 1 skipped"))
        #expect(try count() == "2\n")
    }

    @Test(arguments: ["stop", "skip"]) func recordsReadBeforeAnErrorAreKept(_ onError: String) throws {
        let vectors = try scratch.write("v.npy", Numpy.file([[1, 2], [3, 4], [5, 6]]))
        let outcome = try run(
            "--vectors", vectors, "--records", "-", "--on-error", onError, input: "{\"id\":\"a\"}\n{\"id\":\"b\"}\n")
        #expect(outcome.status == 1)
        #expect(
            outcome.errors.hasSuffix("standard input has 2 lines: row i has to belong to line i; 2 records are in\n"))
        #expect(try count() == "2\n")
    }

    @Test(arguments: [
        #"{"id": "", "vector": [1]}"#, #"{"id": "a", "vector": []}"#, "not json",
        #"{"id": "a\u0000", "vector": [1]}"#,
    ])
    func aBadFirstRecordLeavesNoCollection(_ bad: String) throws {
        for onError in ["stop", "skip"] {
            let outcome = try run("-", "--on-error", onError, input: bad + "\n")
            #expect(outcome.status == 1)
            #expect(!scratch.names.contains("new.db"))
            #expect(onError == "stop" || outcome.errors.hasSuffix("nothing is imported: 1 record skipped\n"))
        }
        // Nor in a store that is there.
        #expect(try run("-", "--collection", "other", input: "{\"id\":\"a\",\"vector\":[1]}\n").status == 0)
        #expect(try run("-", input: bad + "\n").status == 1)
        #expect(try count().isEmpty)
    }

    @Test func whereBadRecordsAreSkippedMostVectorsSayHowLongTheyAre() throws {
        let text =
            #"{"id": "short", "vector": [1]}"# + "\n" + (0..<5).map { "{\"id\":\"\($0)\",\"vector\":[1,2]}\n" }.joined()
        let outcome = try run("-", "--on-error", "skip", input: text)
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("5 records imported into new, 1 skipped"))
        #expect(outcome.errors.hasPrefix("standard input:1: "))
    }

    #if os(Linux)
    /// Records are streamed: what has gone through does not stay.
    @Test func theMemoryOfAnImportIsBounded() throws {
        let writer = try Writer(
            Tool.process(["import", "--store", "memory:", "--collection", "new", "--on-error", "skip", "-"]))
        func peak() throws -> Int { try #require(writer.status("VmHWM").flatMap { Int($0.prefix { $0.isNumber }) }) }
        // Every other record is refused, the rest replace each other.
        let text = String(repeating: "x", count: 100_000)
        func write(_ megabytes: Int) {
            for number in 0..<(megabytes * 10) {
                writer.write(
                    "{\"id\":\"\(number % 20)\",\"vector\":[\(number % 2 == 0 ? "1" : "")],\"payload\":{\"x\":\"\(text)\"}}\n"
                )
            }
            writer.waitUntilRead()
        }
        write(20)
        let before = try peak()
        write(120)
        let after = try peak()
        #expect(try writer.finish().status == 0)
        #expect(after - before < 40_000, "\(before) kB, then \(after) kB")
    }
    #endif

    @Test func ofTwoRecordsWithOneIdTheLastWins() throws {
        let text = "{\"id\":\"a\",\"vector\":[1]}\n{\"id\":\"a\",\"vector\":[2]}\n"
        #expect(try run("-", input: text).status == 0)
        let fetched = try Tool.run("fetch", "--store", store, "--collection", "new", "a")
        #expect(fetched.output == "{\"id\":\"a\",\"payload\":null,\"vector\":[2.0]}\n")
    }

    @Test func aCollectionThatIsThereIsChecked() throws {
        let text = "{\"id\":\"a\",\"vector\":[1]}\n"
        #expect(try run("-", "--metric", "dot", input: text).status == 0)
        #expect(try run("-", input: text).status == 0)
        let other = try run("-", "--metric", "l2", input: text)
        #expect(other.status == 1)
        #expect(other.errors.contains("collectionMismatch"))
    }

    @Test func anEmptyFileIsNoFailure() throws {
        let outcome = try run("-", input: "\n\n")
        #expect(outcome.status == 0)
        #expect(outcome.output.hasPrefix("0 records imported"))
        #expect(!scratch.names.contains("new.db"))
    }

    @Test func memoryKeepsNothingAndSaysSo() throws {
        let outcome = try Tool.run(
            "import", "--store", "memory:", "--collection", "new", "-", input: "{\"id\":\"a\",\"vector\":[1]}\n")
        #expect(outcome.output.contains("memory: keeps nothing"))
    }

    @Test(arguments: [
        [], ["a.jsonl", "--vectors", "b.npy", "--records", "c.jsonl"], ["--vectors", "b.npy"],
        ["--records", "c.jsonl"], ["a.jsonl", "--batch", "0"], ["a.jsonl", "--metric", "hamming"],
        ["a.jsonl", "--on-error", "ignore"],
    ])
    func wrongUseIs64(_ arguments: [String]) throws {
        let process = Tool.process(["import", "--store", store, "--collection", "new"] + arguments)
        #expect(try Tool.run(process).status == 64)
    }

    @Test func aFileIsChangedByOneCommandAtATime() throws {
        #expect(try run("-", input: "{\"id\":\"a\",\"vector\":[1]}\n").status == 0)
        let first = try Writer(Tool.process(["import", "--store", store, "--collection", "new", "-"]))
        // It has the lock once the file of the lock names it.
        waitForLock(first)
        let second = try run("-", input: "{\"id\":\"b\",\"vector\":[1]}\n")
        #expect(second.status == 1)
        #expect(second.errors.contains("process \(first.process.processIdentifier) writes to the directory"))
        #expect(try count() == "1\n")
        #expect(try first.finish().status == 0)
        #expect(try run("-", input: "{\"id\":\"b\",\"vector\":[1]}\n").status == 0)
    }

    private func waitForLock(_ writer: Writer) {
        let lock = scratch.file("new.db/lock")
        while (try? String(contentsOfFile: lock, encoding: .utf8)) != "\(writer.process.processIdentifier)" {
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    /// A file that `save(to:)` has written stays one.
    @Test func aSavedFileIsReadAndChanged() throws {
        let saved = InMemoryVectorStore()
        try VectorRepository(saved, "new", dimension: 1).upsert([VectorRecord(id: "a", vector: [1])])
        try saved.save(to: scratch.file("new.db"))
        #expect(try count() == "1\n")
        let first = try Writer(Tool.process(["import", "--store", store, "--collection", "new", "-"]))
        while !scratch.names.contains("new.db.lock") { Thread.sleep(forTimeInterval: 0.01) }
        let second = try run("-", input: "{\"id\":\"b\",\"vector\":[1]}\n")
        #expect(second.status == 1)
        #expect(second.errors.contains("another command is changing"))
        first.write("{\"id\":\"c\",\"vector\":[2]}\n")
        #expect(try first.finish().status == 0)
        #expect(scratch.names == ["new.db"])
        let opened = try InMemoryVectorStore(opening: scratch.file("new.db"))
        #expect(try opened.fetch(FetchRequest(collection: "new", ids: ["a", "b", "c"])).map(\.id) == ["a", "c"])
    }

    /// What is acknowledged is there when the process is killed.
    @Test func whatIsInStaysInWhenTheProcessIsKilled() throws {
        let import_ = try Writer(
            Tool.process(["import", "--store", store, "--collection", "new", "--batch", "10", "-"]))
        for id in 0..<40_000 { import_.write("{\"id\":\"\(id)\",\"vector\":[1,2]}\n") }
        kill(import_.process.processIdentifier, SIGKILL)
        _ = import_.wait()
        // The pipe holds far less than these lines.
        #expect(try (Int(count().dropLast()) ?? 0) > 10_000)
    }

    @Test func interruptedItKeepsWhatItSaysIsIn() throws {
        let import_ = try Writer(
            Tool.process(["import", "--store", store, "--collection", "new", "--batch", "10", "-"]))
        // A pipe that stays open, so that the command waits for more. It holds far less than these lines: once all
        // are written, most have been read.
        for id in 0..<40_000 { import_.write("{\"id\":\"\(id)\",\"vector\":[1,2]}\n") }
        import_.process.interrupt()
        let outcome = import_.wait()
        #expect(outcome.status == 130)
        #expect(outcome.errors.hasPrefix("mini-orm: interrupted; "))
        let said = outcome.errors.filter(\.isNumber)
        #expect((Int(said) ?? 0) > 0)
        #expect(try count() == said + "\n")
        #expect(!scratch.names.contains { $0.hasSuffix(".tmp") || $0.hasSuffix(".lock") })
    }

    @Test func interruptedBeforeTheFirstBatchItKeepsNothing() throws {
        let waiting = try Writer(Tool.process(["import", "--store", store, "--collection", "new", "-"]))
        waitForLock(waiting)
        waiting.process.interrupt()
        let outcome = waiting.wait()
        #expect(outcome.status == 130)
        #expect(outcome.errors == "mini-orm: interrupted; 0 records are in\n")
        #expect(scratch.names.isEmpty)
    }
}
