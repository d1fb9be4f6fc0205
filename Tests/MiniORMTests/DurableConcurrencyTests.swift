import Dispatch
import Foundation
import Synchronization
import Testing

@testable import MiniORM

/// Writers, readers and checkpoints at the same time.
@Suite struct DurableConcurrencyTests {
    typealias Random = InMemoryStoreTests.Random

    /// Runs bodies on threads of their own, and waits for them.
    static func together(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
        let threads = (0..<count).map { index in
            let done = DispatchSemaphore(value: 0)
            let thread = Thread {
                body(index)
                done.signal()
            }
            thread.start()
            return done
        }
        for done in threads { done.wait() }
    }

    /// Writers of two collections, with checkpoints in between, until the power is cut: what any of them was told is
    /// there, and of what was going on, whole calls.
    @Test(arguments: 0..<12) func writersThatShareTheDiskKeepWhatTheyWereTold(seed: UInt64) throws {
        var random = Random(state: seed)
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk)
        for name in ["a", "b"] {
            let description = CollectionDescription(name: name, dimension: 2, metric: .dot)
            try store.createCollection(CreateCollectionRequest(collection: description))
        }
        let dying = Int.random(in: 20...1500, using: &random)
        disk.fail { number, _ in number == dying ? .die : nil }
        let writers = 6
        let acknowledged = Mutex([Int](repeating: 0, count: writers))
        Self.together(writers + 1) { writer in
            guard writer < writers else {
                while (try? store.checkpoint()) != nil {}
                return
            }
            // Each call replaces the writer's ten records, so that a part of a call would show.
            for call in 1... {
                let records = (0..<10).map {
                    VectorRecord(id: "\(writer)-\($0)", vector: [Float(call), 1], payload: ["call": .int(Int64(call))])
                }
                let request = UpsertRequest(collection: writer % 2 == 0 ? "a" : "b", records: records)
                guard (try? store.upsert(request)) != nil else { return }
                acknowledged.withLock { $0[writer] = call }
            }
        }
        for after in [disk.afterKill(), disk.afterPowerCut(&random), disk.afterPowerCut(&random)] {
            let opened = try InMemoryVectorStore(at: "d", on: after)
            for writer in 0..<writers {
                let request = FetchRequest(
                    collection: writer % 2 == 0 ? "a" : "b", ids: (0..<10).map { "\(writer)-\($0)" })
                let calls = try opened.fetch(request).map { Int($0.vector[0]) }
                let told = acknowledged.withLock { $0[writer] }
                #expect(Set(calls).count <= 1 && (calls.isEmpty || calls.count == 10))
                #expect((told...told + 1).contains(calls.first ?? 0), "writer \(writer)")
            }
        }
    }

    /// Calls that come in while the disk is busy share the next wait for it.
    @Test func manyWritersWaitForTheDiskTogether() throws {
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk)
        try store.createCollection(DurableStoreTests.collection)
        let waits = Mutex(0)
        disk.fail { _, what in
            if what == "synchronize" {
                waits.withLock { $0 += 1 }
                usleep(2000)
            }
            return nil
        }
        Self.together(16) { writer in
            for call in 0..<10 {
                let record = VectorRecord(id: "\(writer) \(call)", vector: [1, 2, 3, 4, 5])
                try? store.upsert(UpsertRequest(collection: "c", records: [record]))
            }
        }
        #expect(try store.count(CountRequest(collection: "c")) == 160)
        #expect(waits.withLock { $0 } < 120)
    }

    /// With the other policies the disk is waited for later; what the process has written is there after a kill.
    @Test(arguments: [Durability.Synchronization.never, .every(.milliseconds(1)), .every(.seconds(3600))])
    func policiesThatWaitLaterLoseNothingToAKill(policy: Durability.Synchronization) throws {
        var random = Random(state: 5)
        let disk = SimulatedDisk()
        var durability = Durability()
        durability.synchronization = policy
        let store = try InMemoryVectorStore(at: "d", on: disk, durability: durability)
        let model = ModelVectorStore()
        var states: [[String: [VectorRecord]]] = [[:]]
        for number in 0..<DurableFaultTests.count {
            try DurableFaultTests.call(number, store)
            try DurableFaultTests.call(number, model)
            states.append(try DurableFaultTests.contents(model))
        }
        #expect(try DurableFaultTests.contents(InMemoryVectorStore(at: "d", on: disk.afterKill())) == states.last)
        // A power cut costs the last calls and leaves those before them.
        for _ in 0..<20 {
            let opened = try InMemoryVectorStore(at: "d", on: disk.afterPowerCut(&random))
            let found = try DurableFaultTests.contents(opened)
            #expect(states.contains(found))
        }
        if policy == .every(.milliseconds(1)) {
            // The disk has it all before long.
            while true {
                let opened = try InMemoryVectorStore(at: "d", on: disk.afterPowerCut(&random))
                if try DurableFaultTests.contents(opened) == states.last { break }
            }
        }
    }

    /// The log is kept short by checkpoints that nobody asked for, while others write and read.
    @Test func checkpointsAreMadeByThemselves() throws {
        let folder = try SavingTests.Folder()
        var durability = Durability()
        durability.checkpointBytes = 1 << 16
        durability.synchronization = .never
        let store = try InMemoryVectorStore(at: folder.path("s"), durability: durability)
        let description = CollectionDescription(name: "c", dimension: 64, metric: .cosine)
        try store.createCollection(CreateCollectionRequest(collection: description))
        let isDone = Atomic(false)
        Self.together(4) { thread in
            if thread == 3 {
                while !isDone.load(ordering: .relaxed) {
                    let found = try? store.query(
                        QueryRequest(collection: "c", vector: [Float](repeating: 1, count: 64)))
                    #expect(found != nil)
                }
                return
            }
            for call in 0..<100 {
                let records = (0..<20).map {
                    VectorRecord(
                        id: "\(thread) \(call % 30) \($0)", vector: (0..<64).map { Float($0 + call) },
                        payload: ["call": .int(Int64(call))])
                }
                #expect(throws: Never.self) { try store.upsert(UpsertRequest(collection: "c", records: records)) }
            }
            isDone.store(true, ordering: .relaxed)
        }
        let expected = try DurableStoreTests.sorted(store)
        #expect(expected.count == 1800)
        try store.close()
        // Without checkpoints the log would have two megabytes.
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path("s"))
        let sizes = try names.filter { $0.hasPrefix("log-") }
            .map { try Data(contentsOf: URL(fileURLWithPath: folder.path("s/" + $0))).count }
        #expect(sizes.reduce(0, +) < 1 << 20)
        let opened = try InMemoryVectorStore(at: folder.path("s"))
        #expect(try DurableStoreTests.sorted(opened) == expected)
    }
}
