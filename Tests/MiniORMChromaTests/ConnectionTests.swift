#if Chroma
import Foundation
import MiniORM
import MiniORMChroma
import Synchronization
import Testing

/// What goes over connections, and what becomes of them.
@Suite(.serialized)
struct ConnectionTests {
    private func records(_ count: Int) -> [VectorRecord] {
        (0..<count).map { VectorRecord(id: "r\($0)", vector: [Float($0), 1], payload: ["n": .int(Int64($0))]) }
    }

    @Test("a server that is not there is unavailable, before the deadline passes")
    func closedPort() async throws {
        // A port that was free a moment ago.
        let proxy = try FaultyProxy([])
        proxy.child.kill()
        let store = try proxy.store()
        // A deadline would be a timeout.
        let error = await #expect(throws: VectorStoreError.self) { _ = try await store.listCollections() }
        #expect(error?.code == .unavailable)
    }

    @Test("a deadline that passes while a server fails tells of the failure")
    func deadlineAfterFailure() async throws {
        let proxy = try FaultyProxy(["503", "delay"])
        let store = try proxy.store { $0.deadline = .milliseconds(1_500) }
        let error = await #expect(throws: VectorStoreError.self) { _ = try await store.listCollections() }
        #expect(error?.code == .timeout)
        #expect((error?.cause as? VectorStoreError)?.code == .unavailable)
        proxy.child.kill()
    }

    @Test("credentials that no header can hold are refused at once, and not repeated")
    func impossibleCredentials() throws {
        for credentials: ChromaCredentials in [
            .bearer("sesame\n"), .chromaToken("se\0same"), .bearer("sesame\r\nX: y"),
        ] {
            var configuration = ChromaConfiguration()
            configuration.credentials = credentials
            let error = #expect(throws: VectorStoreError.self) { _ = try ChromaVectorStore(configuration) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.cause == nil)
        }
    }

    @Test("what Retry-After asks for is waited, or the request not repeated where the deadline does not allow it")
    func retryAfter() async throws {
        let patient = try FaultyProxy(["429"])
        _ = try await patient.store().listCollections()
        #expect(try patient.log().count == 2)
        patient.child.kill()
        // Without the header, the pauses are short enough.
        let hurried = try FaultyProxy(["429", "retry-after=3600"])
        let store = try hurried.store()
        let error = await #expect(throws: VectorStoreError.self) { _ = try await store.listCollections() }
        #expect(error?.code == .unavailable)
        #expect(try hurried.log().count == 1)
        hurried.child.kill()
    }

    @Test("connections are used again")
    func reuse() async throws {
        let proxy = try FaultyProxy([])
        let store = try proxy.store()
        let repository = try await AsyncVectorRepository(
            store, "connection-reuse", dimension: 2, metric: .l2, overwrite: true)
        try await repository.upsert(records(10))
        for _ in 0..<10 { _ = try await repository.query([1, 1]) }
        let log = try proxy.log()
        #expect(log.count >= 13)
        #expect(Set(log.map(\.connection)).count == 1)
        try await repository.dropCollection()
        proxy.child.kill()
    }

    @Test("batches keep to the server's limit, and as many are under way as are allowed", arguments: [1, 3])
    func batches(_ writesInFlight: Int) async throws {
        let proxy = try FaultyProxy([
            #"preflight={"max_batch_size":7,"supports_base64_encoding":true}"#, "slow=0.05",
        ])
        let store = try proxy.store { $0.limits.writesInFlight = writesInFlight }
        let repository = try await AsyncVectorRepository(
            store, "connection-batches", dimension: 2, metric: .l2, overwrite: true)
        try await repository.upsert(records(100))
        #expect(try await repository.count() == 100)
        let upserts = try proxy.log().filter { $0.path.hasSuffix("/upsert") }
        #expect(upserts.count == 15)
        #expect(upserts.map(\.upserts).max() == writesInFlight)
        try await repository.dropCollection()
        proxy.child.kill()
    }

    @Test("batches keep to the bytes, whatever the payloads are")
    func bytes() async throws {
        let proxy = try FaultyProxy([])
        let store = try proxy.store { $0.limits.bytesPerWrite = 20_000 }
        let repository = try await AsyncVectorRepository(
            store, "connection-bytes", dimension: 2, metric: .l2, overwrite: true)
        // Short ones, long ones, ones that grow when they are escaped, and one that is too long for any batch.
        let texts = (0..<60).map { index in
            String(repeating: index % 3 == 0 ? "\u{1}" : "x", count: index == 30 ? 30_000 : index * 20)
        }
        let all = texts.enumerated().map {
            VectorRecord(id: "id\($0)", vector: [Float($0), 1], payload: ["text": .string($1)])
        }
        try await repository.upsert(all)
        #expect(try await repository.fetch(all.map(\.id)) == all)
        let lengths = try proxy.log().filter { $0.path.hasSuffix("/upsert") }.map(\.length)
        #expect(lengths.count { $0 > 20_100 } == 1, "\(lengths)")
        #expect(lengths.count > 5 && lengths.count < 40)
        try await repository.dropCollection()
        proxy.child.kill()
    }

