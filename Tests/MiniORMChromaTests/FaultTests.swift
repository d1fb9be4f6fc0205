#if Chroma
import Foundation
import MiniORM
import MiniORMChroma
import Synchronization
import Testing

@Suite(.serialized)
struct FaultTests {
    private static func venv() throws -> String {
        try #require(ProcessInfo.processInfo.environment["MINIORM_CHROMA_VENV"], "scripts/services start chroma")
    }

    /// A server of this test's own, so that it can be killed.
    private func start(_ folder: URL, port: Int) throws -> Child {
        try Child(
            "\(Self.venv())/bin/chroma",
            ["run", "--path", folder.path, "--host", "127.0.0.1", "--port", "\(port)"])
    }

    private func records(_ count: Int) -> [VectorRecord] {
        (0..<count).map { index in
            let vector = (0..<16).map { (position: Int) -> Float in Float((position * 31 + index * 7) % 101) - 50 }
            return VectorRecord(id: "r\(index)", vector: vector, payload: ["n": .int(Int64(index))])
        }
    }

    @Test(
        "an upsert of 20,000 survives the server's death; without retries it says what is in", arguments: [true, false])
    func killed(retrying: Bool) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("chroma-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let port = Int.random(in: 40_000..<50_000)
        var server = try start(folder, port: port)
        var configuration = ChromaConfiguration(host: "127.0.0.1", port: port)
        let patient = RetryPolicy(maximumAttempts: 100, baseDelay: .milliseconds(100), maximumDelay: .milliseconds(500))
        configuration.retries = patient
        // Two are under way at a time, so that one at least has been answered when 3,000 records are in.
        configuration.limits.recordsPerWrite = 1_000
        let sure = try ChromaVectorStore(configuration)
        let target = try await AsyncVectorRepository(sure, "faults", dimension: 16, metric: .l2)
        configuration.repeatsLostWrites = retrying
        if !retrying { configuration.retries = .none }
        let repository = try await AsyncVectorRepository(
            try ChromaVectorStore(configuration), "faults", dimension: 16, metric: .l2)
        let all = records(20_000)
        let hasEnded = Mutex(false)
        async let upsert: VectorStoreError? = {
            defer { hasEnded.withLock { $0 = true } }
            do throws(VectorStoreError) { try await repository.upsert(all) } catch { return error }
            return nil
        }()
        // Killed when a part is in, and not all.
        while try await target.count() < 3_000 {
            try #require(!hasEnded.withLock { $0 }, "the upsert does not get on")
            try await Task.sleep(for: .milliseconds(5))
        }
        server.kill()
        if !retrying { _ = await upsert }
        server = try start(folder, port: port)
        let error = await upsert
        if retrying {
            #expect(error == nil, "\(String(describing: error))")
        } else {
            #expect(error?.code == .partialWrite)
            let written = error?.writtenIDs ?? []
            #expect(!written.isEmpty && written.count < 20_000)
            #expect(try await target.fetch(written).count == written.count)
            try await target.upsert(all)
        }
        #expect(try await target.count() == 20_000)
        #expect(try await target.fetch(["r0", "r19999"]) == [all[0], all[19_999]])
        #expect(try await target.query(all[77].vector, topK: 1, filter: ["n": 77]).first?.id == "r77")
        server.kill()
    }

    @Test("429, 503 and cut connections are tried again", arguments: ["429", "503", "cut", "lose", "half"])
    func retried(_ fault: String) async throws {
        // Creating: the collection is looked up, then created; a lost answer to the creation is no conflict.
        let proxy = try FaultyProxy([fault, "", fault, fault, "", fault])
        let store = try proxy.store { $0.repeatsLostWrites = true }
        let name = "fault-\(fault)"
        _ = try await ChromaServer.send("DELETE", "/collections/\(name)")
        let repository = try await AsyncVectorRepository(store, name, dimension: 16, metric: .l2, autoCreate: false)
        try await repository.createCollection()
        let some = records(10)
        try await repository.upsert(some)
        #expect(try await repository.count() == 10)
        #expect(try await repository.delete(["r1", "r2"]) == 2)
        #expect(try await repository.query(some[3].vector, topK: 1).first?.id == "r3")
        try await store.dropCollection(name)
        proxy.child.kill()
    }

