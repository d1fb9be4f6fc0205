import Foundation
import MiniORM
import Testing

/// What a person at a terminal sees and is asked.
@Suite struct TerminalTests {
    let scratch: Scratch
    let store: String

    init() throws {
        scratch = try Scratch()
        store = try scratch.threeRecords()
    }

    private func count() throws -> Tool.Outcome { try Tool.run("count", "--store", store, "--collection", "three") }

    @Test(arguments: ["n\n", "\n", "yesterday\n", "\u{4}"])
    func dropAsksAndAnythingButYesKeepsTheCollection(_ answer: String) throws {
        let terminal = try PseudoTerminal(columns: 80)
        let process = Tool.process(["drop", "--store", store, "--collection", "three"])
        try terminal.start(process)
        try terminal.wait(for: "Drop collection \"three\" with 3 records? [y/N] ")
        terminal.type(answer)
        try terminal.wait(for: "nothing was dropped")
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        #expect(try count().output == "3\n")
    }

    @Test(arguments: ["y\n", "YES\n"]) func dropDropsAfterYes(_ answer: String) throws {
        let terminal = try PseudoTerminal(columns: 80)
        let process = Tool.process(["drop", "--store", store, "--collection", "three"])
        try terminal.start(process)
        try terminal.wait(for: "[y/N] ")
        terminal.type(answer)
        try terminal.wait(for: "collection \"three\" dropped, 3 records")
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(try count().status == 1)
    }

    @Test func ctrlCAtTheQuestionDropsNothing() throws {
        let terminal = try PseudoTerminal(columns: 80)
        let process = Tool.process(["drop", "--store", store, "--collection", "three"])
        try terminal.start(process)
        try terminal.wait(for: "[y/N] ")
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        #expect(try count().output == "3\n")
    }

    private func importSample(to name: String) -> Process {
        Tool.process([
            "import", "--store", "file:" + scratch.file(name), "--collection", "sample", "--batch", "50", "--vectors",
            Tool.sample + "/vectors.npy", "--records", Tool.sample + "/records.jsonl",
        ])
    }

    @Test func anImportShowsItsProgressOnATerminalAlone() throws {
        let terminal = try PseudoTerminal(columns: 80)
        #expect(try terminal.run(importSample(to: "shown.db"), .errors) == 0)
        let lines = terminal.shown.components(separatedBy: "\r\u{1B}[2K")
        #expect(lines.contains { $0.hasPrefix("importing  [#") && $0.contains("% ") && $0.contains(" records, ") })
        // No line wraps, and the last one is taken away.
        #expect(lines.allSatisfy { $0.count < 80 && !$0.contains("\n") })
        #expect(lines.last == "")
        let quiet = try Tool.run(importSample(to: "quiet.db"))
        #expect(quiet.status == 0)
        #expect(quiet.errors.isEmpty)
    }

    @Test func aTableFitsANarrowTerminal() throws {
        let long = (1...12).map { #""field\#($0)": "value \#($0)""# }.joined(separator: ", ")
        let file = try scratch.write("long.jsonl", #"{"id": "long", "vector": [1, 0.1], "payload": {\#(long)}}"#)
        try #require(try Tool.run("import", "--store", store, "--collection", "three", file).status == 0)
        let query = ["query", "--store", store, "--collection", "three", "--vector", "[1, 0.1]", "--top-k", "1"]
        let terminal = try PseudoTerminal(columns: 40)
        #expect(try terminal.run(Tool.process(query), .output) == 0)
        let lines = terminal.shown.split(separator: "\r\n").map(String.init)
        #expect(lines.count == 4)
        #expect(lines.allSatisfy { $0.count <= 40 })
        #expect(lines[2].hasPrefix("1  long  1.0000  {") && lines[2].hasSuffix("…"))
        // In a pipe nothing is cut.
        #expect(try Tool.run(Tool.process(query)).output.contains("value 12"))
    }

    @Test func helpIsNotWrappedAnewAtEightyColumns() throws {
        for command in [
            [], ["demo"], ["import"], ["query"], ["fetch"], ["export"], ["count"], ["delete"], ["collections"],
            ["describe"], ["drop"], ["check"],
        ] {
            let overviews = try [80, 200].map { columns in
                let terminal = try PseudoTerminal(columns: columns)
                #expect(try terminal.run(Tool.process(command + ["--help"])) == 0)
                return terminal.shown.components(separatedBy: "USAGE:")[0]
            }
            #expect(overviews[0].contains("OVERVIEW: "))
            #expect(overviews[0] == overviews[1])
        }
    }
}
