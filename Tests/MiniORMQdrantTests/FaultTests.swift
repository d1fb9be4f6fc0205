#if Qdrant
import Foundation
import MiniORM
import TestSupport
import Testing

@testable import MiniORMQdrant

extension ServerTests {
    /// The service is told to fail: contract 6, errors and time.
    @Suite(.onTheService) struct FaultTests {
        private func options(_ change: (inout QdrantOptions) -> Void) -> QdrantOptions {
            var options = QdrantOptions()
            change(&options)
            return options
        }

        private static let records = (0..<20_000).map { number in
            let angle = Float(number)
            return VectorRecord(
                id: "record \(number)", vector: [angle, 1, angle / 3, -2], payload: ["number": .int(Int64(number))])
        }

        /// Runs an upsert of 20,000 records under a fault, and says what it threw.
        private func upsertUnderFault(
            _ fault: [String: PayloadValue], _ options: QdrantOptions = QdrantOptions()
        ) async throws -> VectorStoreError? {
            try await Server.control("/reset", [:])
            return try await Server.withCollection(Server.service(), metric: .l2) { repository in
                let name = try await repository.describe().name
                let store = try Server.service(options)
                let faulty = try await AsyncVectorRepository(
                    store, name, dimension: 4, metric: .l2, autoCreate: false)
                try await Server.control("/faults", fault)
                var thrown: VectorStoreError?
                do throws(VectorStoreError) { try await faulty.upsert(Self.records) } catch { thrown = error }
                try await store.close()
                try await Server.control("/reset", [:])
                if let thrown {
                    // What the error names is in, whole.
                    let written = thrown.writtenIDs
                    #expect(Set(written).count == written.count)
                    #expect(try await repository.fetch(written).count == written.count)
                    #expect(try await repository.count() >= written.count)
                    // Repeating the call completes it.
                    try await repository.upsert(Self.records)
                }
                #expect(try await repository.count() == Self.records.count)
                let sample = [0, 1, 9_999, 19_999].map { Self.records[$0] }
                #expect(try await repository.fetch(sample.map(\.id)) == sample)
                return thrown
            }
        }

        @Test func aFailedBatchLosesNothing() async throws {
            let error = try await upsertUnderFault(
                ["method": "Upsert", "nth": 30, "times": 1000, "status": "INTERNAL"])
            #expect(error?.code == .partialWrite)
            #expect(error?.writtenIDs.isEmpty == false)
        }

        @Test(arguments: ["before", "after"])
        func aDroppedConnectionIsMadeUpForByRetriesWhereThatIsWanted(_ moment: String) async throws {
            let options = options { $0.write.repeatsLostWrites = true }
            let error = try await upsertUnderFault(["method": "Upsert", "nth": 20, "drop": .string(moment)], options)
            #expect(error == nil, "\(error.map { "\($0)" } ?? "")")
        }

        @Test(arguments: ["before", "after"])
        func aDroppedConnectionLosesNothing(_ moment: String) async throws {
            let error = try await upsertUnderFault(["method": "Upsert", "nth": 20, "drop": .string(moment)])
            #expect(error?.code == .partialWrite)
            #expect(error?.isTransient == true)
        }

        /// Sent again, it could be acknowledged while the first copy is still with the server, which then undoes what is
        /// written next.
        @Test func aWriteWhoseConnectionIsLostIsSentOnce() async throws {
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service()) { repository in
                for (method, write) in [
                    ("Upsert", { try await repository.upsert([Self.records[0]]) }),
                    ("Delete", { _ = try await repository.delete(["record 0"]) }),
                    ("Delete", { _ = try await repository.delete(matching: .field("number") == 0) }),
                ] as [(String, () async throws -> Void)] {
                    try await repository.upsert([Self.records[0]])
                    try await Server.control("/reset", [:])
                    try await Server.control("/faults", ["method": .string(method), "drop": "after"])
                    await expect(.unavailable) { try await write() }
                    #expect(try await Server.control("/calls").objectValue?[method] == 1)
                    #expect(try await repository.count() == (method == "Delete" ? 0 : 1))
                    // What the server says that it did not take is sent again.
                    try await Server.control("/faults", ["method": .string(method), "status": "UNAVAILABLE"])
                    try await repository.upsert([Self.records[0]])
                    try await write()
                    #expect(try await Server.control("/calls").objectValue?[method] == (method == "Delete" ? 3 : 4))
                }
            }
        }

