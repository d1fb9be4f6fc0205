#if Chroma
public import MiniORM

extension ChromaVectorStore {
    /// Inserts or replaces, in batches of the server's limit and of bytes, a few of them under way at a time.
    public func upsert(_ request: UpsertRequest) async throws(VectorStoreError) {
        let (_, mark) = try await collection(request.collection)
        let records = Self.lastOfEach(request.records)
        for record in records {
            guard !record.id.isEmpty else {
                throw VectorStoreError(.invalidIdentifier, "an id is empty", store: name, recordID: record.id)
            }
            guard record.vector.count == mark.dimension else {
                throw VectorStoreError(
                    .invalidVector,
                    "the vector has \(record.vector.count) components, the collection \(mark.dimension)",
                    store: name, collection: request.collection, recordID: record.id)
            }
        }
        let server = try await serverLimits()
        let batches = batches(records, mark, server)
        let (written, failure) = await send(batches, mark, server, request.collection)
        guard let failure else { return }
        guard !written.isEmpty, failure.code != .cancelled else {
            throw VectorStoreError(
                failure.code, failure.message, store: name, collection: request.collection,
                recordID: failure.recordID, writtenIDs: written, cause: failure.cause)
        }
        throw VectorStoreError(
            .partialWrite,
            "\(written.count) of \(records.count) records are in, then: \(failure.message); send the call again",
            store: name, collection: request.collection, writtenIDs: written, cause: failure)
    }

    /// Sends batches, no more of them at a time than may be under way; stops at the first failure.
    private func send(
        _ batches: [ArraySlice<VectorRecord>], _ mark: ChromaCollection.Mark, _ server: Preflight, _ name: String
    ) async -> (written: [String], failure: VectorStoreError?) {
        await withTaskGroup(of: (Int, VectorStoreError?).self) { group in
            var next = 0
            func start() {
                guard next < batches.count else { return }
                let index = next
                next += 1
                group.addTask {
                    do throws(VectorStoreError) {
                        if Task.isCancelled { throw ChromaError.cancelled(nil) }
                        let body = RecordRequest.upsert(batches[index], mark, isBase64: server.takesBase64)
                        _ = try await self.send("upsert", body, name, mark)
                        return (index, nil)
                    } catch { return (index, error) }
                }
            }
            for _ in 0..<configuration.limits.writesInFlight { start() }
            var written: [Int] = []
            var failure: VectorStoreError?
            for await (index, error) in group {
                if let error {
                    failure = failure ?? error
                } else {
                    written.append(index)
                    if failure == nil { start() }
                }
            }
            return (failure == nil ? [] : written.sorted().flatMap { batches[$0].map(\.id) }, failure)
        }
    }

    private func batches(
        _ records: [VectorRecord], _ mark: ChromaCollection.Mark, _ server: Preflight
    ) -> [ArraySlice<VectorRecord>] {
        let limit = min(configuration.limits.recordsPerWrite, server.recordsPerWrite)
        // What a payload takes is not known before it is written; a few hundred bytes are usual.
        let bytesPerRecord = mark.dimension * (server.takesBase64 ? 6 : 13) + 512
        let size = max(1, min(limit, configuration.limits.bytesPerWrite / bytesPerRecord))
        return stride(from: 0, to: records.count, by: size).map { records[$0..<min($0 + size, records.count)] }
    }

    /// The server would merge two records of one id in a request.
    private static func lastOfEach(_ records: [VectorRecord]) -> [VectorRecord] {
        var seen: Set<UTF8Key> = []
        seen.reserveCapacity(records.count)
        guard records.contains(where: { !seen.insert(UTF8Key($0.id)).inserted }) else { return records }
        seen.removeAll()
        return records.reversed().filter { seen.insert(UTF8Key($0.id)).inserted }.reversed()
    }

    /// Deletes by id. The server counts what it was asked to delete, so it is asked first what is there.
    public func delete(_ request: DeleteRequest) async throws(VectorStoreError) -> Int {
        let (_, mark) = try await collection(request.collection)
        var seen: Set<UTF8Key> = []
        let ids = request.ids.filter { !$0.isEmpty && seen.insert(UTF8Key($0)).inserted }
        if ids.isEmpty { _ = try await send("count", nil, request.collection, mark) }
        var deleted = 0
        for chunk in chunks(ids, configuration.limits.recordsPerWrite) {
            let body = RecordRequest.get(ids: chunk, [])
            let present = try RecordReply.rows(try await send("get", body, request.collection, mark))
            guard !present.isEmpty else { continue }
            _ = try await send("delete", RecordRequest.delete(ids: present.map(\.id)), request.collection, mark)
            deleted += present.count
        }
        return deleted
    }

    /// Deletes what matches, page by page.
    public func deleteMatching(_ request: DeleteMatchingRequest) async throws(VectorStoreError) -> Int {
        let (_, mark) = try await collection(request.collection)
        var deleted = 0
        try await forEachPage(request.collection, mark, request.filter, [.metadatas]) {
            (rows) throws(VectorStoreError) in
            guard !rows.isEmpty else { return }
            for chunk in self.chunks(rows.map(\.row.id), self.configuration.limits.recordsPerWrite) {
                _ = try await self.send("delete", RecordRequest.delete(ids: chunk), request.collection, mark)
            }
            deleted += rows.count
        }
        return deleted
    }
}
#endif
