import Foundation
import Synchronization
import TestSupport
import Testing

@testable import MiniORM

/// What the files of the log say of each other, and what is believed of them.
@Suite struct DurableLogTests {
    typealias Random = InMemoryStoreTests.Random

    /// A directory whose checkpoints fail, so that its log has several files.
    private static func chain() throws -> (disk: SimulatedDisk, contents: DurableFailureTests.Contents) {
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk)
        disk.fail { _, what in what == "rename" ? .refuse(EIO) : nil }
        for number in 0..<9 {
            try DurableFaultTests.call(number, store)
            if number % 3 == 2 { expect(.backend) { try store.checkpoint() } }
        }
        try DurableFaultTests.call(10, store)
        return (disk, try DurableFaultTests.contents(store))
    }

    /// A file of the log is gone: an error, and those behind it stay for what they can save.
    @Test func aMissingFileOfTheLogIsFound() throws {
        let (disk, expected) = try Self.chain()
        #expect(try DurableFaultTests.contents(InMemoryVectorStore(at: "d", on: disk.afterKill())) == expected)
        let logs = disk.names.filter { $0.hasPrefix("d/log-") }
        #expect(logs.count == 4)
        for missing in logs.dropLast() {
            let damaged = disk.afterKill()
            try damaged.remove(missing)
            for readOnly in [true, false] {
                expect(.corruptedStorage) { _ = try InMemoryVectorStore(at: "d", on: damaged, readOnly: readOnly) }
            }
            #expect(damaged.names.filter { $0.hasPrefix("d/log-") }.count == 3)
            let report = try InMemoryVectorStore.recover(at: "d", to: "saved", on: damaged)
            #expect(report.isLogCut && !report.isComplete)
        }
    }

    /// A damaged call is not taken for one whose writing was interrupted, where the disk had been waited for.
    @Test(arguments: [Durability.Synchronization.never, .every(.seconds(3600)), .always])
    func damageAfterAnOrderlyEndIsFound(policy: Durability.Synchronization) throws {
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(
            at: "d", on: disk, durability: DurableFailureTests.durability(policy))
        var lengths = [LogHeader.length]
        for number in 0..<4 {
            try DurableFaultTests.call(number, store)
            lengths.append(disk.bytes("d/log-1")?.count ?? 0)
        }
        try store.close()
        for (number, length) in lengths.dropLast().enumerated() {
            let damaged = disk.afterKill()
            damaged.damage("d/log-1") { $0[length + 50] ^= 1 }
            let bytes = damaged.bytes("d/log-1")
            expect(.corruptedStorage) { _ = try InMemoryVectorStore(at: "d", on: damaged) }
            let isUntouched = damaged.bytes("d/log-1") == bytes
            #expect(isUntouched)
            let report = try InMemoryVectorStore.recover(at: "d", to: "saved", on: damaged)
            // Without the collection nothing of it can be.
            #expect(report.lostCalls == (number == 0 ? 4 : 1))
        }
        // Opened and closed without a write, the log does not grow.
        for _ in 0..<2 {
            let length = disk.bytes("d/log-1")?.count
            let again = try InMemoryVectorStore(at: "d", on: disk)
            #expect(again.openingReport == OpeningReport(replayedCalls: 4))
            try again.close()
            #expect(disk.bytes("d/log-1")?.count == length)
        }
    }

    /// The header of a file of the log is damaged, in one bit or in all but the half of the salt: an error, and every call
    /// can be saved.
    @Test func aDamagedHeaderOfTheLogCostsNothing() throws {
        let (disk, expected) = try Self.chain()
        for path in disk.names.filter({ $0.hasPrefix("d/log-") }) {
            for bits in [[0], [70], [100], [150], [200], [260], [300], [390], [450], [500], Array(0..<384)] {
                let damaged = disk.afterKill()
                damaged.damage(path) { for bit in bits { $0[bit / 8] ^= 1 << UInt8(bit % 8) } }
                expect(.corruptedStorage) { _ = try InMemoryVectorStore(at: "d", on: damaged) }
                let report = try InMemoryVectorStore.recover(at: "d", to: "saved", on: damaged)
                #expect(report.isComplete && report.damage.count == 1, "\(path), bits \(bits), \(report)")
                let isRight =
                    try DurableFaultTests.contents(InMemoryVectorStore(at: "saved", on: damaged)) == expected
                #expect(isRight, "\(path), bits \(bits)")
            }
        }
    }

    /// The files of cut bytes do not become many.
    @Test func fewFilesOfCutBytesStay() throws {
        let disk = SimulatedDisk()
        try InMemoryVectorStore(at: "d", on: disk).createCollection(DurableStoreTests.collection)
        for number in 1...20 {
            disk.damage("d/log-1") { $0 += [UInt8](repeating: UInt8(number), count: number) }
            let store = try InMemoryVectorStore(at: "d", on: disk)
            #expect(store.openingReport?.cutBytes == number && store.openingReport?.cutFile == "d/cut-\(number)")
        }
        #expect(disk.names.count { $0.hasPrefix("d/cut-") } == 16)
        // Zeros are nothing to keep.
        disk.damage("d/log-1") { $0 += [0, 0, 0] }
        let store = try InMemoryVectorStore(at: "d", on: disk)
        #expect(store.openingReport == OpeningReport(replayedCalls: 1, cutBytes: 3))
    }

    /// A directory that cannot be listed is not an empty one.
    @Test func aDirectoryThatCannotBeReadIsNotBegunAnew() throws {
        let disk = SimulatedDisk()
        try InMemoryVectorStore(at: "d", on: disk).close()
        let names = disk.names
        disk.failReading { what, path in what == "names" && path == "d" ? EIO : nil }
        expect(.backend) { _ = try InMemoryVectorStore(at: "d", on: disk) }
        // As if a listing had ended too early.
        disk.failReading { _, _ in nil }
        let store = disk.bytes("d/manifest")
        disk.hide { $0 != "d/lock" }
        #expect(throws: VectorStoreError.self) { _ = try InMemoryVectorStore(at: "d", on: disk) }
        disk.hide { _ in false }
        #expect(disk.bytes("d/manifest") == store && disk.names == names)
    }

    /// Every call that reads fails, one after the other, while a directory is opened: an error that says so, and the
    /// files stay as they are.
    @Test func readsThatFailChangeNothing() throws {
        let (disk, expected) = try Self.chain()
        disk.fail { _, _ in nil }
        try InMemoryVectorStore(at: "d", on: disk.afterKill()).close()
        for failing in 1...40 {
            let broken = disk.afterKill()
            let calls = Mutex(0)
            broken.failReading { _, _ in
                calls.withLock { calls in
                    calls += 1
                    return calls == failing ? EIO : nil
                }
            }
            do {
                let store = try InMemoryVectorStore(at: "d", on: broken)
                #expect(try DurableFaultTests.contents(store) == expected)
            } catch {
                #expect((error as? VectorStoreError)?.code == .backend, "read \(failing): \(error)")
            }
            let opened = try InMemoryVectorStore(at: "d", on: broken.afterKill())
            #expect(try DurableFaultTests.contents(opened) == expected, "read \(failing)")
        }
    }

    /// At any moment of a reader's opening the writer goes on, and begins another file of the log with or without a
    /// checkpoint: the reader finds what there was at some moment of its opening.
    @Test(arguments: [false, true]) func aReaderOpensAtAnyMoment(isPublished: Bool) throws {
        var moments = 0
        for moment in 1... {
            let disk = SimulatedDisk()
            let store = try InMemoryVectorStore(at: "d", on: disk, durability: DurableFailureTests.durability(.never))
            for number in 0..<3 { try DurableFaultTests.call(number, store) }
            try store.checkpoint()
            try DurableFaultTests.call(3, store)
            let states = Mutex([try DurableFaultTests.contents(store)])
            if !isPublished { disk.fail { _, what in what == "rename" ? .refuse(EIO) : nil } }
            let calls = Mutex(0)
            disk.failReading { _, _ in
                let now = calls.withLock { calls in
                    calls += 1
                    return calls
                }
                // What the writer itself reads does not count, nor does what comes after.
                guard now == moment else { return nil }
                for number in [5, 8] {
                    try? DurableFaultTests.call(number, store)
                    if let contents = try? DurableFaultTests.contents(store) { states.withLock { $0.append(contents) } }
                    try? store.checkpoint()
                    try? DurableFaultTests.call(number + 5, store)
                    if let contents = try? DurableFaultTests.contents(store) { states.withLock { $0.append(contents) } }
                }
                return nil
            }
            let reader = try InMemoryVectorStore(at: "d", on: disk, readOnly: true)
            let found = try DurableFaultTests.contents(reader)
            let isState = states.withLock { $0.contains(found) }
            #expect(isState, "moment \(moment)")
            if calls.withLock({ $0 }) < moment { break }
            moments += 1
        }
        #expect(moments > 4)
    }

    /// Readers open the directory while the writer makes checkpoints.
    @Test func readersOpenWhileCheckpointsAreMade() throws {
        let folder = try SavingTests.Folder()
        let store = try InMemoryVectorStore(
            at: folder.path("s"), durability: DurableFailureTests.durability(.never))
        try store.createCollection(DurableStoreTests.collection)
        let isDone = Atomic(false)
        DurableConcurrencyTests.together(4) { thread in
            if thread > 0 {
                var last = 0
                while !isDone.load(ordering: .relaxed) {
                    do {
                        let reader = try InMemoryVectorStore(at: folder.path("s"), readOnly: true, threads: 1)
                        let count = try reader.count(CountRequest(collection: "c"))
                        #expect(count >= last)
                        last = count
                    } catch { Issue.record("a reader found \(error)") }
                }
                return
            }
            for call in 0..<300 {
                let record = VectorRecord(id: "\(call)", vector: [1, 2, 3, 4, Float(call)])
                #expect(throws: Never.self) {
                    try store.upsert(UpsertRequest(collection: "c", records: [record]))
                    if call % 2 == 1 { try store.checkpoint() }
                }
            }
            isDone.store(true, ordering: .relaxed)
        }
    }
}