        @Test func aServerSlowerThanTheDeadlineLosesNothing() async throws {
            let options = options { $0.connection.deadline = .seconds(3) }
            let error = try await upsertUnderFault(["method": "Upsert", "nth": 20, "hold": true], options)
            #expect(error?.code == .partialWrite)
            #expect((error?.cause as? VectorStoreError)?.code == .timeout)
        }

        @Test func aServerSlowWithinTheDeadlineIsWaitedFor() async throws {
            let error = try await upsertUnderFault(["method": "Upsert", "nth": 20, "delay": 2])
            #expect(error == nil)
        }

        @Test(arguments: ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
        func whatTheServerCouldNotTakeIsSentAgain(_ status: String) async throws {
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service()) { repository in
                try await Server.control("/faults", ["method": "Count", "times": 2, "status": .string(status)])
                #expect(try await repository.count() == 0)
                let calls = try await Server.control("/calls").objectValue
                #expect(calls?["Count"] == 3)
            }
        }

        @Test func aPauseThatTheServerAsksForIsKept() async throws {
            try await Server.control("/reset", [:])
            let options = options { $0.connection.deadline = .seconds(20) }
            try await Server.withCollection(Server.service(options)) { repository in
                try await Server.control(
                    "/faults", ["method": "Count", "status": "RESOURCE_EXHAUSTED", "retry_after": 1])
                let clock = ContinuousClock()
                let start = clock.now
                #expect(try await repository.count() == 0)
                #expect(clock.now - start >= .seconds(1))
                // One that would end after the deadline is not begun.
                try await Server.control(
                    "/faults", ["method": "Count", "status": "RESOURCE_EXHAUSTED", "retry_after": 3600])
                await expect(.unavailable) { _ = try await repository.count() }
            }
        }

        @Test func aDropWhoseAnswerIsLostIsNotRepeatedOnAnotherCollection() async throws {
            try await Server.control("/reset", [:])
            let name = "dropped-\(UInt32.random(in: 0 ... .max))"
            let (store, other) = (try Server.service(), try Server.service())
            _ = try await AsyncVectorRepository(store, name, dimension: 4)
            try await Server.control("/reset", [:])
            try await Server.control("/faults", ["method": "Collections.Delete", "drop": "after"])
            // The look at what there is, after the loss, comes late.
            try await Server.control("/faults", ["method": "Collections.Get", "nth": 2, "delay": 2])
            async let dropping: Void = store.dropCollection(name)
            while try await Server.control("/calls").objectValue?["Collections.Get"] != 2 {
                try await Task.sleep(for: .milliseconds(10))
            }
            _ = try await AsyncVectorRepository(other, name, dimension: 4)
            try await dropping
            #expect(try await Server.control("/calls").objectValue?["Collections.Delete"] == 1)
            #expect(try await other.describeCollection(name) != nil)
            // One that may come yet is not repeated, unless that is wanted.
            try await Server.control("/faults", ["method": "Collections.Delete", "drop": "before"])
            await expect(.unavailable) { try await other.dropCollection(name) }
            #expect(try await other.describeCollection(name) != nil)
            let bold = try Server.service(options { $0.write.repeatsLostWrites = true })
            try await Server.control("/faults", ["method": "Collections.Delete", "drop": "before"])
            try await bold.dropCollection(name)
            #expect(try await other.describeCollection(name) == nil)
            for store in [store, other, bold] { try await store.close() }
            try await Server.control("/reset", [:])
        }

        @Test func aDropThatTheServerCouldNotTakeIsSentAgain() async throws {
            try await Server.control("/reset", [:])
            try await Server.control("/settings", ["no_metadata": true])
            let name = "dropped-\(UInt32.random(in: 0 ... .max))"
            let store = try Server.service()
            _ = try await AsyncVectorRepository(store, name, dimension: 4)
            try await Server.control("/faults", ["method": "Collections.Delete", "status": "RESOURCE_EXHAUSTED"])
            try await store.dropCollection(name)
            #expect(try await store.describeCollection(name) == nil)
            // Nobody can tell whose collection is there after an answer was lost.
            _ = try await AsyncVectorRepository(store, name, dimension: 4)
            try await Server.control("/faults", ["method": "Collections.Delete", "drop": "before"])
            await expect(.unavailable) { try await store.dropCollection(name) }
            try await store.dropCollection(name)
            try await store.close()
            try await Server.control("/reset", [:])
        }

