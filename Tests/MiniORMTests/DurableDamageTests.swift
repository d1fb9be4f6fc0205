import Foundation
import TestSupport
import Testing

@testable import MiniORM

/// Files that are not what was written: the right data or `corruptedStorage`, never a trap, and what can be saved.
@Suite struct DurableDamageTests {
    typealias Random = InMemoryStoreTests.Random

    /// A directory with data files, tables of ids, dead rows and a log of many entries.
    ///
    /// - Returns: What there was at the last checkpoint and after each call since.
    static func sample(_ disk: SimulatedDisk) throws -> [DurableFailureTests.Contents] {
        let model = ModelVectorStore()
        let store = try InMemoryVectorStore(at: "d", on: disk)
        var states: [DurableFailureTests.Contents] = []
        for number in 0..<DurableFaultTests.count {
            try DurableFaultTests.call(number, store)
            try DurableFaultTests.call(number, model)
            if number == 3 || number == 7 { try store.checkpoint() }
            if number >= 7 { states.append(try DurableFaultTests.contents(model)) }
        }
        return states
    }

    private static func files(_ disk: SimulatedDisk) -> [String] {
        disk.names.filter { disk.bytes($0)?.isEmpty == false }
    }

    /// Reads all there is, in every way there is.
    private static func readAll(_ store: InMemoryVectorStore) throws -> [String: [VectorRecord]] {
        let contents = try DurableFaultTests.contents(store)
        for name in contents.keys {
            let vector: [Float] = [1, 0, 2, -1, 1]
            let options = QueryOptions(topK: 200, includeVectors: true)
            _ = try store.query(QueryRequest(collection: name, vector: vector, options: options))
            _ = try store.count(CountRequest(collection: name, filter: .field("n") >= 1))
            let ids = (0..<80).map { "id\($0)" }
            let found = try store.fetch(FetchRequest(collection: name, ids: ids))
            let all = contents[name] ?? []
            #expect(found.count == all.count { ids.contains($0.id) })
        }
        return contents
    }

    /// One byte changed, anywhere but in the end of the log.
    @Test func aChangedByteIsFoundOrOfNoUse() throws {
        let disk = SimulatedDisk()
        let states = try Self.sample(disk)
        let expected = states.last
        var random = Random(state: 1)
        var found = 0
        for path in Self.files(disk) {
            let length = disk.bytes(path)?.count ?? 0
            for _ in 0..<400 {
                let damaged = disk.afterKill()
                let index = Int.random(in: 0..<length, using: &random)
                damaged.damage(path) { $0[index] ^= UInt8.random(in: 1...255, using: &random) }
                do {
                    let store = try InMemoryVectorStore(at: "d", on: damaged)
                    let contents = try Self.readAll(store)
                    // The last call may look as if its writing had been interrupted: then it is cut, and said to be.
                    let isCut = path.contains("log-") && store.openingReport?.cutBytes ?? 0 > 0
                    let isRight = contents == (isCut ? states.dropLast().last : expected)
                    #expect(isRight, "\(path), byte \(index)")
                } catch {
                    found += 1
                    #expect((error as? VectorStoreError)?.code == .corruptedStorage, "\(path), byte \(index): \(error)")
                }
            }
        }
        #expect(found > 300)
    }

