import Dispatch
import Foundation
import MiniORM
import Synchronization
import TestSupport
import Testing

@testable import MiniORM

/// The contract's section 6: nothing blocks a thread of the cooperative pool, and a task can be cancelled.
@Suite struct BridgeTests {
    /// A store that blocks its thread until it is let go.
    final class BlockingStore: VectorStorePort {
        let name = "blocking"
        let capabilities = StoreCapabilities()
        private let entered = DispatchSemaphore(value: 0)
        private let gate = DispatchSemaphore(value: 0)
        private let running = Mutex(0)
        private let most = Mutex(0)

        func letGo(_ count: Int) { for _ in 0..<count { gate.signal() } }
        var mostAtOnce: Int { most.withLock { $0 } }
        var calls: Int { running.withLock { $0 } }

        func createCollection(_ request: CreateCollectionRequest) {}
        func upsert(_ request: UpsertRequest) {}
        func query(_ request: QueryRequest) -> [VectorSearchResult] {
            let now = running.withLock { running in
                running += 1
                return running
            }
            most.withLock { $0 = max($0, now) }
            gate.wait()
            running.withLock { $0 -= 1 }
            return [VectorSearchResult(id: "a", score: 1)]
        }
        func fetch(_ request: FetchRequest) -> [VectorRecord] { [] }
        func delete(_ request: DeleteRequest) -> Int { 0 }
    }

