import Foundation
import MiniORM
import Testing

@testable import mini_orm

/// How stores are named, and what of a name is shown.
@Suite struct StoreURLTests {
    private func url(_ text: String) throws -> StoreURL { try #require(StoreURL(text)) }

    @Test(arguments: ["file:w?s#@.db", "file:///tmp/a?b", "faiss:w?s", "memory:", "file:a@b"])
    func pathsAreShownWhole(_ text: String) throws {
        #expect(try url(text).description == text)
        #expect(try !url(text).isDescribedInPart)
        #expect(try url(text).secrets.isEmpty)
    }

    @Test(arguments: [
        (
            "postgres://me:pa%40ss/w@host/db?sslmode=require&password=more", "postgres://host/db",
            ["more", "pa%40ss/w", "pa@ss/w"]
        ),
        ("chroma://host:8000?api_key=k%7Ay#x", "chroma://host:8000", ["k%7Ay", "kzy"]),
        ("qdrant://host", "qdrant://host", []), ("postgres://me@host/?x=1", "postgres://host/", []),
        ("postgres://:%4@h", "postgres://h", ["%4"]), ("postgres://me:pa?ss@h/db", "postgres://…", ["pa?ss"]),
    ])
    func secretsAreNotShown(_ text: String, _ shown: String, _ secrets: [String]) throws {
        let url = try url(text)
        #expect(url.description == shown)
        #expect(url.isDescribedInPart == (text != shown))
        #expect(url.secrets == secrets.sorted())
    }

    @Test func aKeyOfTheEnvironmentIsSecret() throws {
        #expect(try url("qdrants://h").secretVariable == "QDRANT_API_KEY")
        #expect(try url("chroma://h").secretVariable == "CHROMA_API_KEY")
        #expect(try url("postgresql://h").secretVariable == "PGPASSWORD")
        #expect(try url("file:h").secretVariable == nil)
    }

    @Test func whatIsLeftOutIsSaidWhereItHasToBeTyped() throws {
        func text(_ store: String) throws -> String {
            let next = NextSteps(program: "mini-orm", url: try url(store), lasts: true, collection: "words")
            return next.lines(like: "a").joined(separator: "\n")
        }
        let server = try text("postgres://me:secret@host/db")
        #expect(server.contains("  export MINIORM_STORE=postgres://host/db  # add user, password, options\n"))
        #expect(!server.contains("secret"))
        #expect(try text("qdrant://host").contains("  export MINIORM_STORE=qdrant://host\n"))
        #expect(try text("file:w?s.db").contains("  export MINIORM_STORE='file:w?s.db'\n"))
    }

    @Test func theHomeDirectoryIsFound() throws {
        let scratch = try Scratch()
        let outcome = try Tool.run(
            "import", "--store", "file:~/words.db", "--collection", "new", "-",
            input: "{\"id\":\"a\",\"vector\":[1]}\n",
            environment: ["HOME": scratch.path], in: scratch.path)
        #expect(outcome.status == 0)
        #expect(scratch.names == ["words.db"])
    }

    @Test func aDirectoryOfOtherFilesBecomesNoStore() throws {
        let scratch = try Scratch()
        _ = try scratch.write("photo.jpg", "")
        for command in [["import", "--collection", "new", "-"], ["count", "--collection", "new"], ["check"]] {
            let outcome = try Tool.run(
                Tool.process(command + ["--store", "file:" + scratch.path]), input: "{\"id\":\"a\",\"vector\":[1]}\n")
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("has other files in it, such as \"photo.jpg\""))
        }
        #expect(scratch.names == ["photo.jpg"])
        // An empty one does, and so does one where a beginning was cut short.
        for names in [[], ["lock"], ["lock", "log-1", "manifest.new"]] {
            let empty = try Scratch()
            for name in names where name != "log-1" { _ = try empty.write(name, "") }
            let outcome = try Tool.run(
                "import", "--store", "file:" + empty.path, "--collection", "new", "-",
                input: "{\"id\":\"a\",\"vector\":[1]}\n")
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
    }

    @Test func whatIsMissingInThisBuildIsNamed() throws {
        for (scheme, trait) in [
            ("qdrant", "Qdrant"), ("chromas", "Chroma"), ("postgres", "PgVector"), ("faiss", "Faiss"),
        ]
        where !StoreScheme.all.contains(where: { $0.name == scheme }) {
            let outcome = try Tool.run("collections", "--store", "\(scheme)://h")
            #expect(outcome.status == 64)
            #expect(outcome.errors.contains("swift build -c release --traits \(trait)"))
        }
        #expect(StoreScheme.unknown("redis").hasPrefix("no store is called \"redis:\""))
    }

    @Test(arguments: ["/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/../dev/null"])
    func aStreamIsNoFile(_ name: String) {
        #expect(System.stream(name) != nil)
    }

    @Test func aFileIsNoStream() throws {
        let scratch = try Scratch()
        try FileManager.default.createSymbolicLink(atPath: scratch.file("a"), withDestinationPath: "b")
        try FileManager.default.createSymbolicLink(atPath: scratch.file("b"), withDestinationPath: "a")
        for name in ["words.jsonl", scratch.file("dev"), scratch.file("a"), "/no/such/file", "", "/", "/dev/shm/words"]
        {
            #expect(System.stream(name) == nil, "\(name)")
        }
    }

    @Test func numbersAreWrittenWithoutTraps() {
        #expect(0.99996.fixed(4) == "1.0000")
        #expect((-0.00001).fixed(4) == "0.0000")
        #expect((-1.5).fixed(0) == "-2")
        for power in 0..<320 {
            for digits in [0, 1, 3, 4] {
                let number = -1.2345 * Double(sign: .plus, exponent: power * 3, significand: 1)
                #expect(Double(number.fixed(digits)) != nil)
            }
        }
        for number in [Double.infinity, -.infinity, .nan, .greatestFiniteMagnitude, 9.3e14, 999_999_986_991_104] {
            #expect(!number.fixed(4).isEmpty)
        }
    }

    @Test func theRecordItselfIsAskedForWithinTheStoresLimit() {
        #expect(QueryCommand.askedFor(10, atMost: nil) == 11)
        #expect(QueryCommand.askedFor(10, atMost: 11) == 11)
        #expect(QueryCommand.askedFor(10, atMost: 10) == 10)
        // What the store refuses is refused as it was asked for.
        #expect(QueryCommand.askedFor(12, atMost: 10) == 12)
        #expect(QueryCommand.askedFor(.max, atMost: nil) == .max)
    }

    @Test func theLimitsOfAStoreAreDescribed() throws {
        var can = StoreCapabilities()
        can.maximumDimension = 16_000
        can.maximumTopK = 300
        can.pushedDownOperators = [.equal, .and]
        let lines = Dictionary(uniqueKeysWithValues: DescribeCommand.lines(can))
        #expect(lines["limits"] == "dimension 16,000, top-k 300")
        #expect(lines["its engine's"] == "==, and")
        let json = try PayloadValue(json: DescribeCommand.json("a\"b", can)).objectValue ?? [:]
        #expect(json["name"] == "a\"b" && json["maximum_dimension"] == 16_000 && json["maximum_top_k"] == 300)
        #expect(json["pushed_down_operators"] == ["==", "and"])
        #expect(json["is_persistent"] == false)
    }
}