    /// Sent again, it could be acknowledged while the first one is still with the server, which then undoes what is
    /// written next.
    @Test(
        "a write that nobody answered is not sent again, one that was refused is",
        arguments: [
            ("cut", false), ("lose", false), ("half", false), ("502", false), ("504", false), ("429", true),
            ("500", true), ("503", true),
        ])
    func lostWrites(_ fault: String, isRepeated: Bool) async throws {
        // Looked up, pre-flight, upsert; what is there, deletion.
        let proxy = try FaultyProxy(["", "", fault] + (isRepeated ? [""] : []) + ["", fault])
        let name = "lost-\(fault)"
        let direct = try await AsyncVectorRepository(
            ChromaServer.store(), name, dimension: 16, metric: .l2, overwrite: true)
        let repository = try await AsyncVectorRepository(
            proxy.store(), name, dimension: 16, metric: .l2, autoCreate: false)
        func attempt(_ write: () async throws -> Void) async throws {
            let error: (any Error)?
            do {
                try await write()
                error = nil
            } catch let failure { error = failure }
            #expect((error as? VectorStoreError)?.code == (isRepeated ? nil : .unavailable), "\(fault)")
        }
        try await attempt { try await repository.upsert(records(1)) }
        try await direct.upsert(records(1))
        try await attempt { _ = try await repository.delete(["r0"]) }
        let asked = try proxy.log().map { $0.path.split(separator: "/").last ?? "" }
        #expect(asked.count { $0 == "upsert" } == (isRepeated ? 2 : 1))
        #expect(asked.count { $0 == "delete" } == (isRepeated ? 2 : 1))
        try await direct.dropCollection()
        proxy.child.kill()
    }

    @Test("a drop that nobody answered is not sent again, and is known where it was done", arguments: ["cut", "lose"])
    func lostDrop(_ fault: String) async throws {
        let name = "lost-drop-\(fault)"
        let direct = try await AsyncVectorRepository(ChromaServer.store(), name, dimension: 2, overwrite: true)
        let proxy = try FaultyProxy(["", fault])
        let store = try proxy.store()
        if fault == "lose" {
            try await store.dropCollection(name)
        } else {
            let error = await #expect(throws: VectorStoreError.self) { try await store.dropCollection(name) }
            #expect(error?.code == .unavailable)
        }
        #expect(try proxy.log().count { $0.method == "DELETE" } == 1)
        #expect(try await direct.collectionExists() == (fault == "cut"))
        try await store.close()
        proxy.child.kill()
        if fault == "cut" { try await direct.dropCollection() }
    }