    /// Cuts, blocks of zeros, bytes from elsewhere: thousands of times, on every file.
    @Test func fuzzedFilesNeverTrap() throws {
        let disk = SimulatedDisk()
        let states = try Self.sample(disk)
        let expected = states.last
        var random = Random(state: 2)
        let files = Self.files(disk)
        for round in 0..<3000 {
            let damaged = disk.afterKill()
            let path = files[round % files.count]
            damaged.damage(path) { bytes in
                for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                    let start = Int.random(in: 0..<bytes.count, using: &random)
                    let end = min(bytes.count, start + Int.random(in: 1...64, using: &random))
                    switch Int.random(in: 0..<5, using: &random) {
                    case 0: bytes.removeLast(bytes.count - start)
                    case 1: bytes.replaceSubrange(start..<end, with: repeatElement(0, count: end - start))
                    case 2: bytes.replaceSubrange(start..<end, with: repeatElement(255, count: end - start))
                    case 3: bytes += bytes[start..<end]
                    default: for index in start..<end { bytes[index] = .random(in: 0...255, using: &random) }
                    }
                }
            }
            do {
                let store = try InMemoryVectorStore(at: "d", on: damaged)
                let contents = try Self.readAll(store)
                // A log may end anywhere, but nothing that comes later is there without what comes before.
                let isRight = path.contains("log-") ? states.contains(contents) : contents == expected
                #expect(isRight, "\(path), round \(round)")
            } catch {
                #expect((error as? VectorStoreError)?.code == .corruptedStorage, "\(path), round \(round): \(error)")
            }
            if round % 10 == 0 { _ = try? InMemoryVectorStore.recover(at: "d", to: "saved", on: damaged) }
        }
    }

    /// Checksums that are right do not make the content so: manifests, entries and sections that were signed anew.
    @Test func aValidChecksumIsNotBelieved() throws {
        let disk = SimulatedDisk()
        _ = try Self.sample(disk)
        var random = Random(state: 3)
        let manifest = try #require(disk.bytes("d/manifest"))
        for _ in 0..<4000 {
            var forged = manifest
            let length = forged[16..<24].withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                forged[Int.random(in: 32..<32 + length, using: &random)] =
                    [0, 1, 255, .random(in: 0...255, using: &random)].randomElement(using: &random) ?? 0
            }
            let checksum = forged[32..<32 + length].withUnsafeBytes { Checksum.of($0) }
            withUnsafeBytes(of: checksum.littleEndian) { forged.replaceSubrange(12..<16, with: $0) }
            let damaged = disk.afterKill()
            damaged.damage("d/manifest") { $0 = forged }
            // It may be another store that it describes; it must not trap.
            _ = try? Self.readAllQuietly(InMemoryVectorStore(at: "d", on: damaged))
        }
    }

    private static func hostile(_ random: inout Random) -> UInt64 {
        let numbers: [UInt64] = [
            0, 1, 2, 9, 64, 1 << 20, 1 << 32, 1 << 62, 1 << 62 - 1, UInt64(Int.max), .max - 1, .max,
        ]
        return numbers.randomElement(using: &random) ?? 0
    }

    /// The same for the log: bodies, headers of entries and headers of files, each signed anew.
    @Test func aSignedLogIsNotBelieved() throws {
        let disk = SimulatedDisk()
        _ = try Self.sample(disk)
        var random = Random(state: 6)
        let path = try #require(disk.names.first { $0.hasPrefix("d/log-") })
        let log = try #require(disk.bytes(path))
        let salt = try #require(log.withUnsafeBytes { LogHeader($0) }).salt
        var offsets: [Int] = []
        var offset = LogHeader.length
        while let header = log[min(offset, log.count)...].withUnsafeBytes({ LogEntryHeader($0, salt: salt) }) {
            offsets.append(offset)
            offset += LogEntryHeader.length + (header.paddedLength ?? 0)
        }
        #expect(offsets.count == 9)
        for round in 0..<1000 {
            var forged = log
            if round % 4 == 0 {
                var header = try #require(log.withUnsafeBytes { LogHeader($0) })
                switch Int.random(in: 0..<4, using: &random) {
                case 0: header.firstSequence = Self.hostile(&random)
                case 1: header.previousEnd = Self.hostile(&random)
                case 2: header.number = Self.hostile(&random)
                default: header.salt = UInt32(truncatingIfNeeded: Self.hostile(&random))
                }
                forged.replaceSubrange(..<LogHeader.length, with: header.bytes)
            } else {
                let offset = try #require(offsets.randomElement(using: &random))
                var header = try #require(log[offset...].withUnsafeBytes { LogEntryHeader($0, salt: salt) })
                let body = offset + LogEntryHeader.length..<offset + LogEntryHeader.length + (header.paddedLength ?? 0)
                switch Int.random(in: 0..<8, using: &random) {
                case 0: header.sequence = Self.hostile(&random)
                case 1: header.synchronized = Self.hostile(&random)
                case 2: header.bodyLength = Self.hostile(&random)
                case 3: header.kind = .random(in: 0...6, using: &random)
                case 4:
                    // The number of the collection.
                    withUnsafeBytes(of: Self.hostile(&random).littleEndian) {
                        forged.replaceSubrange(body.lowerBound..<body.lowerBound + 8, with: $0)
                    }
                default:
                    for _ in 0..<Int.random(in: 1...3, using: &random) {
                        forged[Int.random(in: body, using: &random)] = .random(in: 0...255, using: &random)
                    }
                }
                header.bodyChecksum = forged[body].withUnsafeBytes { Checksum.of($0) }
                forged.replaceSubrange(offset..<body.lowerBound, with: header.bytes(salt: salt))
            }
            let damaged = disk.afterKill()
            damaged.damage(path) { $0 = forged }
            _ = try? Self.readAllQuietly(InMemoryVectorStore(at: "d", on: damaged))
            damaged.damage(path) { $0 = forged }
            if round % 5 < 2 { _ = try? InMemoryVectorStore.recover(at: "d", to: "saved", on: damaged) }
        }
        let entry = try LogEntry.upsert(
            key: 1, [VectorRecord(id: "a", vector: [1, 2], payload: ["a": [1, ["b": nil]]])]
        ).encoded()
        for kind in UInt32(0)...6 {
            for _ in 0..<4000 {
                var forged = entry.body
                forged[Int.random(in: forged.indices, using: &random)] = .random(in: 0...255, using: &random)
                let length = Int.random(in: 0...forged.count, using: &random)
                forged.withUnsafeBytes {
                    _ = try? LogEntry(kind: kind, $0)
                    _ = try? LogEntry(kind: kind, UnsafeRawBufferPointer(rebasing: $0[..<length]))
                }
            }
        }
    }

    /// The same for the sections of data files.
    @Test func signedSectionsAreNotBelieved() throws {
        let disk = SimulatedDisk()
        _ = try Self.sample(disk)
        var random = Random(state: 7)
        let original = try Manifest(try #require(disk.bytes("d/manifest")))
        for _ in 0..<500 {
            let damaged = disk.afterKill()
            var manifest = original
            let index = Int.random(in: manifest.collections.indices, using: &random)
            let collection = manifest.collections[index]
            let isRun = collection.chunks.isEmpty || (!collection.runs.isEmpty && Bool.random(using: &random))
            func change(_ bytes: inout [UInt8], _ range: Range<Int>) {
                for _ in 0..<Int.random(in: 1...4, using: &random) where !range.isEmpty {
                    bytes[Int.random(in: range, using: &random)] =
                        [0, 1, 255, .random(in: 0...255, using: &random)].randomElement(using: &random) ?? 0
                }
            }
            if isRun {
                guard let number = collection.runs.indices.randomElement(using: &random) else { continue }
                let run = collection.runs[number]
                damaged.damage("d/data-\(run.file)") { bytes in
                    let range = Int(run.offset)..<Int(run.offset) + Int(run.count) * StoredRun.entryLength
                    change(&bytes, range)
                    manifest.collections[index].runs[number].checksum = bytes[range].withUnsafeBytes { Checksum.of($0) }
                }
            } else {
                guard let number = collection.chunks.indices.randomElement(using: &random) else { continue }
                let chunk = collection.chunks[number].chunk
                damaged.damage("d/data-\(chunk.file)") { bytes in
                    guard
                        let layout = StoredLayout(
                            chunk, dimension: collection.description.dimension, fileLength: bytes.count)
                    else { return }
                    for section in StoredChunk.Section.allCases {
                        if Bool.random(using: &random) { change(&bytes, layout.section(section)) }
                        manifest.collections[index].chunks[number].chunk.checksums[section.rawValue] =
                            bytes[layout.section(section)].withUnsafeBytes { Checksum.of($0) }
                    }
                }
            }
            let forged = manifest
            damaged.damage("d/manifest") { $0 = forged.bytes }
            do { try Self.readAllQuietly(InMemoryVectorStore(at: "d", on: damaged)) } catch {
                // The calls in the log look up ids.
                #expect((error as? VectorStoreError)?.code == .corruptedStorage)
            }
            _ = try? InMemoryVectorStore.recover(at: "d", to: "saved", on: damaged)
        }
    }

    /// The most bytes of address space that the process has had, where the system says so.
    private static var addressSpace: Int? {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmPeak:") })
        else { return nil }
        return Int(line.filter(\.isNumber)).map { $0 << 10 }
    }

    /// Counts that are as large as their bytes allow take no memory that is not read.
    @Test func countsAreNotBelieved() {
        var writer = ByteWriter()
        writer.fixed(UInt64(1))
        writer.varint(0)
        writer.varint(1 << 20)
        writer.raw(repeatElement(0, count: 3 << 20))
        let isBelieved = writer.bytes.withUnsafeBytes { (try? LogEntry(kind: 3, $0)) != nil }
        #expect(!isBelieved)
        // Arrays in arrays, each of which says that it has as many values as there are bytes left: on the stack of 512
        // levels, eight times the bytes a level.
        var payload = ByteWriter()
        payload.varint(1)
        payload.text("a")
        payload.raw([8, 1, 0])
        for _ in 0..<500 {
            payload.raw([7])
            payload.varint(8 << 20)
        }
        payload.raw(repeatElement(0, count: 9 << 20))
        let before = Self.addressSpace
        let isRead = payload.bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            return (try? PayloadBytes.read(1, from: &reader)) != nil
        }
        #expect(!isRead)
        if let before, let after = Self.addressSpace { #expect(after - before < 16 << 30) }
    }

    private static func readAllQuietly(_ store: InMemoryVectorStore) throws {
        for name in try store.listCollections() {
            _ = try? store.fetch(FetchRequest(collection: name, ids: nil))
            _ = try? store.fetch(FetchRequest(collection: name, ids: ["id1", "id2", "id40"]))
            let dimension = try store.describeCollection(name)?.dimension ?? 1
            guard dimension < 1000 else { continue }
            let vector = [Float](repeating: 1, count: dimension)
            _ = try? store.query(QueryRequest(collection: name, vector: vector))
            _ = try? store.upsert(UpsertRequest(collection: name, records: [VectorRecord(id: "id1", vector: vector)]))
        }
        try? store.checkpoint()
    }

    /// A tail that was not written to its end is cut, and said to be.
    @Test func aTornTailIsCutAndReported() throws {
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk)
        let model = ModelVectorStore()
        var lengths: [Int] = []
        for number in 0..<3 {
            try DurableFaultTests.call(number, store)
            lengths.append(disk.bytes("d/log-1")?.count ?? 0)
            if number < 2 { try DurableFaultTests.call(number, model) }
        }
        for length in lengths[1]..<lengths[2] {
            let torn = disk.afterKill()
            torn.damage("d/log-1") { $0.removeLast($0.count - length) }
            let reader = try InMemoryVectorStore(at: "d", on: torn, readOnly: true)
            #expect(try DurableFaultTests.contents(reader) == DurableFaultTests.contents(model))
            #expect(torn.bytes("d/log-1")?.count == length)
            let opened = try InMemoryVectorStore(at: "d", on: torn)
            let cut = length - lengths[1]
            let kept = cut > 0 ? "d/cut-1" : nil
            #expect(
                opened.openingReport == OpeningReport(replayedCalls: 2, cutBytes: cut, cutFile: kept))
            let isKept =
                torn.bytes("d/cut-1")?.dropFirst(LogHeader.length).elementsEqual(
                    disk.bytes("d/log-1")?[lengths[1]..<length] ?? []) ?? (cut == 0)
            #expect(isKept)
            #expect(try DurableFaultTests.contents(opened) == DurableFaultTests.contents(model))
            #expect(torn.bytes("d/log-1")?.count == lengths[1])
        }
    }

    /// A call in the middle of the log is damaged: an error, and all the others can be saved.
    @Test func aDamagedMiddleIsAnErrorAndTheRestIsSaved() throws {
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk)
        let model = ModelVectorStore()
        var lengths: [Int] = []
        for number in 0..<3 {
            try DurableFaultTests.call(number, store)
            if number != 1 { try DurableFaultTests.call(number, model) }
            lengths.append(disk.bytes("d/log-1")?.count ?? 0)
        }
        for index in [lengths[0], lengths[0] + 20, lengths[0] + 50, lengths[1] - 1] {
            let damaged = disk.afterKill()
            damaged.damage("d/log-1") { $0[index] ^= 1 }
            expect(.corruptedStorage) { _ = try InMemoryVectorStore(at: "d", on: damaged) }
            let report = try InMemoryVectorStore.recover(at: "d", to: "saved", on: damaged)
            #expect(report.lostCalls == 1 && !report.isComplete && report.damage.count == 1)
            let saved = try InMemoryVectorStore(at: "saved", on: damaged)
            #expect(try DurableFaultTests.contents(saved) == DurableFaultTests.contents(model))
            expect(.invalidArgument) { _ = try InMemoryVectorStore.recover(at: "d", to: "saved", on: damaged) }
        }
    }

    /// The last call of a process that was killed is damaged, or was not written to its end: nobody can tell, and both
    /// opening and saving say how much could not be read.
    @Test func whatCannotBeReadAtTheEndIsReported() throws {
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk)
        for number in 0..<3 { try DurableFaultTests.call(number, store) }
        let whole = try #require(disk.bytes("d/log-1")).count
        #expect(try InMemoryVectorStore.recover(at: "d", to: "whole", on: disk).isComplete)
        for isCut in [false, true] {
            let damaged = disk.afterKill()
            damaged.damage("d/log-1") { bytes in
                if isCut { bytes.removeLast(20) } else { bytes[whole - 20] ^= 1 }
            }
            let report = try InMemoryVectorStore.recover(at: "d", to: "saved", on: damaged)
            #expect(report.cutBytes > 0 && !report.isComplete && !report.isLogCut && report.damage.count == 1)
            #expect(try InMemoryVectorStore(at: "d", on: damaged).openingReport?.cutBytes == report.cutBytes)
        }
    }

    /// A chunk is damaged: the call that meets it says so, others go on, and the other chunks can be saved.
    @Test func aDamagedChunkIsMetWhenItIsReadAndTheRestIsSaved() throws {
        let disk = SimulatedDisk()
        let store = try InMemoryVectorStore(at: "d", on: disk)
        try store.createCollection(DurableStoreTests.collection)
        var random = Random(state: 4)
        for first in stride(from: 0, to: 300, by: 100) {
            let records = (first..<first + 100).map { InMemoryStoreTests.record("id\($0)", dimension: 5, &random) }
            try store.upsert(UpsertRequest(collection: "c", records: records))
        }
        try store.close()
        try InMemoryVectorStore(at: "d", on: disk).checkpoint()
        let damaged = disk.afterKill()
        // A vector of the first chunk.
        damaged.damage("d/data-1") { $0[StoredLayout.page + 65] ^= 1 }
        let opened = try InMemoryVectorStore(at: "d", on: damaged)
        #expect(try opened.count(CountRequest(collection: "c")) == 300)
        #expect(try opened.fetch(FetchRequest(collection: "c", ids: ["id299"])).count == 1)
        let error = expect(.corruptedStorage) {
            _ = try opened.query(QueryRequest(collection: "c", vector: [1, 2, 3, 4, 5]))
        }
        #expect(error?.collection == "c" && error?.message.contains("recover") == true)
        expect(.corruptedStorage) { _ = try opened.fetch(FetchRequest(collection: "c", ids: ["id0"])) }
        try opened.close()
        let report = try InMemoryVectorStore.recover(at: "d", to: "saved", on: damaged)
        let saved = try InMemoryVectorStore(at: "saved", on: damaged)
        #expect(report.savedRecords + report.lostRecords == 300 && report.savedRecords > 0 && report.lostRecords > 0)
        #expect(report.lostIDs.count == report.lostRecords && report.lostIDs.contains("id0"))
        let kept = try store.fetch(FetchRequest(collection: "c", ids: nil)).filter { !report.lostIDs.contains($0.id) }
        #expect(try DurableStoreTests.sorted(saved) == kept.sorted { UTF8Key($0.id) < UTF8Key($1.id) })
    }

    /// The manifest is damaged: nothing is opened, and its copy saves all.
    @Test func aDamagedManifestCostsNothing() throws {
        let disk = SimulatedDisk()
        let expected = try Self.sample(disk).last
        // A bit, or a sector, or what there is of the first copy and more.
        for length in [1, 512, 4096] {
            let damaged = disk.afterKill()
            damaged.damage("d/manifest") { for index in 40..<40 + min(length, $0.count / 2 - 40) { $0[index] ^= 1 } }
            expect(.corruptedStorage) { _ = try InMemoryVectorStore(at: "d", on: damaged) }
            #expect(try InMemoryVectorStore.recover(at: "d", to: "saved", on: damaged).isComplete)
            #expect(try DurableFaultTests.contents(InMemoryVectorStore(at: "saved", on: damaged)) == expected)
        }
        // Without one, data are not taken for an empty store.
        let lost = disk.afterKill()
        try lost.remove("d/manifest")
        expect(.corruptedStorage) { _ = try InMemoryVectorStore(at: "d", on: lost) }
        expect(.corruptedStorage) { _ = try InMemoryVectorStore(at: "d", on: lost, readOnly: true) }
        expect(.corruptedStorage) { _ = try InMemoryVectorStore.recover(at: "d", to: "saved", on: lost) }
        #expect(!lost.names.contains { $0.hasPrefix("saved") })
    }
}
