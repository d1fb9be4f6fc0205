import Dispatch
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import MiniORM

/// Disks that fail more than once, under every policy and many writers: what was acknowledged stays, and nothing that
/// comes after a call that is lost.
@Suite struct DurableFailureTests {
    typealias Random = InMemoryStoreTests.Random
    typealias Contents = [String: [VectorRecord]]

    static func durability(_ synchronization: Durability.Synchronization) -> Durability {
        var durability = Durability()
        durability.synchronization = synchronization
        return durability
    }

    /// What is there after calls.
    static func contents(after calls: [Int]) throws -> Contents {
        let model = ModelVectorStore()
        for number in calls { try DurableFaultTests.call(number, model) }
        return try DurableFaultTests.contents(model)
    }

    /// A synchronization fails, and then the process or the power ends anywhere in the call after it: before, in and
    /// after the checkpoint that comes first.
    @Test(arguments: [Durability.Synchronization.always, .every(.seconds(3600)), .never])
    func anEndInTheCheckpointAfterAFailureLosesNothing(policy: Durability.Synchronization) throws {
        var random = Random(state: 21)
        let before = 4
        var ends = 0
        for failing in 1... {
            let disk = SimulatedDisk()
            let store = try InMemoryVectorStore(at: "d", on: disk, durability: Self.durability(policy))
            for number in 0..<before { try DurableFaultTests.call(number, store) }
            // The disk refuses once, for a checkpoint or for a call.
            let isRefused = Atomic(false)
            disk.fail { _, what in
                what == "synchronize" && !isRefused.exchange(true, ordering: .relaxed) ? .refuse(EIO) : nil
            }
            #expect(throws: VectorStoreError.self) {
                if policy == .always { try DurableFaultTests.call(5, store) } else { try store.checkpoint() }
            }
            disk.fail { number, _ in number == failing ? .die : nil }
            let isAcknowledged = (try? DurableFaultTests.call(8, store)) != nil
            let kept = Array(0..<before)
            // What was acknowledged, and perhaps the one call that was not.
            var allowed = [kept + [8]]
            if !isAcknowledged { allowed += [kept, kept + [5]] }
            let states = try allowed.map(Self.contents)
            for round in 0..<5 {
                let found = try DurableFaultTests.contents(InMemoryVectorStore(at: "d", on: disk.afterKill()))
                let isRight = states.contains(found)
                #expect(isRight, "killed at call \(failing), \(policy)")
                let after = try DurableFaultTests.contents(
                    InMemoryVectorStore(at: "d", on: disk.afterPowerCut(&random)))
                let prefixes = policy == .always ? [] : try (0...before).map { try Self.contents(after: Array(0..<$0)) }
                let isPrefix = (states + prefixes).contains(after)
                #expect(isPrefix, "power cut at call \(failing), \(policy), round \(round)")
            }
            ends += 1
            if disk.calls < failing { break }
        }
        #expect(ends > 10)
    }

    /// Calls of which several fail, in ranges and here and there, under each policy, until the process or the power ends.
    /// After each failure the store reads on and goes on; after a kill all is there that was acknowledged, and after a
    /// power cut a beginning of it.
    @Test(arguments: 0..<24) func aDiskThatFailsNowAndThen(seed: UInt64) throws {
        var random = Random(state: seed)
        let policy = [Durability.Synchronization.always, .every(.milliseconds(1)), .never][Int(seed) % 3]
        for _ in 0..<4 {
            let disk = SimulatedDisk()
            let store = try InMemoryVectorStore(at: "d", on: disk, durability: Self.durability(policy))
            let start = Int.random(in: 0..<100, using: &random)
            let failing = Set(
                (start..<start + Int.random(in: 0..<20, using: &random)).map { $0 }
                    + (0..<Int.random(in: 0..<9, using: &random)).map { _ in Int.random(in: 0..<150, using: &random) })
            let dying = Int.random(in: 10..<300, using: &random)
            let tears = Bool.random(using: &random)
            disk.fail { number, what in
                if number == dying { return .die }
                guard failing.contains(number) else { return nil }
                return tears && what == "write" ? .tear(ENOSPC) : .refuse(EIO)
            }
            var done: [Int] = []
            var present: Contents = [:]
            // All states that there have been, and those with a call that failed.
            var states: [Contents] = [[:]]
            var last: [Contents] = [[:]]
            for number in 0..<DurableFaultTests.count {
                if number % 5 == 4 { try? store.checkpoint() }
                for _ in 0..<3 {
                    do {
                        try DurableFaultTests.call(number, store)
                        done.append(number)
                        present = try Self.contents(after: done)
                        last = [present]
                        states += last
                        break
                    } catch {
                        let code = (error as? VectorStoreError)?.code
                        if code == .collectionNotFound { break }
                        #expect(code == .unavailable || code == .backend, "\(error)")
                        last.append(try Self.contents(after: done + [number]))
                        states.append(last[last.count - 1])
                        let isAsBefore = try DurableFaultTests.contents(store) == present
                        #expect(isAsBefore)
                    }
                }
            }
            let what = Comment("\(policy), failing \(failing.sorted()), ending at \(dying)")
            let killed = try DurableFaultTests.contents(InMemoryVectorStore(at: "d", on: disk.afterKill()))
            let isRight = last.contains(killed)
            #expect(isRight, what)
            for _ in 0..<3 {
                let opened = try InMemoryVectorStore(at: "d", on: disk.afterPowerCut(&random))
                let found = try DurableFaultTests.contents(opened)
                let isState = (policy == .always ? last : states).contains(found)
                #expect(isState, what)
                // It can be written to.
                try opened.createCollection(DurableStoreTests.collection)
                try DurableFaultTests.call(1, opened)
                try opened.checkpoint()
            }
        }
    }

    /// Writers that wait for one synchronization, which fails; one of them tries again at once, and the power is cut in
    /// the checkpoint that this begins with. Whoever was told that a call is kept finds it afterwards.
    @Test(arguments: 1..<24) func aFailureIsAFailureForAllThatWait(ending: Int) throws {
        var random = Random(state: UInt64(ending))
        for round in 0..<6 {
            let disk = SimulatedDisk()
            let store = try InMemoryVectorStore(at: "d", on: disk)
            let writers = 6
            @Sendable func upsert(_ writer: Int, _ call: Int) throws {
                let record = VectorRecord(id: "r", vector: [Float(call), 1])
                try store.upsert(UpsertRequest(collection: "writer-\(writer)", records: [record]))
            }
            for writer in 0..<writers {
                let description = CollectionDescription(name: "writer-\(writer)", dimension: 2, metric: .dot)
                try store.createCollection(CreateCollectionRequest(collection: description))
            }
            let failedAt = Mutex<Int?>(nil)
            disk.fail { number, what in
                failedAt.withLock { failedAt in
                    if let failedAt { return number == failedAt + ending ? .die : nil }
                    guard what == "synchronize" else { return nil }
                    failedAt = number
                    return .refuse(EIO)
                }
            }
            // Until all have written.
            disk.pause { what in if what == "synchronize", failedAt.withLock({ $0 == nil }) { usleep(3000) } }
            let acknowledged = Mutex([Int](repeating: 0, count: writers))
            DurableConcurrencyTests.together(writers) { writer in
                // Then again, as long as there is power.
                for call in 1...3 where (try? upsert(writer, call)) != nil {
                    acknowledged.withLock { $0[writer] = call }
                }
            }
            for _ in 0..<3 {
                let opened = try InMemoryVectorStore(at: "d", on: disk.afterPowerCut(&random))
                for writer in 0..<writers {
                    let told = acknowledged.withLock { $0[writer] }
                    let found = try opened.fetch(FetchRequest(collection: "writer-\(writer)", ids: ["r"])).first
                    #expect(Int(found?.vector[0] ?? 0) >= told, "writer \(writer), round \(round)")
                }
            }
        }
    }

    /// Writers on a disk whose calls fail again and again, in any order: what they were told is there after a power cut.
    @Test(arguments: 0..<8) func manyWritersOnADiskThatFailsNowAndThen(seed: UInt64) throws {
        var random = Random(state: seed)
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk)
        let writers = 6
        for name in 0..<writers {
            let description = CollectionDescription(name: "writer-\(name)", dimension: 2, metric: .dot)
            try store.createCollection(CreateCollectionRequest(collection: description))
        }
        let generator = Mutex(Random(state: seed + 100))
        let period = Int.random(in: 3...9, using: &random)
        let ending = Int.random(in: 100...800, using: &random)
        disk.fail { number, what in
            if number == ending { return .die }
            guard what == "synchronize" || (seed % 2 == 1 && (what == "truncate" || what == "write")) else {
                return nil
            }
            let fails = generator.withLock { Int.random(in: 0..<period, using: &$0) == 0 }
            return fails ? what == "write" ? .tear(ENOSPC) : .refuse(EIO) : nil
        }
        let acknowledged = Mutex([Int](repeating: 0, count: writers))
        DurableConcurrencyTests.together(writers) { writer in
            for call in 1...30 {
                let record = VectorRecord(id: "r", vector: [Float(call), 1])
                let request = UpsertRequest(collection: "writer-\(writer)", records: [record])
                if (try? store.upsert(request)) != nil { acknowledged.withLock { $0[writer] = call } }
            }
        }
        for _ in 0..<4 {
            let opened = try InMemoryVectorStore(at: "d", on: disk.afterPowerCut(&random))
            for writer in 0..<writers {
                let told = acknowledged.withLock { $0[writer] }
                let found = try opened.fetch(FetchRequest(collection: "writer-\(writer)", ids: ["r"])).first
                #expect(Int(found?.vector[0] ?? 0) >= told, "writer \(writer)")
            }
        }
    }

    /// Where nobody writes any more, a synchronization that failed is made up for all the same.
    @Test func aFailureInTheBackgroundIsMadeUpFor() throws {
        var random = Random(state: 4)
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(
            at: "d", on: disk, durability: Self.durability(.every(.milliseconds(1))))
        let isRefused = Atomic(false)
        disk.fail { _, what in
            what == "synchronize" && !isRefused.exchange(true, ordering: .relaxed) ? .refuse(EIO) : nil
        }
        try DurableFaultTests.call(0, store)
        // On a busy machine the failure comes before this call, which is told of it; the next one goes on.
        do { try DurableFaultTests.call(1, store) } catch let error as VectorStoreError where error.code == .unavailable
        {
            try DurableFaultTests.call(1, store)
        }
        let expected = try DurableFaultTests.contents(store)
        for _ in 0..<200 {
            let opened = try InMemoryVectorStore(at: "d", on: disk.afterPowerCut(&random))
            if try DurableFaultTests.contents(opened) == expected { return }
            usleep(20_000)
        }
        Issue.record("the disk never had it")
    }

    /// A checkpoint that has made up for a failure leaves nothing for `close()` to complain of.
    @Test func aStoreWhoseFailureWasMadeUpForCloses() throws {
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk, durability: Self.durability(.always))
        for number in 0..<4 { try DurableFaultTests.call(number, store) }
        let isRefused = Atomic(false)
        disk.fail { _, what in
            what == "synchronize" && !isRefused.exchange(true, ordering: .relaxed) ? .refuse(EIO) : nil
        }
        #expect(throws: VectorStoreError.self) { try DurableFaultTests.call(5, store) }
        try store.checkpoint()
        try store.close()
    }

    /// A process is killed after a synchronization failed: the next one reads what the disk may never have, and does not
    /// put anything behind it.
    @Test(arguments: [Durability.Synchronization.always, .never])
    func whatTheDiskMayNotHaveIsWrittenAnewAfterAKill(policy: Durability.Synchronization) throws {
        var random = Random(state: 5)
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk, durability: Self.durability(.never))
        for number in 0..<4 { try DurableFaultTests.call(number, store) }
        disk.fail { _, what in what == "synchronize" ? .refuse(EIO) : nil }
        expect(.backend) { try store.checkpoint() }
        let next = disk.afterKill()
        let opened = try InMemoryVectorStore(at: "d", on: next, durability: Self.durability(policy))
        try DurableFaultTests.call(5, opened)
        let expected = try DurableFaultTests.contents(opened)
        #expect(try expected == Self.contents(after: [0, 1, 2, 3, 5]))
        #expect(try DurableFaultTests.contents(InMemoryVectorStore(at: "d", on: next.afterKill())) == expected)
        for _ in 0..<10 {
            let found = try DurableFaultTests.contents(InMemoryVectorStore(at: "d", on: next.afterPowerCut(&random)))
            let kept = try found == Self.contents(after: [0, 1, 2, 3])
            #expect(found == expected || (policy == .never && kept))
        }
    }

    /// Writers that find the log too long, or the disk failed, wait for one checkpoint and do not each make one.
    @Test func oneCheckpointIsEnoughForAllThatWait() throws {
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk, durability: Self.durability(.never))
        for number in 0..<4 { try DurableFaultTests.call(number, store) }
        disk.fail { _, what in what == "synchronize" ? .refuse(EIO) : nil }
        expect(.backend) { try store.checkpoint() }
        let renames = Mutex(0)
        disk.fail { _, what in
            if what == "rename" { renames.withLock { $0 += 1 } }
            return nil
        }
        // All of them are there before the first checkpoint is done.
        disk.pause { what in if what == "rename" { usleep(200_000) } }
        DurableConcurrencyTests.together(8) { writer in
            let record = VectorRecord(id: "\(writer)", vector: [1, 2, 3, 4, 5])
            #expect(throws: Never.self) {
                try store.upsert(UpsertRequest(collection: "c", records: [record]))
            }
        }
        #expect(renames.withLock { $0 } == 1)
    }

    /// The same where writers are faster than checkpoints.
    @Test func oneCheckpointShortensTheLogForAll() throws {
        let disk = SimulatedDisk()
        var durability = Self.durability(.never)
        durability.checkpointBytes = 1
        let store = try InMemoryVectorStore(at: "d", on: disk, durability: durability)
        let description = CollectionDescription(name: "c", dimension: 1 << 16, metric: .dot)
        try store.createCollection(CreateCollectionRequest(collection: description))
        let renames = Mutex(0)
        disk.fail { _, what in
            if what == "rename" { renames.withLock { $0 += 1 } }
            return nil
        }
        disk.pause { what in if what == "create" { usleep(200_000) } }
        DurableConcurrencyTests.together(6) { writer in
            let records = [0, 1].map {
                VectorRecord(id: "\(writer) \($0)", vector: [Float](repeating: 1, count: 1 << 16))
            }
            #expect(throws: Never.self) {
                try store.upsert(UpsertRequest(collection: "c", records: records))
            }
        }
        #expect((1...3).contains(renames.withLock { $0 }))
    }

    /// A checkpoint that fails before its manifest is the one that counts takes no room, and the log gets no file for each.
    @Test func aCheckpointThatFailsLeavesNoFile() throws {
        var (failures, removals) = (0, 0)
        for failing in 1... {
            let disk = SimulatedDisk()
            let store = try InMemoryVectorStore(at: "d", on: disk, durability: Self.durability(.never))
            for number in 0..<4 { try DurableFaultTests.call(number, store) }
            let expected = try DurableFaultTests.contents(store)
            let isPublished = Atomic(false)
            disk.fail { number, what in
                if what == "rename" { isPublished.store(true, ordering: .relaxed) }
                // The removal of what is left goes through, like everything else.
                return number == failing ? .refuse(ENOSPC) : nil
            }
            let hasFailed = (try? store.checkpoint()) == nil
            if !hasFailed, disk.calls < failing { break }
            if hasFailed, !isPublished.load(ordering: .relaxed) {
                failures += 1
                #expect(!disk.names.contains { $0.hasPrefix("d/data-") || $0 == "d/manifest.new" }, "call \(failing)")
                if disk.names.contains("d/log-2") { removals += 1 }
            }
            disk.fail { _, _ in nil }
            for _ in 0..<3 { try store.checkpoint() }
            #expect(disk.names.filter { $0.hasPrefix("d/data-") }.count == 1)
            #expect(disk.names.filter { $0.hasPrefix("d/log-") }.count == 1)
            #expect(try DurableFaultTests.contents(InMemoryVectorStore(at: "d", on: disk.afterKill())) == expected)
        }
        #expect(failures > 5 && removals > 3)
        // Again and again: one file of the log is begun, and none for those that follow.
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk, durability: Self.durability(.never))
        for number in 0..<4 { try DurableFaultTests.call(number, store) }
        disk.fail { _, what in what == "rename" ? .refuse(ENOSPC) : nil }
        for _ in 0..<5 { expect(.unavailable) { try store.checkpoint() } }
        #expect(disk.names.filter { $0.hasPrefix("d/log-") } == ["d/log-1", "d/log-2"])
    }

    /// What has to be repeated is in more than one file after a checkpoint that failed: all of it counts.
    @Test func allFilesOfTheLogCountForItsLength() throws {
        for isKilled in [false, true] {
            let disk = SimulatedDisk()
            var store = try InMemoryVectorStore(at: "d", on: disk, durability: Self.durability(.never))
            let description = CollectionDescription(name: "c", dimension: 1 << 16, metric: .dot)
            try store.createCollection(CreateCollectionRequest(collection: description))
            func write(_ id: String) throws {
                let record = VectorRecord(id: id, vector: [Float](repeating: 1, count: 1 << 16))
                try store.upsert(UpsertRequest(collection: "c", records: [record]))
            }
            for number in 0..<6 { try write("\(number)") }
            disk.fail { _, what in what == "rename" ? .refuse(ENOSPC) : nil }
            expect(.unavailable) { try store.checkpoint() }
            try write("one more")
            disk.fail { _, _ in nil }
            let next = isKilled ? disk.afterKill() : disk
            if isKilled { store = try InMemoryVectorStore(at: "d", on: next, durability: Self.durability(.never)) }
            // More than a megabyte.
            try store.close()
            let opened = try InMemoryVectorStore(at: "d", on: next)
            #expect(opened.openingReport?.replayedCalls == 0)
            #expect(try opened.count(CountRequest(collection: "c")) == 7)
        }
    }

    /// A checkpoint that is due and fails is tried again, but not at every write.
    @Test func aCheckpointThatIsDueIsTriedAgain() throws {
        let disk = SimulatedDisk()
        var durability = Self.durability(.never)
        durability.checkpointBytes = 1 << 16
        let store = try InMemoryVectorStore(at: "d", on: disk, durability: durability)
        let description = CollectionDescription(name: "c", dimension: 512, metric: .dot)
        try store.createCollection(CreateCollectionRequest(collection: description))
        let tried = Atomic(0), isFull = Atomic(true)
        disk.fail { _, what in
            guard what == "rename", isFull.load(ordering: .relaxed) else { return nil }
            tried.add(1, ordering: .relaxed)
            return .refuse(ENOSPC)
        }
        func write(_ count: Int) throws {
            for number in 0..<count {
                let record = VectorRecord(id: "\(number)", vector: [Float](repeating: 1, count: 512))
                try store.upsert(UpsertRequest(collection: "c", records: [record]))
            }
        }
        // Ten times the limit, in pieces of a thirtieth; a try for each quarter of it.
        try write(310)
        let tries = tried.load(ordering: .relaxed)
        #expect(tries > 2 && tries <= 45)
        isFull.store(false, ordering: .relaxed)
        try write(10)
        #expect(disk.names.contains { $0.hasPrefix("d/data-") })
        #expect(try store.count(CountRequest(collection: "c")) == 310)
    }

    /// A file of the log that cannot be made, as when a process has too many open, stops no writer.
    @Test func aLogFileThatCannotBeMadeStopsNobody() throws {
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk, durability: Self.durability(.always))
        for number in 0..<4 { try DurableFaultTests.call(number, store) }
        disk.fail { _, what in what == "create" || what == "synchronize directory" ? .refuse(EMFILE) : nil }
        #expect(throws: VectorStoreError.self) { try store.checkpoint() }
        try DurableFaultTests.call(5, store)
        let expected = try DurableFaultTests.contents(store)
        #expect(try DurableFaultTests.contents(InMemoryVectorStore(at: "d", on: disk.afterKill())) == expected)
    }

    /// A store that is let go while it makes a checkpoint does not keep the directory.
    @Test func aStoreThatIsLetGoLeavesTheDirectory() throws {
        let disk = SimulatedDisk()
        var durability = Self.durability(.never)
        durability.checkpointBytes = 1
        let isWriting = DispatchSemaphore(value: 0)
        let isFirst = Atomic(true)
        var expected: Contents = [:]
        do {
            let store = try InMemoryVectorStore(at: "d", on: disk, durability: durability)
            try store.createCollection(DurableStoreTests.collection)
            disk.pause { what in
                guard what == "create", isFirst.exchange(false, ordering: .relaxed) else { return }
                isWriting.signal()
                usleep(300_000)
            }
            var random = Random(state: 1)
            let records = (0..<2000).map { InMemoryStoreTests.record("id\($0)", dimension: 5, &random) }
            try store.upsert(UpsertRequest(collection: "c", records: records))
            expected = try DurableFaultTests.contents(store)
            isWriting.wait()
        }
        let opened = try InMemoryVectorStore(at: "d", on: disk)
        #expect(try DurableFaultTests.contents(opened) == expected)
    }
}
