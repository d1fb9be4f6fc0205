#if Chroma
public import MiniORM

extension ChromaVectorStore {
    /// Inserts or replaces, in batches of the server's limit and of bytes, a few of them under way at a time.
    public func upsert(_ request: UpsertRequest) async throws(VectorStoreError) {
        let opened = try await open(request.collection)
        let records = Self.lastOfEach(request.records)
        for record in records { try check(record, opened) }
        let (written, failure) = await send(records, opened)
        guard let failure else { return }
        // What is in another collection than the one of this name is not in.
        let isPartial = !written.isEmpty && failure.code != .cancelled && failure.code != .collectionMismatch
        guard isPartial else {
            throw VectorStoreError(
                failure.code, failure.message, store: name, collection: request.collection,
                recordID: failure.recordID, writtenIDs: failure.code == .collectionMismatch ? [] : written,
                cause: failure.cause)
        }
        throw VectorStoreError(
            .partialWrite,
            "\(written.count) of \(records.count) records are in, then: \(failure.message); send the call again",
            store: name, collection: request.collection, writtenIDs: written, cause: failure)
    }

    private func check(_ record: VectorRecord, _ opened: OpenedCollection) throws(VectorStoreError) {
        guard isPossible(id: record.id) else {
            throw VectorStoreError(
                .invalidIdentifier,
                record.id.isEmpty
                    ? "an id is empty" : "the server takes ids of \(configuration.limits.bytesPerID ?? 0) bytes",
                store: name, collection: opened.name, recordID: record.id)
        }
        guard record.vector.count == opened.mark.dimension else {
            throw VectorStoreError(
                .invalidVector,
                "the vector has \(record.vector.count) components, the collection \(opened.mark.dimension)",
                store: name, collection: opened.name, recordID: record.id)
        }
        // Where the server limits payloads, the first that is too long is found before anything is sent.
        guard configuration.limits.bytesPerValue != nil else { return }
        var metadata: [UInt8] = []
        do {
            try MetadataFields.append(
                record.payload, exponent: 0, opened.mark.indexed, configuration.limits, to: &metadata)
        } catch { throw error.adding(collection: opened.name, recordID: record.id) }
    }

    /// Sends batches, no more of them at a time than may be under way; stops at the first failure.
    ///
    /// The next one is made while others are under way.
    private func send(
        _ records: [VectorRecord], _ opened: OpenedCollection
    ) async -> (written: [String], failure: VectorStoreError?) {
        guard !records.isEmpty else { return ([], nil) }
        let server: Preflight
        do { server = try await serverLimits() } catch { return ([], error) }
        let limits = configuration.limits
        let perBatch = min(limits.recordsPerWrite, server.recordsPerWrite)
        return await withTaskGroup(of: (Range<Int>, VectorStoreError?).self) { group in
            var next = 0, underWay = 0
            var written: [Range<Int>] = []
            var failure: VectorStoreError?
            while true {
                while failure == nil, next < records.count, underWay < limits.writesInFlight {
                    do throws(VectorStoreError) {
                        if Task.isCancelled { throw ChromaError.cancelled(nil) }
                        let (body, count) = try UpsertBody.first(
                            of: records[next...], limit: perBatch, opened.mark, limits, isBase64: server.takesBase64)
                        let range = next..<next + count
                        next += count
                        underWay += 1
                        group.addTask {
                            do throws(VectorStoreError) {
                                _ = try await self.send("upsert", body, opened, isWrite: true)
                                return (range, nil)
                            } catch { return (range, error) }
                        }
                    } catch { failure = error }
                }
                guard let (range, error) = await group.next() else { break }
                underWay -= 1
                if let error { failure = failure ?? error } else { written.append(range) }
            }
            guard failure != nil else { return ([], nil) }
            let ids = written.sorted { $0.lowerBound < $1.lowerBound }.flatMap { records[$0].map(\.id) }
            return (ids, failure)
        }
    }

    /// The server would merge two records of one id in a request.
    private static func lastOfEach(_ records: [VectorRecord]) -> [VectorRecord] {
        var seen: Set<UTF8Key> = []
        seen.reserveCapacity(records.count)
        guard records.contains(where: { !seen.insert(UTF8Key($0.id)).inserted }) else { return records }
        seen.removeAll()
        return records.reversed().filter { seen.insert(UTF8Key($0.id)).inserted }.reversed()
    }

    /// Deletes by id.
    ///
    /// The server counts what it was asked to delete, so it is asked first what is there. (It would count truly what it
    /// deletes by ids and a condition together; but when such an answer is lost, nobody knows any more what was there.)
    public func delete(_ request: DeleteRequest) async throws(VectorStoreError) -> Int {
        let opened = try await open(request.collection)
        var seen: Set<UTF8Key> = []
        let ids = request.ids.filter { isPossible(id: $0) && seen.insert(UTF8Key($0)).inserted }
        if ids.isEmpty { _ = try await send("count", nil, opened) }
        var deleted = 0
        for chunk in chunks(ids, idsPerRequest) {
            let present = try RecordReply.rows(try await send("get", get(chunk, []), opened))
            guard !present.isEmpty else { continue }
            _ = try await send("delete", RecordRequest.delete(ids: present.map(\.id)), opened, isWrite: true)
            deleted += present.count
        }
        return deleted
    }

    /// Deletes what matches, page by page.
    public func deleteMatching(_ request: DeleteMatchingRequest) async throws(VectorStoreError) -> Int {
        let opened = try await open(request.collection)
        var deleted = 0
        try await forEachPage(opened, request.filter, [.metadatas]) { (rows) throws(VectorStoreError) in
            guard !rows.isEmpty else { return }
            for chunk in self.chunks(rows.map(\.row.id), self.idsPerRequest) {
                _ = try await self.send("delete", RecordRequest.delete(ids: chunk), opened, isWrite: true)
            }
            deleted += rows.count
        }
        return deleted
    }

    /// How many records are deleted at once; what is there of them is read at once too.
    private var idsPerRequest: Int {
        min(configuration.limits.recordsPerWrite, configuration.limits.recordsPerAnswer ?? Int.max, Self.idsPerAnswer)
    }
}
#endif
