import Dispatch
import Synchronization
import Testing

@testable import MiniORM

/// Records are found by id while many are written: before or after, never in between, and never after a long wait.
@Suite struct IdPublishingTests {
    @Test func aLargeUpsertIsSeenWholeByThoseWhoFetch() throws {
        let collection = InMemoryCollection(CollectionDescription(name: "c", dimension: 1, metric: .dot))
        let count = 50_000
        func write(_ generation: Int) throws {
            try collection.upsert(
                (0..<count).map { VectorRecord(id: "r\($0)", vector: [Float(generation)], payload: nil) })
        }
        try write(0)
        let seen = Mutex<Set<[Float]>>([])
        let isOver = Mutex(false)
        let readers = DispatchGroup()
        let queue = DispatchQueue(label: "readers", attributes: .concurrent)
        let ids = [0, 7, count / 2, count - 1].map { "r\($0)" }
        for _ in 0..<2 {
            queue.async(group: readers) {
                while !isOver.withLock({ $0 }) {
                    let found = (try? collection.fetch(ids)) ?? []
                    _ = seen.withLock { $0.insert(found.map { $0.vector[0] }) }
                }
            }
        }
        // The table is copied for as many changes, made anew where it has to grow, and changed in place for few.
        for generation in 1..<4 { try write(generation) }
        try collection.upsert((0..<count).map { VectorRecord(id: "s\($0)", vector: [9], payload: nil) })
        #expect(try collection.delete((0..<count - 3).map { "s\($0)" }) == count - 3)
        try collection.upsert([VectorRecord(id: "t", vector: [5], payload: nil)])
        isOver.withLock { $0 = true }
        readers.wait()
        #expect(seen.withLock { $0.allSatisfy { $0.count == 4 && Set($0).count == 1 } })
        #expect(collection.snapshot.liveCount == count + 4)
        for (id, value) in [("r0", 3), ("r\(count - 1)", 3), ("s\(count - 1)", 9), ("t", 5)] as [(String, Float)] {
            #expect(try collection.fetch([id]).map(\.vector) == [[value]])
        }
        #expect(try collection.fetch(["s0", "s\(count - 4)"]).isEmpty)
    }
}