    @Test("a server that takes no base64 gets numbers")
    func numbers() async throws {
        let proxy = try FaultyProxy([#"preflight={"max_batch_size":100,"supports_base64_encoding":false}"#])
        let repository = try await AsyncVectorRepository(
            try proxy.store(), "connection-numbers", dimension: 3, metric: .l2, overwrite: true)
        let record = VectorRecord(id: "a", vector: [0.1, -1e-20, 3e38])
        try await repository.upsert([record])
        #expect(try await repository.fetch(["a"]) == [record])
        let upsert = try proxy.log().last { $0.path.hasSuffix("/upsert") }
        #expect(upsert?.body.contains(#""embeddings":[[1000000015e-10,"#) == true)
        try await repository.dropCollection()
        proxy.child.kill()
    }

    @Test("where the server cannot evaluate a filter, only the vectors that are needed travel")
    func vectorsOfMatches() async throws {
        let proxy = try FaultyProxy([])
        let store = try proxy.store { $0.isExact = true }
        let repository = try await AsyncVectorRepository(
            store, "connection-vectors", dimension: 2, metric: .l2, overwrite: true)
        try await repository.upsert(records(50))
        let hits = try await repository.query([0, 1], filter: .field("n").notIn((2..<50).map { .int($0) }))
        #expect(hits.map(\.id) == ["r0", "r1"])
        let reads = try proxy.log().filter { $0.path.hasSuffix("/get") && $0.body.contains("embeddings") }
        #expect(reads.count == 1)
        #expect(reads.first?.body.contains(#""ids":["r0","r1"]"#) == true)
        try await repository.dropCollection()
        proxy.child.kill()
    }

    @Test("a cancelled upsert names what is in")
    func cancelledUpsert() async throws {
        // Looked up, created, the server's limits, two batches; the third one is not answered.
        let proxy = try FaultyProxy(["", "", "", "", "", "delay"])
        _ = try await ChromaServer.send("DELETE", "/collections/connection-cancel")
        let store = try proxy.store {
            $0.limits.recordsPerWrite = 10
            $0.limits.writesInFlight = 1
        }
        let repository = try await AsyncVectorRepository(store, "connection-cancel", dimension: 2, metric: .l2)
        let all = records(50)
        let hasEnded = Mutex(false)
        let task = Task {
            defer { hasEnded.withLock { $0 = true } }
            try await repository.upsert(all)
        }
        while try proxy.log().count(where: { $0.path.hasSuffix("/upsert") }) < 3 {
            try #require(!hasEnded.withLock { $0 }, "the third batch is not sent")
            try await Task.sleep(for: .milliseconds(20))
        }
        task.cancel()
        let result = await task.result
        let error = #expect(throws: VectorStoreError.self) { try result.get() }
        #expect(error?.code == .cancelled)
        #expect(error?.writtenIDs == all.prefix(20).map(\.id))
        proxy.child.kill()
        _ = try await ChromaServer.send("DELETE", "/collections/connection-cancel")
    }

    @Test("a tenant of any name is reached")
    func tenants() async throws {
        let root = try ChromaServer.url().replacingOccurrences(of: "chroma://", with: "http://") + "/api/v2/tenants"
        _ = try await ChromaServer.send("POST", to: root, #"{"name":"a/b é"}"#)
        _ = try await ChromaServer.send("POST", to: root + "/a%2Fb%20%C3%A9/databases", #"{"name":"some.base"}"#)
        for url in [true, false] {
            var configuration = try ChromaConfiguration(
                url: ChromaServer.url() + (url ? "/a%2Fb%20%C3%A9/some.base" : ""))
            if !url { (configuration.tenant, configuration.database) = ("a/b é", "some.base") }
            let store = try ChromaVectorStore(configuration)
            let repository = try await AsyncVectorRepository(
                store, "connection-tenant", dimension: 2, metric: .l2, overwrite: true)
            try await repository.upsert(records(1))
            #expect(try await store.listCollections() == ["connection-tenant"])
            #expect(try await !ChromaServer.store().listCollections().contains("connection-tenant"))
            try await repository.dropCollection()
        }
        let nowhere = try ChromaServer.store { $0.tenant = "nobody" }
        let error = await #expect(throws: VectorStoreError.self) {
            _ = try await AsyncVectorRepository(nowhere, "connection-tenant", dimension: 2)
        }
        #expect(error?.code == .invalidArgument)
    }

    @Test("certificates are checked, unless that is turned off")
    func certificates() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("chroma-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let certificate = folder.appendingPathComponent("certificate.pem").path
        let key = folder.appendingPathComponent("key.pem").path
        let openssl = try Child(
            "/usr/bin/env",
            [
                "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            ])
        openssl.process.waitUntilExit()
        try #require(openssl.process.terminationStatus == 0, "openssl makes no certificate")
        let proxy = try FaultyProxy(["certificate=\(certificate)", "key=\(key)"])
        func store(_ change: (inout ChromaConfiguration) -> Void) throws -> ChromaVectorStore {
            var configuration = try ChromaConfiguration(url: "chromas://localhost:\(proxy.port)")
            change(&configuration)
            return try ChromaVectorStore(configuration)
        }
        let trusting = try store { $0.trustedCertificates = certificate }
        let repository = try await AsyncVectorRepository(
            trusting, "connection-tls", dimension: 2, metric: .l2, overwrite: true)
        try await repository.upsert(records(3))
        #expect(try await repository.query([0, 1], topK: 1).map(\.id) == ["r0"])
        try await repository.dropCollection()
        _ = try await store { $0.acceptsAnyCertificate = true }.listCollections()
        for refused in [
            try store { _ in },
            // The certificate is trusted, and is another host's.
            try store {
                $0.trustedCertificates = certificate
                $0.host = "127.0.0.1"
            },
        ] {
            let error = await #expect(throws: VectorStoreError.self) { _ = try await refused.listCollections() }
            #expect(error?.code == .unavailable)
        }
        proxy.child.kill()
    }
}
#endif
