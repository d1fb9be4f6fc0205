import Foundation
import MiniORM
import Testing

@testable import mini_orm

#if canImport(Glibc)
import Glibc
#endif

/// What a signal ends, and what stays.
@Suite struct InterruptionTests {
    let scratch: Scratch
    let store: String

    init() throws {
        scratch = try Scratch()
        store = "file:" + scratch.file("new.db")
    }

    private func importing(_ arguments: String...) -> Process {
        Tool.process(["import", "--store", store, "--collection", "new"] + arguments)
    }

    private func count() throws -> String { try Tool.run("count", "--store", store, "--collection", "new").output }

    /// Three records, of which the third waits for more, and half a line.
    private static let text = (1...3).map { "{\"id\":\"\($0)\",\"vector\":[1]}\n" }.joined() + "{\"id\":\"4\",\"vec"

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func withHalfALineReadWhatIsInADirectoryStays(_ signal: Int32) throws {
        let writer = try Writer(importing("--batch", "1", "-"))
        writer.write(Self.text)
        while try count() != "2\n" { Thread.sleep(forTimeInterval: 0.01) }
        kill(writer.process.processIdentifier, signal)
        let outcome = writer.wait()
        #expect(outcome.status == 128 + signal)
        #expect(outcome.errors == "mini-orm: interrupted; 2 records are in\n")
        #expect(try count() == "2\n")
        #expect(try Tool.run(importing("-"), input: "{\"id\":\"4\",\"vector\":[1]}\n").status == 0)
    }

    @Test func withHalfALineReadWhatIsInASavedFileStays() throws {
        let saved = InMemoryVectorStore()
        try VectorRepository(saved, "new", dimension: 1).upsert([VectorRecord(id: "old", vector: [1])])
        try saved.save(to: scratch.file("new.db"))
        let writer = try Writer(importing("--batch", "1", "-"))
        writer.write(Self.text)
        writer.waitUntilRead()
        writer.process.interrupt()
        let outcome = writer.wait()
        #expect(outcome.status == 130)
        #expect(outcome.errors == "mini-orm: interrupted; 2 records are in\n")
        #expect(scratch.names == ["new.db"])
        #expect(try count() == "3\n")
    }

    @Test func aPipeThatNobodyWritesToIsLeft() throws {
        let pipe = scratch.file("pipe")
        try #require(mkfifo(pipe, 0o600) == 0)
        let writer = try Writer(importing(pipe))
        writer.waitUntilItListens()
        writer.process.interrupt()
        #expect(writer.wait(atMost: 20).status == 130)
        #expect(scratch.names == ["pipe"])
    }

    @Test func anArrayFromAPipeThatWaitsIsLeft() throws {
        let records = try scratch.write("r.jsonl", "{\"id\":\"a\"}\n{\"id\":\"b\"}\n")
        let writer = try Writer(importing("--vectors", "/dev/stdin", "--records", records))
        let whole = Numpy.file([[1, 2], [3, 4]])
        writer.write(Array(whole.dropLast(4)))
        writer.waitUntilRead()
        writer.process.interrupt()
        let outcome = writer.wait(atMost: 20)
        #expect(outcome.status == 130)
        #expect(outcome.errors == "mini-orm: interrupted; 0 records are in\n")
    }

    @Test func anExportLeavesWhatWasThere() throws {
        let directory = try InMemoryVectorStore(at: scratch.file("new.db"))
        let repository = try VectorRepository(directory, "new", dimension: 1)
        // Enough text for the export to take long.
        let text = String(repeating: "abcdefgh", count: 1 << 17)
        for id in 0..<48 {
            try repository.upsert([VectorRecord(id: "\(id)", vector: [1], payload: ["text": .string(text)])])
        }
        try directory.close()
        let file = try scratch.write("copy.jsonl", "before\n")
        let writer = try Writer(Tool.process(["export", "--store", store, "--collection", "new", file]))
        while writer.process.isRunning, !scratch.names.contains(where: { $0.hasSuffix(".tmp") }) {
            Thread.sleep(forTimeInterval: 0.001)
        }
        writer.process.interrupt()
        #expect(writer.wait().status == 130)
        #expect(scratch.names == ["copy.jsonl", "new.db"])
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "before\n")
    }

    #if compiler(>=6.2)
    @Test func theSecondSignalEndsEvenWhatIsShielded() async {
        await #expect(processExitsWith: .exitCode(130)) {
            Interruption.install()
            await Interruption.shielded {
                kill(getpid(), SIGINT)
                while !Interruption.isRequested { try? await Task.sleep(for: .milliseconds(1)) }
                kill(getpid(), SIGINT)
                // Far longer than it takes to leave.
                try? await Task.sleep(for: .seconds(60))
                exit(1)
            }
        }
    }

    @Test func theFirstSignalWaitsForWhatIsShielded() async {
        await #expect(processExitsWith: .exitCode(143)) {
            Interruption.install()
            var isDone = false
            await Interruption.shielded {
                kill(getpid(), SIGTERM)
                while !Interruption.isRequested { try? await Task.sleep(for: .milliseconds(1)) }
                try? await Task.sleep(for: .milliseconds(50))
                isDone = true
            }
            exit(isDone ? 1 : 2)
        }
    }

    @Test func theSecondSignalEndsACommandThatIsToEndInOrder() async {
        await #expect(processExitsWith: .exitCode(130)) {
            Interruption.install()
            Interruption.endsInOrder()
            kill(getpid(), SIGTERM)
            while !Interruption.isRequested { try? await Task.sleep(for: .milliseconds(1)) }
            kill(getpid(), SIGINT)
            try? await Task.sleep(for: .seconds(60))
            exit(1)
        }
    }
    #endif
}
