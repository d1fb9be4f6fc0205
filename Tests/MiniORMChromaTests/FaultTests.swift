#if Chroma
import Foundation
import MiniORM
import MiniORMChroma
import Testing

/// A process of these tests.
final class Child {
    let process = Process()
    let output = Pipe()
    /// Where it listens, if it said so.
    var port: Int?

    init(_ program: String, _ arguments: [String], readsOutput: Bool = false) throws {
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = readsOutput ? output : FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    func kill() {
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    func firstLine() -> String {
        String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    deinit { if process.isRunning { kill() } }
}

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
        let sure = try ChromaVectorStore(configuration)
        let target = try await AsyncVectorRepository(sure, "faults", dimension: 16, metric: .l2)
        if !retrying { configuration.retries = .none }
        let repository = try await AsyncVectorRepository(
            try ChromaVectorStore(configuration), "faults", dimension: 16, metric: .l2)
        let all = records(20_000)
        async let upsert: VectorStoreError? = {
            do throws(VectorStoreError) { try await repository.upsert(all) } catch { return error }
            return nil
        }()
        // Killed when a part is in, and not all.
        while try await target.count() < 3_000 { try await Task.sleep(for: .milliseconds(5)) }
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

    private func proxied(
        _ faults: [String], _ change: (inout ChromaConfiguration) -> Void = { _ in }
    ) throws -> (Child, ChromaVectorStore) {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "faulty_proxy.py")
        let upstream = try ChromaServer.url().replacingOccurrences(of: "chroma://", with: "")
        let child = try Child("/usr/bin/env", ["python3", script.path, upstream] + faults, readsOutput: true)
        child.port = Int(child.firstLine())
        var configuration = ChromaConfiguration(host: "127.0.0.1", port: try #require(child.port))
        change(&configuration)
        return (child, try ChromaVectorStore(configuration))
    }

    @Test("429, 503 and cut connections are tried again", arguments: ["429", "503", "cut", "lose"])
    func retried(_ fault: String) async throws {
        // Creating: the collection is looked up, then created; a lost answer to the creation is no conflict.
        let (child, store) = try proxied([fault, "", fault, fault, "", fault])
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
        child.kill()
    }

    @Test("without retries, each fault is a typed error")
    func typed() async throws {
        let (child, store) = try proxied(["429", "503", "500", "cut", "401"]) { $0.retries = .none }
        for code: VectorStoreError.Code in [.unavailable, .unavailable, .backend, .unavailable, .unauthorized] {
            let error = await #expect(throws: VectorStoreError.self) { _ = try await store.listCollections() }
            #expect(error?.code == code)
        }
        child.kill()
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
        let (child, store) = try proxied(["demand=\(header)"]) { $0.credentials = credentials }
        let repository = try await AsyncVectorRepository(store, "fault-auth", dimension: 16, overwrite: true)
        let some = records(3)
        try await repository.upsert(some)
        #expect(try await repository.query(some[1].vector, topK: 1).first?.id == "r1")
        try await repository.dropCollection()
        child.kill()
        for wrong: ChromaCredentials in [.none, .bearer("close-sesame"), .basic(user: "test", password: "sesame")] {
            let (child, store) = try proxied(["demand=\(header)"]) { $0.credentials = wrong }
            let error = await #expect(throws: VectorStoreError.self) { _ = try await store.listCollections() }
            #expect(error?.code == .unauthorized)
            #expect(error.map { "\($0)".contains("sesame") } == false)
            child.kill()
        }
    }

    @Test("user and password of the address are for basic authentication")
    func credentialsInTheAddress() async throws {
        let (child, _) = try proxied(["demand=Authorization: Basic dXNlcjpwQHNz"])
        let port = try #require(child.port)
        let store = try ChromaVectorStore(url: "chroma://user:p%40ss@127.0.0.1:\(port)")
        _ = try await store.listCollections()
        child.kill()
    }

    @Test("the deadline ends a call that gets no answer")
    func deadline() async throws {
        let (child, store) = try proxied(["delay"]) { $0.deadline = .milliseconds(300) }
        let error = await #expect(throws: VectorStoreError.self) { _ = try await store.listCollections() }
        #expect(error?.code == .timeout)
        child.kill()
    }

    @Test("cancelling the task ends a call that gets no answer")
    func cancellation() async throws {
        let (child, store) = try proxied(["delay"])
        let task = Task { try await store.listCollections() }
        try await Task.sleep(for: .milliseconds(100))
        task.cancel()
        let result = await task.result
        #expect(throws: VectorStoreError.self) { try result.get() }
        if case .failure(let error) = result { #expect(VectorStoreError.Code.cancelled ~= error) }
        child.kill()
    }
}
#endif