    @Test func callsBeyondTheThreadsWaitAndTheirTasksGoOn() async throws {
        let store = BlockingStore()
        let repository = try await AsyncVectorRepository(
            OffloadedVectorStore(store, threads: 3), "c", dimension: 1)
        // More blocked calls than the pool has threads: were they on it, nothing below would run.
        let answers = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<64 { group.addTask { try await repository.query([1]).count } }
            while store.calls < 3 { await Task.yield() }
            store.letGo(64)
            return try await group.reduce(0, +)
        }
        #expect(answers == 64)
        #expect(store.mostAtOnce == 3)
    }

    @Test func aCallThatIsCancelledWhileItWaitsNeverReachesTheStore() async throws {
        let store = BlockingStore()
        let offloaded = OffloadedVectorStore(store, threads: 1)
        let repository = try await AsyncVectorRepository(offloaded, "c", dimension: 1)
        let running = Task { try await repository.query([1]) }
        while store.calls < 1 { await Task.yield() }
        let waiting = Task { try await repository.query([1]) }
        waiting.cancel()
        await #expect(throws: VectorStoreError.self) { _ = try await waiting.value }
        let result = await waiting.result
        #expect(result.failureCode == .cancelled)
        store.letGo(1)
        #expect(try await running.value.count == 1)
        // The thread is free again.
        store.letGo(1)
        #expect(try await repository.query([1]).count == 1)
    }

    /// A store whose calls go on until they are cancelled.
    struct EndlessStore: VectorStorePort {
        let name = "endless"
        let capabilities = StoreCapabilities()
        let entered = DispatchSemaphore(value: 0)

        func createCollection(_ request: CreateCollectionRequest) {}
        func upsert(_ request: UpsertRequest) {}
        func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] {
            entered.signal()
            while !BlockingCall.isCancelled { Thread.sleep(forTimeInterval: 0.001) }
            throw VectorStoreError(.cancelled, "told")
        }
        func fetch(_ request: FetchRequest) -> [VectorRecord] { [] }
        func delete(_ request: DeleteRequest) -> Int { BlockingCall.isCancelled ? 1 : 0 }
    }

    @Test func aCallThatRunsIsToldOfTheCancellation() async throws {
        let store = EndlessStore()
        let repository = try await AsyncVectorRepository(OffloadedVectorStore(store, threads: 1), "c", dimension: 1)
        let running = Task { try await repository.query([1]) }
        while store.entered.wait(timeout: .now()) == .timedOut { await Task.yield() }
        running.cancel()
        #expect(await running.result.failureCode == .cancelled)
        // The next call on the same thread is not.
        #expect(try await repository.delete(["a"]) == 0)
    }

    /// A store of the caller's over one that suspends: it knows nothing of cancellation.
    struct SyncWrapper: VectorStorePort {
        let base: BlockingVectorStore
        let name = "wrapper"
        let capabilities = StoreCapabilities()

        func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
            try base.createCollection(request)
        }
        func upsert(_ request: UpsertRequest) throws(VectorStoreError) { try base.upsert(request) }
        func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] { try base.query(request) }
        func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] { try base.fetch(request) }
        func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int { try base.delete(request) }
    }

    /// A store that suspends until its task is cancelled, for ten seconds at the most.
    struct PatientStore: AsyncVectorStorePort {
        let name = "patient"
        let capabilities = StoreCapabilities()
        let entered = DispatchSemaphore(value: 0)

        func createCollection(_ request: CreateCollectionRequest) async {}
        func upsert(_ request: UpsertRequest) async {}
        func query(_ request: QueryRequest) async throws(VectorStoreError) -> [VectorSearchResult] {
            entered.signal()
            do { try await Task.sleep(for: .seconds(10)) } catch { throw VectorStoreError(.cancelled, "told") }
            return []
        }
        func fetch(_ request: FetchRequest) async -> [VectorRecord] { [] }
        func delete(_ request: DeleteRequest) async -> Int { Task.isCancelled ? 1 : 0 }
    }

    @Test func cancellationGoesThroughTwoBridges() async throws {
        let store = PatientStore()
        let repository = try await AsyncVectorRepository(
            OffloadedVectorStore(SyncWrapper(base: BlockingVectorStore(store)), threads: 1), "c", dimension: 1)
        let running = Task { try await repository.query([1]) }
        while store.entered.wait(timeout: .now()) == .timedOut { await Task.yield() }
        running.cancel()
        #expect(await running.result.failureCode == .cancelled)
        // The next call on the same thread is not.
        #expect(try await repository.delete(["a"]) == 0)
    }

    @Test func callsThatAreCancelledLeaveTheLine() async throws {
        let threads = BlockingThreads(count: 1, maximumWaiting: 10)
        let (entered, gate) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let running = Task {
            try await threads.run {
                entered.signal()
                gate.wait()
            }
        }
        while entered.wait(timeout: .now()) == .timedOut { await Task.yield() }
        let first = Task { try await threads.run { 1 } }
        while threads.lengthOfLine < 1 { await Task.yield() }
        for _ in 0..<500 {
            let length = threads.lengthOfLine
            let task = Task { try await threads.run { 2 } }
            while threads.lengthOfLine == length { await Task.yield() }
            task.cancel()
            #expect(await task.result.failureCode == .cancelled)
        }
        #expect(threads.lengthOfLine < 100)
        // Those that were not cancelled are still in it.
        gate.signal()
        try await running.value
        #expect(try await first.value == 1)
        #expect(try await threads.run { 3 } == 3)
    }

    @Test func theLineIsBounded() async throws {
        let store = BlockingStore()
        let repository = try await AsyncVectorRepository(
            OffloadedVectorStore(store, threads: 1, maximumWaiting: 2), "c", dimension: 1)
        let running = Task { try await repository.query([1]) }
        while store.calls < 1 { await Task.yield() }
        let results = await withTaskGroup(of: VectorStoreError.Code?.self) { group in
            for _ in 0..<5 { group.addTask { await Task { try await repository.query([1]) }.result.failureCode } }
            // Three of the five find the line full; then the others are let go.
            var codes: [VectorStoreError.Code?] = []
            for await code in group {
                codes.append(code)
                if codes.count == 3 { store.letGo(3) }
            }
            return codes
        }
        #expect(results.count { $0 == .unavailable } == 3)
        #expect(results.count { $0 == nil } == 2)
        #expect(try await running.value.count == 1)
    }

    /// The embedded store as one that suspends.
    struct SuspendingStore: AsyncVectorStorePort {
        let base = InMemoryVectorStore()
        let name = "suspending"
        var capabilities: StoreCapabilities {
            var capabilities = base.capabilities
            capabilities.nativeOperations = [.describeCollection]
            return capabilities
        }
        func createCollection(_ request: CreateCollectionRequest) async throws(VectorStoreError) {
            await Task.yield()
            try base.createCollection(request)
        }
        func upsert(_ request: UpsertRequest) async throws(VectorStoreError) {
            await Task.yield()
            try base.upsert(request)
        }
        func query(_ request: QueryRequest) async throws(VectorStoreError) -> [VectorSearchResult] {
            await Task.yield()
            return try base.query(request)
        }
        func fetch(_ request: FetchRequest) async throws(VectorStoreError) -> [VectorRecord] {
            await Task.yield()
            return try base.fetch(request)
        }
        func delete(_ request: DeleteRequest) async throws(VectorStoreError) -> Int { try base.delete(request) }
        func describeCollection(_ name: String) async throws(VectorStoreError) -> CollectionDescription? {
            try base.describeCollection(name)
        }
    }

    /// Runs a body on a thread that belongs to no task.
    private func onAThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue(label: "test").async { continuation.resume(with: Result(catching: body)) }
        }
    }

    @Test func aStoreThatSuspendsWorksInTheSyncRepository() async throws {
        let store = SuspendingStore()
        let found = try await onAThread {
            let repository = try VectorRepository(store, "c", dimension: 1, metric: .dot)
            try repository.upsert((0..<10).map { VectorRecord(id: "r\($0)", vector: [Float($0)]) })
            #expect(try repository.records(pageSize: 3).map { try $0.get() }.count == 10)
            #expect(try repository.describe().metric == .dot)
            expect(.collectionMismatch) { _ = try VectorRepository(store, "c", dimension: 2) }
            return try repository.query([1], topK: 2).map(\.id)
        }
        #expect(found == ["r9", "r8"])
    }

    @Test func manyThreadsWaitAtOnce() async throws {
        let store = SuspendingStore()
        try await onAThread {
            try VectorRepository(store, "c", dimension: 1).upsert([VectorRecord(id: "a", vector: [1])])
        }
        let answers = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<32 {
                group.addTask {
                    try await onAThread {
                        let repository = try VectorRepository(store, "c", dimension: 1)
                        return try (0..<20).reduce(0) { sum, _ in try sum + repository.query([1]).count }
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(answers == 640)
    }

    @Test func blockingATaskIsRefused() async throws {
        let store = BlockingVectorStore(SuspendingStore())
        let code = await Task { expect(.invalidArgument) { _ = try store.describeCollection("c") }?.code }.value
        #expect(code == .invalidArgument)
    }
}

extension Result {
    fileprivate var failureCode: VectorStoreError.Code? {
        if case .failure(let error) = self { (error as? VectorStoreError)?.code } else { nil }
    }
}
