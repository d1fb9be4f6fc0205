#if Faiss
import Foundation
import MiniORM
import Synchronization
import TestSupport
import Testing

@testable import MiniORMFaiss

/// A store with a directory: what comes back, what is cut off, what is refused.
@Suite struct PersistenceTests {
    private let directory = TemporaryDirectory()

    private func open(_ index: FaissIndexType = .flat) throws -> FaissVectorStore {
        try FaissVectorStore(directory: directory.path, configuration: FaissConfiguration(index: index))
    }

    private func damage(_ path: String, _ change: (inout Data) -> Void) throws {
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        change(&bytes)
        try bytes.write(to: URL(fileURLWithPath: path))
    }

    private let payloads: [[String: PayloadValue]?] = [
        nil, [:],
        ["a": nil, "b": true, "c": false, "d": 1, "e": 1.0, "f": .int(.min), "g": .double(.leastNonzeroMagnitude)],
        ["s": "e\u{301}", "é": "\u{0}\"", "": ["x", [1, 2.5, nil], ["k": ["deep": []]]]], ["z": .double(-0.0)],
    ]

    @Test func `every record comes back with its bits, types and absences`() throws {
        var expected: [VectorRecord] = []
        do {
            let store = try open()
            for metric in VectorMetric.allCases { try store.make("kept-\(metric)", 3, metric) }
            expected = payloads.enumerated().map { number, payload in
                VectorRecord(
                    id: ["a", "é", "e\u{301}", "\u{1F600}\n", "x"][number],
                    vector: [0.1, Float(number), .leastNonzeroMagnitude],
                    payload: payload)
            }
            try store.put("kept-dot", expected)
            try store.put("kept-l2", randomRecords(500, dimension: 3, seed: 1))
            _ = try store.delete(DeleteRequest(collection: "kept-l2", ids: (0..<400).map { "r\($0)" }))
            try store.put("kept-l2", randomRecords(5, dimension: 3, seed: 2))
            try store.close()
        }
        let store = try open()
        #expect(try store.listCollections() == ["kept-cosine", "kept-dot", "kept-l2"])
        #expect(try store.describeCollection("kept-l2")?.metric == .l2)
        expected.sort { UTF8Key($0.id) < UTF8Key($1.id) }
        #expect(try store.all("kept-dot") == expected)
        #expect(
            try store.all("kept-dot").map { $0.vector.map(\.bitPattern) }
                == expected.map { $0.vector.map(\.bitPattern) })
        #expect(try store.count(CountRequest(collection: "kept-l2")) == 105)
        #expect(try store.query(QueryRequest(collection: "kept-l2", vector: [0, 0, 0])).count == 10)
        try store.dropCollection("kept-dot")
        try store.make("kept-l2", 2, .dot, mode: .overwrite)
        try store.close()
        let again = try open()
        #expect(try again.listCollections() == ["kept-cosine", "kept-l2"])
        #expect(try again.describeCollection("kept-l2")?.dimension == 2)
        #expect(try again.all("kept-l2").isEmpty)
    }

    @Test func `stores of a process share a directory, and a closed one answers no more`() throws {
        let store = try open()
        expect(.unavailable) { _ = try open(.sq8) }
        try store.make("one", 3)
        let second = try open()
        try second.put("one", [VectorRecord(id: "a", vector: [1, 2, 3])])
        #expect(try store.count(CountRequest(collection: "one")) == 1)
        try store.close()
        try store.close()
        expect(.unavailable) { _ = try store.listCollections() }
        expect(.unavailable) { try store.put("one", []) }
        #expect(try second.count(CountRequest(collection: "one")) == 1)
        try second.close()
        let third = try open(.sq8)
        #expect(try third.listCollections() == ["one"])
        #expect(try third.count(CountRequest(collection: "one")) == 1)
    }

    @Test func `a store that is let go without a close lets go of the directory`() throws {
        for index in [FaissIndexType.flat, .sq8, .flat] {
            let store = try open(index)
            try store.make("let-go", 3, mode: .ensure)
            try store.put("let-go", [VectorRecord(id: "a", vector: [1, 2, 3])])
            try store.make("dropped", 3)
            try store.dropCollection("dropped")
        }
        #expect(try open(.sq8).all("let-go").count == 1)
    }

    @Test func `names stay apart on a file system that knows no case and no normal forms, and are no paths`() throws {
        let names = [
            "abc", "ABC", "aBc", "..", ".", "a/b", "a\\b", "é", "e\u{301}", "con", "a b", "=61bc", "=", "collection-",
            "\n", "*",
        ]
        do {
            let store = try open()
            for (number, name) in names.enumerated() {
                try store.make(name, 2)
                try store.put(name, [VectorRecord(id: "\(number)", vector: [1, 2])])
            }
            try store.close()
        }
        let files = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        // Beside them the lock and the file that says whose directory it is.
        #expect(Set(files.map { $0.lowercased() }).count == names.count + 2)
        let store = try open()
        for (number, name) in names.enumerated() { #expect(try store.all(name).map(\.id) == ["\(number)"]) }
        expect(.invalidCollectionName) { try store.make(String(repeating: "A", count: 100), 2) }
        #expect(try store.describeCollection("nothing") == nil)
    }

    @Test func `a frame that was not written to its end is cut off, at whichever byte`() throws {
        do {
            let store = try open()
            try store.make("torn", 2)
            try store.put("torn", [VectorRecord(id: "kept", vector: [1, 2])])
            try store.close()
        }
        let file = try #require(try directory.files("torn", "rows-").first)
        let whole = try Data(contentsOf: URL(fileURLWithPath: file)).count
        do {
            let store = try open()
            try store.put("torn", [VectorRecord(id: "torn", vector: [3, 4], payload: ["a": "b"])])
            try store.close()
        }
        let full = try Data(contentsOf: URL(fileURLWithPath: file))
        for size in whole..<full.count {
            try full.prefix(size).write(to: URL(fileURLWithPath: file))
            let store = try open()
            #expect(try store.all("torn").map(\.id) == ["kept"])
            try store.put("torn", [VectorRecord(id: "more", vector: [5, 6])])
            try store.close()
            let again = try open()
            #expect(try again.all("torn").map(\.id) == ["kept", "more"])
            try again.close()
        }
        // Room at the end that a power cut left empty.
        try (full.prefix(whole) + Data(count: 500)).write(to: URL(fileURLWithPath: file))
        #expect(try open().all("torn").map(\.id) == ["kept"])
    }

    @Test func `damage anywhere else is corruptedStorage, and stays with its collection`() throws {
        do {
            let store = try open()
            try store.make("hurt", 2)
            try store.make("fine", 2)
            try store.put("hurt", [VectorRecord(id: "a", vector: [1, 2], payload: ["k": [1, 2]])])
            try store.put("hurt", [VectorRecord(id: "b", vector: [1, 2])])
            try store.put("fine", [VectorRecord(id: "a", vector: [1, 2])])
            try store.close()
        }
        let file = try #require(try directory.files("hurt", "rows-").first)
        let whole = try Data(contentsOf: URL(fileURLWithPath: file))
        for place in whole.indices {
            var bytes = whole
            bytes[place] ^= 0x55
            try bytes.write(to: URL(fileURLWithPath: file))
            let store = try open()
            let error = expect(.corruptedStorage) { _ = try store.all("hurt") }
            #expect(error?.collection == "hurt")
            #expect(try store.all("fine").count == 1)
            try store.close()
        }
        let store = try open()
        try store.dropCollection("hurt")
        #expect(try store.listCollections() == ["fine"])
    }

    @Test(arguments: [FaissIndexType.hnsw(m: 8, efConstruction: 20), .ivfFlat(lists: 8, probes: 8), .sq8])
    func `an index is read again, built anew where it is damaged or of another type, and never trusted unchecked`(
        _ type: FaissIndexType
    ) throws {
        let records = randomRecords(2_000, dimension: 8, seed: 9)
        do {
            let store = try open(type)
            try store.make("index", 8)
            try store.put("index", records)
            try store.waitForIndexes()
            try store.close()
        }
        let saved = try #require(try directory.files("index", "index-").first)
        let request = QueryRequest(collection: "index", vector: records[77].vector, options: QueryOptions(topK: 5))
        for place in [3, 9, 20, 30, 45, 60, 100, 5_000, -1] {
            if place >= 0 { try damage(saved) { $0[place] ^= 0xFF } }
            let store = try open(type)
            #expect(try store.query(request).first?.id == "r77")
            try store.waitForIndexes()
            #expect(try store.query(request).first?.id == "r77")
            try store.close()
            // What was damaged was written anew.
            #expect(try directory.files("index", "index-").count == 1)
        }
        try damage(saved) { $0 = $0.prefix(1_000) }
        let store = try open(.hnsw(m: 12, efConstruction: 30))
        #expect(try store.query(request).first?.id == "r77")
        try store.close()
        let flat = try open()
        #expect(try flat.query(request).first?.id == "r77")
        #expect(try flat.all("index").count == 2_000)
    }

    @Test func `a compacted file keeps what was written while it was made`() throws {
        var expected: [String: VectorRecord] = [:]
        do {
            let store = try open(.hnsw(m: 8, efConstruction: 20))
            try store.make("compact", 4)
            var random = Seeded(1)
            for round in 0..<200 {
                let records = (0..<20).map { _ in
                    VectorRecord(
                        id: "r\(Int.random(in: 0..<300, using: &random))", vector: random.vector(4),
                        payload: ["round": .int(Int64(round))])
                }
                try store.put("compact", records)
                for record in records { expected[record.id] = record }
                let gone = "r\(Int.random(in: 0..<300, using: &random))"
                #expect(
                    try store.delete(DeleteRequest(collection: "compact", ids: [gone]))
                        == (expected[gone] == nil ? 0 : 1))
                expected[gone] = nil
            }
            let sorted = expected.values.sorted { $0.id < $1.id }
            #expect(try store.all("compact") == sorted)
            try store.close()
        }
        let files = try directory.files("compact", "rows-")
        #expect(files.count == 1)
        #expect(files.first?.hasSuffix("rows-1.log") == false)
        #expect(try open().all("compact") == expected.values.sorted { $0.id < $1.id })
    }

    @Test func `a directory of somebody else is refused, and nothing in it is touched`() throws {
        let names = ["draft-thesis.docx", "dropped-1", "draft-2", "notes"]
        for name in names {
            let directory = TemporaryDirectory()
            try FileManager.default.createDirectory(atPath: directory.path, withIntermediateDirectories: true)
            try Data("mine".utf8).write(to: URL(fileURLWithPath: directory.path + "/" + name))
            expect(.invalidArgument) { _ = try FaissVectorStore(directory: directory.path) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [name])
        }
    }

    @Test func `what an interrupted call left is removed, and no other file`() throws {
        let left = ["draft-5", "dropped-18446744073709551615"]
        let others = ["draft-thesis.docx", "dropped-", "draft-+5", "draft-05", "draft-18446744073709551616", "notes"]
        try open().close()
        for name in left + others { try Data("mine".utf8).write(to: URL(fileURLWithPath: directory.path + "/" + name)) }
        try open().close()
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(Set(names).intersection(left + others) == Set(others))
    }

    @Test func `only names that the store gives are its files`() throws {
        do {
            let store = try open()
            try store.make("names", 2)
            try store.put("names", [VectorRecord(id: "a", vector: [1, 2])])
            try store.close()
        }
        let folder = directory.path + "/collection-names"
        let others = ["rows-+5.log", "rows-007.log", "rows-18446744073709551615.log", "rows-.log", "draft-thesis.docx"]
        for name in others { try Data("mine".utf8).write(to: URL(fileURLWithPath: folder + "/" + name)) }
        do {
            let store = try open()
            #expect(try store.all("names").map(\.id) == ["a"])
            try store.make("names", 3, mode: .overwrite)
            try store.put("names", [VectorRecord(id: "b", vector: [1, 2, 3])])
            try store.close()
        }
        #expect(try open().all("names").map(\.id) == ["b"])
        for name in others { #expect(FileManager.default.fileExists(atPath: folder + "/" + name), "\(name)") }
    }

    @Test func `a file with the highest number there can be is not followed by another`() throws {
        do {
            let store = try open()
            try store.make("last", 2)
            try store.put("last", [VectorRecord(id: "a", vector: [1, 2])])
            try store.close()
        }
        let file = try #require(try directory.files("last", "rows-").first)
        let folder = directory.path + "/collection-last"
        try FileManager.default.moveItem(atPath: file, toPath: folder + "/rows-18446744073709551614.log")
        let store = try open()
        expect(.corruptedStorage) { try store.make("last", 3, mode: .overwrite) }
        #expect(try store.all("last").map(\.id) == ["a"])
    }

    @Test func `an index over rows that the file has lost is removed, so that it is never taken for one of others`()
        throws
    {
        let type = FaissIndexType.hnsw(m: 8, efConstruction: 20)
        do {
            let store = try open(type)
            try store.make("cut", 8)
            for part in 0..<4 {
                try store.put("cut", Array(randomRecords(2_000, dimension: 8, seed: 9)[part * 500..<(part + 1) * 500]))
            }
            try store.waitForIndexes()
            try store.close()
        }
        let log = try #require(try directory.files("cut", "rows-").first)
        let saved = try #require(try directory.files("cut", "index-").first)
        // Too few rows are left for another one to be saved in its place.
        try damage(log) { $0 = $0.prefix($0.count / 2 - 1_000) }
        let store = try open(type)
        #expect(try store.count(CountRequest(collection: "cut")) == 500)
        try store.waitForIndexes()
        #expect(!FileManager.default.fileExists(atPath: saved))
    }

    @Test func `an index that cannot be saved is an error of those who wait for it`() throws {
        let store = try open(.hnsw(m: 8, efConstruction: 20))
        try store.make("lost", 8)
        try store.put("lost", randomRecords(900, dimension: 8, seed: 9))
        try FileManager.default.removeItem(atPath: directory.path + "/collection-lost")
        try store.put("lost", randomRecords(1_200, dimension: 8, seed: 9))
        expect(.backend) { try store.waitForIndexes() }
        #expect(try store.query(QueryRequest(collection: "lost", vector: .init(repeating: 1, count: 8))).count == 10)
        let error = expect(.backend) { try store.close() }
        #expect(error?.collection == "lost")
    }

    @Test func `a close does not wait for an index that is being built`() throws {
        do {
            let store = try open()
            try store.make("slow", 64)
            try store.put("slow", randomRecords(12_000, dimension: 64, seed: 9))
            try store.close()
        }
        let store = try open(.hnsw(m: 64, efConstruction: 1_000))
        #expect(try store.count(CountRequest(collection: "slow")) == 12_000)
        let slot = store.catalogue.contents.withLock { $0.slots[UTF8Key("slow")] }
        let collection = try #require(slot?.collection)
        try store.close()
        // One that had waited would find the index complete.
        #expect(collection.state.read { $0.indexed } < 12_000)
        #expect(try open().count(CountRequest(collection: "slow")) == 12_000)
    }

    @Test(arguments: [0.5, 0.95])
    func `a saved index over a part of the rows is brought up to all of them`(_ share: Double) throws {
        let type = FaissIndexType.hnsw(m: 8, efConstruction: 20)
        let records = randomRecords(4_000, dimension: 8, seed: 9)
        let part = Int(4_000 * share)
        do {
            let store = try open(type)
            try store.make("part", 8)
            try store.put("part", Array(records[..<part]))
            try store.waitForIndexes()
            try store.close()
        }
        do {
            let store = try open()
            try store.put("part", Array(records[part...]))
            try store.close()
        }
        #expect(try directory.files("part", "index-").count == 1)
        let store = try open(type)
        #expect(try store.count(CountRequest(collection: "part")) == 4_000)
        try store.waitForIndexes()
        let slot = store.catalogue.contents.withLock { $0.slots[UTF8Key("part")] }
        #expect(slot?.collection?.state.read { $0.indexed } == 4_000)
        // The file was used, and not made anew before it was worth it.
        #expect(slot?.collection?.writer.withLock { $0.savedRows } == (share < 0.6 ? 4_000 : part))
    }

    @Test func `stores that only read share a directory and change nothing in it`() throws {
        let records = randomRecords(1_500, dimension: 8, seed: 9)
        let configuration = FaissConfiguration(index: .hnsw(m: 8, efConstruction: 20))
        do {
            let store = try FaissVectorStore(directory: directory.path, configuration: configuration)
            try store.make("read", 8)
            try store.put("read", records)
            try store.waitForIndexes()
            try store.close()
        }
        // The beginning of a frame that was never finished, and a damaged index: a store that writes would remove both.
        try damage(try #require(try directory.files("read", "rows-").first)) { $0 += Data([0x31]) }
        try damage(try #require(try directory.files("read", "index-").first)) { $0[5_000] ^= 1 }
        func contents() throws -> [String: Data] {
            var contents: [String: Data] = [:]
            for name in try FileManager.default.subpathsOfDirectory(atPath: directory.path) {
                contents[name] = FileManager.default.contents(atPath: directory.path + "/" + name)
            }
            return contents
        }
        let before = try contents()
        let reader = try FaissVectorStore(directory: directory.path, configuration: configuration, readOnly: true)
        let second = try FaissVectorStore(directory: directory.path, configuration: configuration, readOnly: true)
        for store in [reader, second] {
            let request = QueryRequest(collection: "read", vector: records[77].vector)
            #expect(try store.query(request).first?.id == "r77")
            try store.waitForIndexes()
            #expect(try store.query(request).first?.id == "r77")
            try store.make("read", 8, mode: .ensure)
            expect(.collectionAlreadyExists) { try store.make("read", 8) }
            expect(.unauthorized) { try store.make("read", 8, mode: .overwrite) }
            expect(.unauthorized) { try store.make("more", 8) }
            expect(.unauthorized) { try store.put("read", records) }
            expect(.unauthorized) { _ = try store.delete(DeleteRequest(collection: "read", ids: ["r1"])) }
            expect(.unauthorized) {
                _ = try store.deleteMatching(DeleteMatchingRequest(collection: "read", filter: .exists("number")))
            }
            expect(.unauthorized) { try store.dropCollection("read") }
        }
        expect(.unavailable) {
            _ = try FaissVectorStore(directory: directory.path, configuration: configuration)
        }
        try reader.close()
        try second.close()
        #expect(try contents() == before)
        let nowhere = directory.path + "-none"
        expect(.unavailable) { _ = try FaissVectorStore(directory: nowhere, readOnly: true) }
        #expect(!FileManager.default.fileExists(atPath: nowhere))
        let writer = try FaissVectorStore(directory: directory.path, configuration: configuration)
        #expect(try writer.count(CountRequest(collection: "read")) == 1_500)
    }
}
#endif