        /// A call that is refused, as its collection was made anew with other limits, and then fails.
        @Test func whatWentIntoACollectionThatIsGoneIsNotNamed() async throws {
            try await Server.control("/reset", [:])
            let options = options {
                $0.write.batchCount = 10
                $0.write.requestsInFlight = 1
                $0.connection.retry = .none
            }
            let name = "anew-\(UInt32.random(in: 0 ... .max))"
            let (store, other) = (try Server.service(options), try Server.service())
            let repository = try await AsyncVectorRepository(store, name, dimension: 4)
            let records = Self.records.prefix(30)
            try await repository.upsert([records[0]])
            try await Server.control("/reset", [:])
            try await Server.control("/faults", ["method": "Upsert", "nth": 2, "delay": 2])
            async let outcome: VectorStoreError? = {
                do throws(VectorStoreError) { try await repository.upsert(Array(records)) } catch { return error }
                return nil
            }()
            while try await Server.control("/calls").objectValue?["Upsert"] != 2 {
                try await Task.sleep(for: .milliseconds(10))
            }
            let anew = try await AsyncVectorRepository(other, name, dimension: 4, overwrite: true)
            try await Server.control("/strict", ["collection": .string(name), "upsert_max_batchsize": 5])
            // Refused, then one batch goes in and the next fails.
            try await Server.control("/faults", ["method": "Upsert", "nth": 2, "times": 10, "status": "INTERNAL"])
            let error = try #require(await outcome)
            #expect(error.code == .partialWrite && !error.writtenIDs.isEmpty)
            let present = Set(try await anew.fetch().map(\.id))
            #expect(Set(error.writtenIDs) == present)
            try await anew.dropCollection()
            for store in [store, other] { try await store.close() }
            try await Server.control("/reset", [:])
        }

