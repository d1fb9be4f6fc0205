#if Faiss
import Foundation
import MiniORM
import Synchronization
import TestSupport
import Testing

@testable import MiniORMFaiss

/// Calls that meet while collections come and go and stores are closed.
@Suite struct ConcurrencyTests {
    /// Runs the bodies on threads of their own, and waits for all.
    private func atOnce(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) {
        let ready = DispatchSemaphore(value: 0)
        let failures = Mutex<[String]>([])
        for number in 0..<count {
            Thread.detachNewThread {
                do { try body(number) } catch { failures.withLock { $0.append("\(number): \(error)") } }
                ready.signal()
            }
        }
        for _ in 0..<count { ready.wait() }
        #expect(failures.withLock { $0 } == [])
    }

    /// What a call may find when the store is being closed under it.
    private func unlessClosed(_ body: () throws -> Void) throws -> Bool {
        do {
            try body()
            return true
        } catch VectorStoreError.Code.unavailable { return false }
    }

    @Test func `a write that returned while the store was closed is there afterwards`() throws {
        for round in 0..<40 {
            let directory = TemporaryDirectory()
            let store = try FaissVectorStore(
                directory: directory.path, configuration: FaissConfiguration(waitsForDisk: false))
            try store.make("closing", 2)
            let acknowledged = Mutex<[String]>([])
            atOnce(4) { thread in
                guard thread > 0 else {
                    for _ in 0..<round * 50 { _ = try? store.count(CountRequest(collection: "closing")) }
                    return try store.close()
                }
                var number = 0
                while try self.unlessClosed({
                    try store.put("closing", [VectorRecord(id: "\(thread) \(number)", vector: [1, 2])])
                }) {
                    acknowledged.withLock { $0.append("\(thread) \(number)") }
                    number += 1
                }
            }
            let again = try FaissVectorStore(directory: directory.path)
            let kept = Set(try again.all("closing").map(\.id))
            #expect(acknowledged.withLock { $0.allSatisfy(kept.contains) })
        }
    }

    @Test func `a collection made while the store was closed is there afterwards`() throws {
        for _ in 0..<40 {
            let directory = TemporaryDirectory()
            let store = try FaissVectorStore(directory: directory.path)
            let made = Mutex<[String]>([])
            atOnce(3) { thread in
                guard thread > 0 else { return try store.close() }
                for number in 0..<20 {
                    guard try self.unlessClosed({ try store.make("made-\(thread)-\(number)", 2) }) else { return }
                    made.withLock { $0.append("made-\(thread)-\(number)") }
                }
            }
            let names = Set(try FaissVectorStore(directory: directory.path).listCollections())
            #expect(made.withLock { $0.allSatisfy(names.contains) })
        }
    }

    @Test func `a collection that is dropped and made again while others open it has one file and one writer`() throws {
        for _ in 0..<60 {
            let directory = TemporaryDirectory()
            do {
                let store = try FaissVectorStore(directory: directory.path)
                try store.make("again", 2)
                try store.put("again", (0..<200).map { VectorRecord(id: "old \($0)", vector: [1, 2]) })
                try store.close()
            }
            // Nobody has opened the collection yet.
            let store = try FaissVectorStore(
                directory: directory.path, configuration: FaissConfiguration(waitsForDisk: false))
            let written = Mutex<[String]>([])
            let isMade = Atomic(false)
            atOnce(4) { thread in
                if thread == 0 {
                    try store.dropCollection("again")
                    try store.make("again", 2)
                    isMade.store(true, ordering: .sequentiallyConsistent)
                }
                for number in 0..<20 {
                    let id = "new \(thread) \(number)"
                    let before = isMade.load(ordering: .sequentiallyConsistent)
                    do { try store.put("again", [VectorRecord(id: id, vector: [1, 2])]) } catch {
                        guard (error as? VectorStoreError)?.code == .collectionNotFound, !before else { throw error }
                        continue
                    }
                    if before { written.withLock { $0.append(id) } }
                }
            }
            let expected = try store.all("again").map(\.id)
            #expect(written.withLock { $0.allSatisfy(expected.contains) })
            try store.close()
            #expect(try FaissVectorStore(directory: directory.path).all("again").map(\.id) == expected)
        }
    }

