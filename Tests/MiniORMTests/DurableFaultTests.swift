import Foundation
import Synchronization
import TestSupport
import Testing

@testable import MiniORM

/// The store in a directory on disks that fail.
@Suite struct DurableFaultTests {
    typealias Random = InMemoryStoreTests.Random

    /// What a script of calls has acknowledged, and what was going on when it stopped.
    struct Run {
        var acknowledged = ModelVectorStore()
        /// The same with the call that failed, which is there whole or not at all.
        var maybe = ModelVectorStore()
    }

    static func call(_ number: Int, _ store: some VectorStorePort) throws {
        var random = Random(state: UInt64(number))
        switch number {
        case 0: try store.createCollection(DurableStoreTests.collection)
        case 9:
            var request = DurableStoreTests.collection
            request.mode = .overwrite
            try store.createCollection(request)
        case 4:
            let other = CollectionDescription(name: "other", dimension: 5, metric: .dot)
            try store.createCollection(CreateCollectionRequest(collection: other))
        case 12: try store.dropCollection("other")
        case 3, 6, 14:
            _ = try store.delete(DeleteRequest(collection: "c", ids: (number..<number + 9).map { "id\($0)" }))
        case 7, 15:
            _ = try store.deleteMatching(DeleteMatchingRequest(collection: "c", filter: .field("n") == 2))
        default:
            let records = (0..<25).map { _ in
                InMemoryStoreTests.record("id\(Int.random(in: 0..<60, using: &random))", dimension: 5, &random)
            }
            try store.upsert(UpsertRequest(collection: "c", records: records))
        }
    }

    static let count = 17

    static func contents(_ store: some VectorStorePort) throws -> [String: [VectorRecord]] {
        var contents: [String: [VectorRecord]] = [:]
        for name in try store.listCollections() { contents[name] = try DurableStoreTests.sorted(store, name) }
        return contents
    }

    /// Calls with checkpoints between them, on a disk that fails at some call; afterwards the store reads on.
    static func script(_ disk: SimulatedDisk, goesOn: Bool) throws -> Run {
        let run = Run()
        guard let store = try? InMemoryVectorStore(at: "d", on: disk) else { return run }
        for number in 0..<count {
            do {
                if number % 5 == 4 { try? store.checkpoint() }
                try call(number, store)
                try call(number, run.acknowledged)
                try call(number, run.maybe)
                #expect(try contents(store) == contents(run.acknowledged))
            } catch {
                let code = (error as? VectorStoreError)?.code
                // What needs a collection that could not be created says so.
                if code == .collectionNotFound { continue }
                #expect(code == .unavailable || code == .backend, "\(error)")
                // Nothing of it is visible, and reading goes on.
                #expect(try contents(store) == contents(run.acknowledged))
                guard goesOn else {
                    try? call(number, run.maybe)
                    return run
                }
                // The disk works again by now: so does the call.
                try call(number, store)
                try call(number, run.acknowledged)
                try call(number, run.maybe)
                #expect(try contents(store) == contents(run.acknowledged))
            }
        }
        return run
    }

    /// How many calls of the disk the script makes.
    static func calls() throws -> Int {
        let disk = SimulatedDisk()
        disk.fail { _, _ in nil }
        _ = try script(disk, goesOn: false)
        return disk.calls
    }

    private static func check(_ disk: SimulatedDisk, _ run: Run, _ comment: Comment) throws {
        let store = try InMemoryVectorStore(at: "d", on: disk)
        let found = try contents(store)
        let isRight = try found == contents(run.acknowledged) || found == contents(run.maybe)
        #expect(isRight, comment)
        // It can be written to.
        try store.createCollection(DurableStoreTests.collection)
        try call(1, store)
        try store.checkpoint()
    }

    /// The process ends at the n-th call of the disk, for every n; then the power too.
    @Test func aProcessThatEndsAnywhereLosesNothing() throws {
        var random = Random(state: 1)
        let count = try Self.calls()
        #expect(count > 60)
        for failing in 1...count {
            let disk = SimulatedDisk()
            disk.fail { number, _ in number == failing ? .die : nil }
            let run = try Self.script(disk, goesOn: false)
            try Self.check(disk.afterKill(), run, "killed at call \(failing)")
            for _ in 0..<4 {
                try Self.check(disk.afterPowerCut(&random), run, "power cut at call \(failing)")
            }
            // A second accident while the store is opened after the first.
            let second = disk.afterPowerCut(&random)
            let at = Int.random(in: 1...6, using: &random)
            second.fail { number, _ in number == at ? .die : nil }
            _ = try? InMemoryVectorStore(at: "d", on: second)
            try Self.check(second.afterPowerCut(&random), run, "two power cuts, at calls \(failing) and \(at)")
        }
    }

    /// The n-th call of the disk fails, for every n: an error, and the store goes on.
    @Test(arguments: [false, true]) func aDiskThatFailsOnceCostsOneCall(tears: Bool) throws {
        var random = Random(state: 2)
        for failing in 1...(try Self.calls()) {
            let disk = SimulatedDisk()
            disk.fail { number, what in
                guard number == failing else { return nil }
                return tears && what == "write" ? .tear(ENOSPC) : .refuse(tears ? ENOSPC : EIO)
            }
            let run = try Self.script(disk, goesOn: true)
            disk.fail { _, _ in nil }
            try Self.check(disk.afterKill(), run, "failed at call \(failing)")
            try Self.check(disk.afterPowerCut(&random), run, "failed at call \(failing), then a power cut")
        }
    }

    /// A disk that is full from the n-th call on: writing throws, reading goes on, and so does writing when there is room.
    @Test func aFullDiskIsAnErrorAndReadingGoesOn() throws {
        for failing in stride(from: 1, through: try Self.calls(), by: 3) {
            let disk = SimulatedDisk()
            let store = try InMemoryVectorStore(at: "d", on: disk)
            disk.fail { number, what in
                number < failing || what.hasPrefix("sync") || what == "truncate" || what == "remove"
                    ? nil : what == "write" ? .tear(ENOSPC) : .refuse(ENOSPC)
            }
            let model = ModelVectorStore()
            var failures = 0
            for number in 0..<Self.count {
                do {
                    try Self.call(number, store)
                    try Self.call(number, model)
                } catch {
                    failures += 1
                    let code = (error as? VectorStoreError)?.code
                    #expect(code == .unavailable || code == .collectionNotFound, "\(error)")
                }
                #expect(try Self.contents(store) == Self.contents(model))
            }
            disk.fail { _, _ in nil }
            try store.createCollection(DurableStoreTests.collection)
            try model.createCollection(DurableStoreTests.collection)
            try Self.call(1, store)
            try Self.call(1, model)
            #expect(try Self.contents(store) == Self.contents(model))
            #expect(
                try Self.contents(InMemoryVectorStore(at: "d", on: disk.afterKill())) == Self.contents(model),
                "full at call \(failing), \(failures) failures")
        }
    }
}