    @Test("a collection that is being dropped is looked up again")
    func beingDropped() async throws {
        let server = try ChromaServer.store()
        let name = "being-dropped"
        let records = try await AsyncVectorRepository(server, name, dimension: 2, overwrite: true)
        try await records.upsert([VectorRecord(id: "a", vector: [1, 0])])
        // Looked up, and then: the collection is there still, or it is not.
        let proxy = try FaultyProxy(["", "412", "", "", "412"])
        let store = try proxy.store()
        #expect(try await store.count(CountRequest(collection: name)) == 1)
        try await server.dropCollection(name)
        let error = await #expect(throws: VectorStoreError.self) {
            _ = try await store.count(CountRequest(collection: name))
        }
        #expect(error?.code == .collectionNotFound)
        proxy.child.kill()
    }

    @Test("without retries, each fault is a typed error")
    func typed() async throws {
        let proxy = try FaultyProxy(["429", "503", "500", "cut", "half", "401"])
        let store = try proxy.store { $0.retries = .none }
        for code: VectorStoreError.Code in [
            .unavailable, .unavailable, .backend, .unavailable, .unavailable, .unauthorized,
        ] {
            let error = await #expect(throws: VectorStoreError.self) { _ = try await store.listCollections() }
            #expect(error?.code == code)
        }
        proxy.child.kill()
    }

    @Test(
        "credentials reach a server that demands them, and their absence is a typed error that does not repeat them",
        arguments: [
            (.bearer("open-sesame"), "Authorization: Bearer open-sesame"),
            (.chromaToken("open-sesame"), "X-Chroma-Token: open-sesame"),
            // RFC 7617's own example of letters beyond ASCII, in UTF-8.
            (.basic(user: "test", password: "123£"), "Authorization: Basic dGVzdDoxMjPCow=="),
        ] as [(ChromaCredentials, String)])
    func credentials(_ credentials: ChromaCredentials, _ header: String) async throws {
        let proxy = try FaultyProxy(["demand=\(header)"])
        let store = try proxy.store { $0.credentials = credentials }
        let repository = try await AsyncVectorRepository(store, "fault-auth", dimension: 16, overwrite: true)
        let some = records(3)
        try await repository.upsert(some)
        #expect(try await repository.query(some[1].vector, topK: 1).first?.id == "r1")
        try await repository.dropCollection()
        for wrong: ChromaCredentials in [.none, .bearer("close-sesame"), .basic(user: "test", password: "sesame")] {
            let store = try proxy.store { $0.credentials = wrong }
            let error = await #expect(throws: VectorStoreError.self) { _ = try await store.listCollections() }
            #expect(error?.code == .unauthorized)
            #expect(error.map { "\($0)".contains("sesame") } == false)
        }
        proxy.child.kill()
    }

    @Test("user and password of the address are for basic authentication")
    func credentialsInTheAddress() async throws {
        let proxy = try FaultyProxy(["demand=Authorization: Basic dXNlcjpwQHNz"])
        let store = try ChromaVectorStore(url: "chroma://user:p%40ss@127.0.0.1:\(proxy.port)")
        _ = try await store.listCollections()
        proxy.child.kill()
    }

    @Test("the deadline ends a call that gets no answer")
    func deadline() async throws {
        let proxy = try FaultyProxy(["delay"])
        let store = try proxy.store { $0.deadline = .milliseconds(300) }
        let error = await #expect(throws: VectorStoreError.self) { _ = try await store.listCollections() }
        #expect(error?.code == .timeout)
        proxy.child.kill()
    }

    @Test("a task that is cancelled already sends nothing")
    func cancelledBefore() async throws {
        let proxy = try FaultyProxy([])
        let store = try proxy.store()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await store.listCollections()
        }
        let result = await task.result
        let error = #expect(throws: VectorStoreError.self) { try result.get() }
        #expect(error?.code == .cancelled)
        #expect(try proxy.log().isEmpty)
        proxy.child.kill()
    }

    @Test("a drop whose answer is lost has one deadline, with the look at what became of it")
    func deadlineOfDrop() async throws {
        // Looked up and created; looked up, dropped, looked up again. The last two together take longer than the
        // deadline, each of them less.
        let proxy = try FaultyProxy(["", "", "", "late-lose", "late", "pause=2"])
        _ = try await ChromaServer.send("DELETE", "/collections/fault-drop")
        let store = try proxy.store { $0.deadline = .seconds(3) }
        _ = try await AsyncVectorRepository(store, "fault-drop", dimension: 2)
        let error = await #expect(throws: VectorStoreError.self) { try await store.dropCollection("fault-drop") }
        #expect(error?.code == .timeout)
        #expect(try await ChromaServer.send("GET", "/collections/fault-drop").status == 404)
        proxy.child.kill()
    }

    @Test("cancelling the task ends a call that gets no answer")
    func cancellation() async throws {
        let proxy = try FaultyProxy(["delay"])
        let store = try proxy.store()
        let hasEnded = Mutex(false)
        let task = Task {
            defer { hasEnded.withLock { $0 = true } }
            return try await store.listCollections()
        }
        while try proxy.log().isEmpty {
            try #require(!hasEnded.withLock { $0 }, "the request is not sent")
            try await Task.sleep(for: .milliseconds(20))
        }
        task.cancel()
        let result = await task.result
        #expect(throws: VectorStoreError.self) { try result.get() }
        if case .failure(let error) = result { #expect(VectorStoreError.Code.cancelled ~= error) }
        proxy.child.kill()
    }
}
#endif