    @Test func `collections come and go under calls, which answer or say that there is none`() throws {
        let directory = TemporaryDirectory()
        let store = try FaissVectorStore(
            directory: directory.path,
            configuration: FaissConfiguration(index: .hnsw(m: 8, efConstruction: 20), waitsForDisk: false))
        atOnce(6) { thread in
            var random = Seeded(UInt64(thread))
            for round in 0..<60 {
                let name = "busy-\(Int.random(in: 0..<3, using: &random))"
                do {
                    switch Int.random(in: 0..<8, using: &random) {
                    case 0: try store.dropCollection(name)
                    case 1: try store.make(name, 4, mode: .overwrite)
                    case 2, 3: try store.make(name, 4, mode: .ensure)
                    case 4, 5: try store.put(name, randomRecords(40, dimension: 4, seed: UInt64(round)))
                    case 6:
                        let query = QueryRequest(collection: name, vector: random.vector(4))
                        let answers = try store.query(query)
                        #expect([0, 10].contains(answers.count))
                    default: _ = try store.describeCollection(name)
                    }
                } catch VectorStoreError.Code.collectionNotFound {}
            }
        }
        var expected: [String: [VectorRecord]] = [:]
        for name in try store.listCollections() { expected[name] = try store.all(name) }
        try store.close()
        let again = try FaissVectorStore(directory: directory.path)
        #expect(try again.listCollections() == expected.keys.sorted())
        for (name, records) in expected { #expect(try again.all(name) == records) }
    }

    @Test func `a call that has its collection when the store is closed says so`() throws {
        for path in [nil, TemporaryDirectory().path] {
            let place = FaissCollection.Place(
                configuration: FaissConfiguration(),
                directory: path.map { CollectionDirectory(path: $0) }, lock: nil,
                maintenance: DispatchQueue(label: "test"))
            if let path { try Files.makeDirectory(path) }
            let description = CollectionDescription(name: "held", dimension: 2, metric: .l2)
            let collection = try FaissCollection(creating: description, IndexPlan(.flat), place)
            try collection.upsert([VectorRecord(id: "a", vector: [1, 2])])
            try collection.close()
            expect(.unavailable) { try collection.upsert([VectorRecord(id: "b", vector: [1, 2])]) }
            expect(.unavailable) { _ = try collection.query([[1, 2]], QueryOptions()) }
            expect(.unavailable) { _ = try collection.delete(["a"]) }
            expect(.unavailable) { try collection.reset(description) }
            if let path { Files.remove(path) }
        }
    }

    @Test(arguments: [FaissIndexType.flat, .ivfFlat(lists: 16, probes: 4), .hnsw(m: 16), .sq8])
    func `batches at once answer as one after the other`(_ type: FaissIndexType) throws {
        let store = try FaissVectorStore(configuration: FaissConfiguration(index: type))
        try store.make("batches", 16)
        try store.put("batches", randomRecords(6_000, dimension: 16, seed: 1))
        try store.waitForIndexes()
        let requests = (0..<8).map { number in
            var random = Seeded(UInt64(number + 100))
            return QueryBatchRequest(collection: "batches", vectors: (0..<30).map { _ in random.vector(16) })
        }
        let expected = try requests.map { try store.queryBatch($0) }
        atOnce(8) { number in
            for _ in 0..<5 {
                let answers = try store.queryBatch(requests[number])
                #expect(answers == expected[number])
            }
        }
    }

    @Test func `a call that looked its collection up before it was dropped does not open another of the name`() throws {
        let directory = TemporaryDirectory()
        do {
            let store = try FaissVectorStore(directory: directory.path)
            try store.make("name", 2)
            try store.close()
        }
        let store = try FaissVectorStore(directory: directory.path)
        let (slot, files) = store.catalogue.contents.withLock { ($0.slots[UTF8Key("name")], $0.directory) }
        try store.dropCollection("name")
        try store.make("name", 2)
        #expect(try store.open("name", #require(slot), files) == nil)
    }

    @Test func `helpers are bounded whatever the number of calls`() throws {
        FaissThreads.set(3)
        defer { FaissThreads.set(2) }
        let store = try FaissVectorStore(configuration: FaissConfiguration(index: .hnsw(m: 16)))
        try store.make("threads", 32)
        try store.put("threads", randomRecords(5_000, dimension: 32, seed: 1))
        try store.waitForIndexes()
        let isOver = Atomic(false)
        let most = Atomic(0)
        let watching = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            while !isOver.load(ordering: .relaxed) {
                most.max(FaissThreads.helpers, ordering: .relaxed)
            }
            watching.signal()
        }
        atOnce(6) { number in
            var random = Seeded(UInt64(number))
            for size in [1, 2, 50, 200] {
                let queries = (0..<size).map { _ in random.vector(32) }
                _ = try store.queryBatch(QueryBatchRequest(collection: "threads", vectors: queries))
            }
        }
        isOver.store(true, ordering: .relaxed)
        watching.wait()
        #expect((1...2).contains(most.load(ordering: .relaxed)))
    }

    @Test func `without a number set the environment's counts, and else the processors that there are`() {
        func initial(_ openMP: String?, _ openBLAS: String?) -> Int {
            FaissThreads.initial(processors: 6) {
                ["OMP_NUM_THREADS": openMP, "OPENBLAS_NUM_THREADS": openBLAS][$0] ?? nil
            }
        }
        #expect(initial(nil, nil) == 6)
        #expect(initial("4", nil) == 4)
        #expect(initial("3, 2", "5") == 3)
        #expect(initial(nil, "1") == 1)
        for text in ["", "0", "-3", "many", "99999999999999999999"] { #expect(initial(text, nil) == 6) }
    }
}
#endif