        @Test func otherFailuresAreNotRepeated() async throws {
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service()) { repository in
                try await Server.control("/faults", ["method": "Count", "status": "INTERNAL"])
                await expect(.backend) { _ = try await repository.count() }
                let calls = try await Server.control("/calls").objectValue
                #expect(calls?["Count"] == 1)
                // A failure of the server's is not taken for a reply that is too large.
                try await Server.control("/faults", ["method": "Count", "status": "INTERNAL"])
                let error = await expect(.backend) { _ = try await repository.count() }
                #expect(error.map(QdrantFailure.isTooLarge) == false)
            }
        }

        @Test func aFullDiskIsNotAskedAgain() async throws {
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service()) { repository in
                try await Server.control(
                    "/faults",
                    [
                        "method": "Upsert", "times": 2, "status": "RESOURCE_EXHAUSTED",
                        "trailers": ["qdrant-insufficient-storage": "1"],
                    ])
                let error = await expect(.unavailable) { try await repository.upsert([Self.records[0]]) }
                #expect(error?.message.contains("no room") == true)
                #expect(try await Server.control("/calls").objectValue?["Upsert"] == 1)
                try await Server.control("/reset", [:])
            }
        }

        @Test func aLockedCollectionMayBeWritableLater() async throws {
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service()) { repository in
                try await Server.control("/faults", ["method": "Upsert", "status": "FAILED_PRECONDITION"])
                let error = await expect(.unavailable) { try await repository.upsert([Self.records[0]]) }
                #expect(error?.message.contains("index") == false)
            }
        }

        /// Some servers cancel a call when the time they were given for it has passed.
        @Test func aCallThatTheServerGivesUpIsATimeout() async throws {
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service()) { repository in
                try await Server.control("/faults", ["method": "Count", "status": "CANCELLED"])
                await expect(.timeout) { _ = try await repository.count() }
            }
        }

        @Test(
            arguments: [
                (1, "1m"), (1_000_000, "1m"), (1_000_001, "2m"), (2_999_999_999, "3000m"),
                (99_999_999_000_001, "100000S"),
                (3_155_760_000_000_000_000, "99999999S"),
            ] as [(Int64, String)])
        func theServerIsGivenNoLessThanTheTimeLeft(_ nanoseconds: Int64, _ text: String) {
            #expect(QdrantConnection.timeout(nanoseconds) == text)
        }

        @Test func timesWithoutEndAreTaken() async throws {
            try await Server.control("/reset", [:])
            let options = options {
                $0.connection.deadline = .seconds(Int64.max) * 10
                $0.connection.keepAlive = .seconds(Int64.max) * 10
            }
            let store = try Server.service(options)
            _ = try await store.listCollections()
            try await store.close()
        }

        /// The other side is gone without a word, between two calls: the calls after it go over a new connection.
        @Test func aConnectionLostWithoutAWordIsNoticed() async throws {
            try await Server.control("/reset", [:])
            let options = options {
                $0.connection.keepAlive = .seconds(1)
                // A connection that is not given up answers nothing, so the call would end with this.
                $0.connection.deadline = .seconds(60)
            }
            try await Server.withCollection(Server.service(options)) { repository in
                #expect(try await repository.count() == 0)
                // Several pings, which the server takes without complaint.
                try await Task.sleep(for: .seconds(4))
                #expect(try await repository.count() == 0)
                try await Server.control("/stall", [:])
                #expect(try await repository.count() == 0)
            }
        }

        /// A creation that came as far as the collection, and not to its indexes.
        @Test func aCreationCutOffIsCompletedByTheNextStart() async throws {
            try await Server.control("/reset", [:])
            let options = options { $0.collection.payloadIndexes = [.init("n", .number)] }
            let store = try Server.service(options)
            let name = "cut-off-\(UInt32.random(in: 0 ... .max))"
            try await Server.control("/faults", ["method": "CreateFieldIndex", "status": "INTERNAL"])
            await expect(.backend) { _ = try await AsyncVectorRepository(store, name, dimension: 4) }
            #expect(try await store.collection(name).knowsRough == false)
            try await Server.withCollection(store, name: name) { repository in
                let collection = try await store.collection(name)
                #expect(collection.isOurs && collection.knowsRough)
                #expect(collection.indexes["n"] == .float && collection.indexes["n[]"] == .float)
                #expect(try await repository.explain(.field("n") < 1).finished == nil)
            }
        }

        @Test func aDeadlineIsATimeout() async throws {
            try await Server.control("/reset", [:])
            let store = try Server.service(options { $0.connection.deadline = .seconds(1) })
            try await Server.withCollection(Server.service()) { repository in
                let hasty = try await AsyncVectorRepository(
                    store, try await repository.describe().name, dimension: 4, autoCreate: false)
                try await Server.control("/faults", ["method": "Count", "hold": true])
                await expect(.timeout) { _ = try await hasty.count() }
                try await Server.control("/reset", [:])
            }
            try await store.close()
        }

        /// More calls than a connection takes at once, given up while they wait and while the server answers them: every one
        /// ends, and the connection goes on.
        @Test(arguments: [false, true]) func callsThatWaitCanBeGivenUp(isCancelled: Bool) async throws {
            var options = QdrantOptions()
            options.connection.deadline = .seconds(isCancelled ? 86_400 : 1)
            let store = try Server.service(options)
            let name = "burst-\(UInt32.random(in: 0 ... .max))"
            let vectors = try await AsyncVectorRepository(store, name, dimension: 4, metric: .dot, overwrite: true)
            try await vectors.upsert([VectorRecord(id: "a", vector: [1, 2, 3, 4])])
            let connections = try await Server.control("/connections")
            let codes = await withTaskGroup(of: VectorStoreError.Code?.self) { group in
                for _ in 0..<1500 {
                    group.addTask {
                        do {
                            _ = try await vectors.query([1, 1, 1, 1])
                            return nil
                        } catch { return (error as? VectorStoreError)?.code ?? .backend }
                    }
                }
                if isCancelled {
                    try? await Task.sleep(for: .milliseconds(300))
                    group.cancelAll()
                }
                return await group.reduce(into: [VectorStoreError.Code]()) { if let code = $1 { $0.append(code) } }
            }
            #expect(codes.allSatisfy { $0 == (isCancelled ? .cancelled : .timeout) }, "\(Set(codes))")
            #expect(!isCancelled || !codes.isEmpty)
            #expect(try await store.count(CountRequest(collection: name)) == 1)
            #expect(try await Server.control("/connections") == connections)
            let again = try Server.service()
            #expect(try await again.count(CountRequest(collection: name)) == 1)
            try await again.dropCollection(name)
            try await again.close()
            try await store.close()
        }

        /// With every turn of the connection taken, a call of another kind waits, can be given up, and tells the server the
        /// time that is left when its turn comes.
        @Test func aCallThatWaitedForItsTurnAsksForTheTimeThatIsLeft() async throws {
            try await Server.control("/reset", [:])
            let store = try Server.service(options { $0.connection.deadline = .seconds(60) })
            try await Server.withCollection(store) { repository in
                let name = try await repository.describe().name
                let gate = store.connection.gate
                try await Server.control("/faults", ["method": "Count", "times": 64, "hold": true])
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<65 { group.addTask { _ = try await store.count(CountRequest(collection: name)) } }
                    while gate.waitingCount < 1 { await Task.yield() }
                    let givenUp = Task { try await repository.query([1, 2, 3, 4]) }
                    while gate.waitingCount < 2 { await Task.yield() }
                    givenUp.cancel()
                    await expect(.cancelled) { _ = try await givenUp.value }
                    let waiting = Task { try await repository.query([1, 2, 3, 4]) }
                    while gate.waitingCount < 2 { await Task.yield() }
                    try await Task.sleep(for: .seconds(2))
                    #expect(try await Server.control("/calls").objectValue?["Query"] == nil)
                    try await Server.control("/reset", [:])
                    #expect(try await waiting.value.isEmpty)
                    try await group.waitForAll()
                }
                let left = try await Server.control("/times-left").objectValue?["Query"]?.doubleValue
                #expect(try #require(left) <= 58)
            }
        }

        /// Calls that are given up while the connection is made are not sent when it is there.
        @Test func aCallGivenUpBeforeTheConnectionIsThereIsNeverSent() async throws {
            try await Server.control("/reset", [:])
            try await Server.control("/settings", ["hold_bytes": true])
            let connections = try await Server.control("/connections")
            let store = try Server.service(options { $0.connection.deadline = .seconds(86_400) })
            let tasks = (0..<20).map { _ in Task { try await store.listCollections() } }
            while try await Server.control("/connections") == connections {}
            for task in tasks {
                task.cancel()
                await expect(.cancelled) { _ = try await task.value }
            }
            try await Server.control("/reset", [:])
            _ = try await store.describeCollection("none-\(UInt32.random(in: 0 ... .max))")
            #expect(try await Server.control("/calls").objectValue?["Collections.List"] == nil)
            try await store.close()
        }

        /// An upload that is given up goes no further, however many others were given up before it: sent to its end later,
        /// it would undo what was written in between.
        @Test func anUploadGivenUpOnItsWayGoesNoFurther() async throws {
            try await Server.control("/reset", [:])
            let store = try Server.service(options { $0.connection.deadline = .seconds(86_400) })
            try await Server.withCollection(store, dimension: 4096) { repository in
                let name = try await repository.describe().name
                let old = VectorRecord(id: "a", vector: [Float](repeating: 1, count: 4096))
                try await repository.upsert([old])
                try await Server.control("/settings", ["hold_bytes": true])
                let others = (0..<40).map { _ in Task { try await store.count(CountRequest(collection: name)) } }
                let upload = Task {
                    try await repository.upsert(
                        (0..<32).map { VectorRecord(id: $0 == 0 ? "a" : "\($0)", vector: (0..<4096).map(Float.init)) })
                }
                // What is on its way is in the hands of the system, which nobody can ask.
                try await Task.sleep(for: .milliseconds(300))
                for task in others { task.cancel() }
                upload.cancel()
                for task in others { await expect(.cancelled) { _ = try await task.value } }
                await expect(.cancelled) { try await upload.value }
                try await Server.control("/reset", [:])
                #expect(try await repository.fetch(["a"]) == [old])
                #expect(try await repository.count() == 1)
                #expect(try await Server.control("/calls").objectValue?["Upsert"] == nil)
            }
        }

        /// Many at once, each of which is reset at once: the connection goes on, for those that wait on it too.
        @Test(arguments: [100, 25_000]) func aBurstOfWritesCanBeGivenUpOnItsWay(_ dimension: Int) async throws {
            try await Server.control("/reset", [:])
            let options = options {
                $0.connection.deadline = .seconds(86_400)
                $0.connection.retry = .none
            }
            try await Server.withCollection(Server.service(options), dimension: dimension) { repository in
                let connections = try await Server.control("/connections")
                for round in 0..<8 {
                    try await Server.control("/settings", ["hold_bytes": true])
                    let writes = (0..<60).map { number in
                        Task {
                            try await repository.upsert([
                                VectorRecord(id: "\(number)", vector: [Float](repeating: 1, count: dimension))
                            ])
                        }
                    }
                    let count = Task { try await repository.count() }
                    // Some of them are on their way by then.
                    try await Task.sleep(for: .milliseconds(20 * round))
                    for write in writes { write.cancel() }
                    for write in writes { await expect(.cancelled) { try await write.value } }
                    try await Server.control("/reset", [:])
                    _ = try await count.value
                }
                _ = try await repository.count()
                #expect(try await Server.control("/connections") == connections)
            }
        }

        /// Calls that are given up behind large uploads, and reset while the connection takes no bytes, do not close it.
        @Test(arguments: [8, 12_000]) func callsCanBeGivenUpBehindUploads(_ size: Int) async throws {
            try await Server.control("/reset", [:])
            let options = options {
                $0.connection.deadline = .seconds(86_400)
                $0.connection.retry = .none
                $0.write.batchBytes = 64 << 20
                $0.write.batchCount = 1_000
            }
            let store = try Server.service(options)
            try await Server.withCollection(Server.service(), dimension: 25_000) { large in
                let name = try await large.describe().name
                let vector = [Float](repeating: 1, count: 25_000)
                let uploads = (0..<300).map { VectorRecord(id: "\($0)", vector: vector) }
                try await Server.withCollection(store) { repository in
                    _ = try await store.count(CountRequest(collection: name))
                    let connections = try await Server.control("/connections")
                    for _ in 0..<4 {
                        try await Server.control("/settings", ["hold_bytes": true])
                        let underWay = (0..<2).map { _ in
                            Task { try await store.upsert(UpsertRequest(collection: name, records: uploads)) }
                        }
                        try await Task.sleep(for: .milliseconds(300))
                        let payload: [String: PayloadValue] = ["text": .string(String(repeating: "y", count: size))]
                        let writes = (0..<50).map { number in
                            Task {
                                try await repository.upsert([
                                    VectorRecord(id: "\(number)", vector: [1, 0, 0, 0], payload: payload)
                                ])
                            }
                        }
                        try await Task.sleep(for: .milliseconds(100))
                        for write in writes { write.cancel() }
                        for write in writes { await expect(.cancelled) { try await write.value } }
                        try await Server.control("/reset", [:])
                        try await repository.upsert([VectorRecord(id: "later", vector: [1, 1, 1, 1])])
                        for task in underWay { try await task.value }
                    }
                    #expect(try await repository.fetch(["later"]).count == 1)
                    #expect(try await Server.control("/connections") == connections)
                }
            }
        }

        /// Those on their way, those that wait for their turn, and those of which one request follows the other.
        @Test func closingWaitsForTheCallsUnderWay() async throws {
            try await Server.control("/reset", [:])
            try await Server.withCollection(Server.service()) { repository in
                let name = try await repository.describe().name
                try await repository.upsert([VectorRecord(id: "a", vector: [1, 0, 0, 0])])
                let store = try Server.service(
                    options {
                        $0.connection.deadline = .seconds(86_400)
                        $0.write.batchCount = 100
                    })
                try await Server.control("/reset", [:])
                for method in ["Count", "Query", "Upsert"] {
                    try await Server.control("/faults", ["method": .string(method), "times": 200, "hold": true])
                }
                // Its score is so small that the vector is fetched, to score it in full.
                var wanted = QueryOptions()
                wanted.topK = 2_000
                let request = QueryRequest(collection: name, vector: [0, 1, 0, 0], options: wanted)
                let query = Task { try await store.query(request) }
                let upsert = Task {
                    try await store.upsert(
                        UpsertRequest(collection: name, records: Array(Self.records.prefix(1_000))))
                }
                let counts = (0..<100).map { _ in Task { try await store.count(CountRequest(collection: name)) } }
                while store.connection.gate.waitingCount < 100 + 1 + 4 - 64 { await Task.yield() }
                try await store.close()
                await expect(.unavailable) { _ = try await store.listCollections() }
                try await Server.control("/reset", [:])
                #expect(try await query.value.contains { $0.id == "a" })
                try await upsert.value
                for count in counts { #expect(try await count.value >= 1) }
                #expect(try await Server.control("/calls").objectValue?["Get"] != nil)
                #expect(try await repository.count() == 1_001)
                await expect(.unavailable) { _ = try await store.listCollections() }
            }
        }

        @Test func cancellingTheTaskCancelsTheCall() async throws {
            try await Server.control("/reset", [:])
            // Neither an answer nor the deadline ends the call: the cancellation does, or nothing.
            let options = options { $0.connection.deadline = .seconds(86_400) }
            try await Server.withCollection(Server.service(options)) { repository in
                try await Server.control("/faults", ["method": "Count", "hold": true])
                let task = Task { try await repository.count() }
                while try await Server.control("/calls").objectValue?["Count"] == nil {}
                task.cancel()
                await expect(.cancelled) { _ = try await task.value }
                try await Server.control("/reset", [:])
            }
        }

        @Test func aCreationWhoseReplyIsLostIsACreation() async throws {
            try await Server.control("/reset", [:])
            try await Server.control("/faults", ["method": "Collections.Create", "drop": "after"])
            try await Server.withCollection(Server.service()) { repository in
                await expect(.collectionAlreadyExists) { try await repository.createCollection() }
                try await repository.dropCollection()
                try await Server.control("/faults", ["method": "Collections.Create", "drop": "after"])
                try await repository.createCollection()
            }
        }

        @Test func aDeletionWhoseReplyIsLostCountsWhatWasThere() async throws {
            try await Server.control("/reset", [:])
            let options = options { $0.write.repeatsLostWrites = true }
            try await Server.withCollection(Server.service(options)) { repository in
                try await repository.upsert(Array(Self.records.prefix(3)))
                try await Server.control("/faults", ["method": "Delete", "drop": "after"])
                #expect(try await repository.delete(["record 0", "record 1", "none"]) == 2)
                #expect(try await repository.count() == 1)
            }
        }

        @Test func aServerThatIsNotThereIsUnavailable() async throws {
            let store = try QdrantVectorStore(url: "qdrant://127.0.0.1:1")
            await expect(.unavailable) { _ = try await store.listCollections() }
            try await store.close()
            await expect(.unavailable) { _ = try await store.listCollections() }
        }

        @Test func theAPIKeyIsSentAndChecked() async throws {
            try await Server.control("/reset", [:])
            try await Server.control("/settings", ["api_key": "open-sesame"])
            let right = try QdrantVectorStore(url: Server.serviceURL, apiKey: "open-sesame")
            _ = try await right.listCollections()
            let wrong = try QdrantVectorStore(url: Server.serviceURL, apiKey: "close-sesame")
            let error = await expect(.unauthorized) { _ = try await wrong.listCollections() }
            #expect(error?.description.contains("sesame") == false)
            try await Server.control("/reset", [:])
            try await right.close()
            try await wrong.close()
        }

        @Test func certificatesAreChecked() async throws {
            try await Server.control("/reset", [:])
            let trusted = try Server.certificate
            for (change, isTaken) in [
                ({ $0.connection.trustedCertificates = trusted }, true),
                ({ $0.connection.verifiesCertificates = false }, true),
                ({ _ in }, false),
            ] as [((inout QdrantOptions) -> Void, Bool)] {
                let store = try QdrantVectorStore(url: Server.tlsURL, options: options(change))
                if isTaken {
                    _ = try await store.listCollections()
                } else {
                    await expect(.unavailable) { _ = try await store.listCollections() }
                }
                try await store.close()
            }
        }
    }
}
#endif
