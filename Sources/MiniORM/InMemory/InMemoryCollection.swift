internal import Synchronization

/// A collection in memory: one writer at a time, and readers that neither wait for it nor hold it up.
///
/// A writer appends rows behind those that are published, then publishes a new snapshot. A row that is replaced or
/// deleted is marked in the snapshot; a chunk that is more than an eighth dead is emptied into the last one.
final class InMemoryCollection: Sendable {
    let description: CollectionDescription
    /// Held while writing. The next chunk's serial number.
    private let writer: Mutex<UInt32>
    /// Where each record is in the published snapshot. Locked while a snapshot is published, so that both agree.
    private let locations: Mutex<[UTF8Key: RowLocation]>
    private let published: Mutex<CollectionSnapshot>
    /// What readers know of the payloads' fields.
    let fields: FieldIndexes

    init(_ description: CollectionDescription) {
        self.description = description
        fields = FieldIndexes(FieldIndexes.Limits(width: rowWidth(dimension: description.dimension)))
        writer = Mutex(0)
        locations = Mutex([:])
        published = Mutex(CollectionSnapshot())
    }

    /// A collection of full chunks; `nil` if an id is there twice.
    init?(_ description: CollectionDescription, chunks: [RowChunk]) {
        self.description = description
        fields = FieldIndexes(FieldIndexes.Limits(width: rowWidth(dimension: description.dimension)))
        var snapshot = CollectionSnapshot()
        var locations: [UTF8Key: RowLocation] = [:]
        locations.reserveCapacity(chunks.reduce(0) { $0 + $1.count })
        for (serial, chunk) in chunks.enumerated() {
            var part = CollectionSnapshot.Part(serial: UInt32(serial), chunk: chunk, count: chunk.count)
            for row in 0..<chunk.count {
                let location = RowLocation(serial: part.serial, row: UInt32(row))
                guard locations.updateValue(location, forKey: UTF8Key(chunk.id(row))) == nil else { return nil }
                if chunk.inverseNorm(row).isNaN { part.hasExtremes = true }
            }
            snapshot.parts.append(part)
            snapshot.liveCount += part.count
        }
        writer = Mutex(UInt32(chunks.count))
        self.locations = Mutex(locations)
        published = Mutex(snapshot)
    }

    /// The rows as they are now.
    var snapshot: CollectionSnapshot { published.withLock { $0 } }

    /// All of the records, or none where one does not fit.
    func upsert(_ records: [VectorRecord]) throws(VectorStoreError) {
        var inverseNorms: [Double] = []
        inverseNorms.reserveCapacity(records.count)
        for record in records {
            guard record.vector.count == description.dimension, let inverse = RowChunk.inverseNorm(of: record.vector)
            else {
                throw VectorStoreError(
                    .invalidVector, "a vector has \(description.dimension) components, all of them finite",
                    recordID: record.id)
            }
            inverseNorms.append(inverse)
        }
        guard !records.isEmpty else { return }
        try writer.withLock { serial throws(VectorStoreError) in
            var next = snapshot
            // All memory first: nothing can fail after that.
            let chunks = try room(for: records.count, in: &next, &serial)
            var rows: [RowLocation] = []
            rows.reserveCapacity(records.count)
            var target = 0
            for (record, inverse) in zip(records, inverseNorms) {
                while target < chunks.count, next.parts[chunks[target]].chunk.room == 0 { target += 1 }
                guard target < chunks.count else { break }
                let position = chunks[target]
                var id = record.id
                id.makeContiguousUTF8()
                let chunk = next.parts[position].chunk
                guard chunk.append(id: id, vector: record.vector, payload: record.payload, inverseNorm: inverse) else {
                    break
                }
                rows.append(RowLocation(serial: next.parts[position].serial, row: UInt32(chunk.count - 1)))
                if inverse.isNaN { next.parts[position].hasExtremes = true }
            }
            for position in chunks { next.parts[position].count = next.parts[position].chunk.count }
            next.liveCount += rows.count
            publish(&next) { next, locations in
                for (record, location) in zip(records, rows) {
                    if let old = locations.updateValue(location, forKey: UTF8Key(record.id)) { next.kill(old) }
                }
            }
            compact(&next, &serial)
        }
    }

    /// Deletes by id, and says how many there were.
    func delete(_ ids: [String]) -> Int {
        writer.withLock { serial in
            var next = snapshot
            var count = 0
            publish(&next) { next, locations in
                for id in ids {
                    guard let location = locations.removeValue(forKey: UTF8Key(id)) else { continue }
                    next.kill(location)
                    count += 1
                }
            }
            compact(&next, &serial)
            return count
        }
    }

    /// Deletes what matches, and says how many there were.
    func delete(matching filter: VectorFilter) -> Int {
        writer.withLock { serial in
            var next = snapshot
            // Before the locations are locked: a filter takes its time, and nobody else writes.
            var found: [(UTF8Key, RowLocation)] = []
            select(filter, in: next).forEachMatch { part, row in
                found.append((UTF8Key(part.chunk.id(row)), RowLocation(serial: part.serial, row: UInt32(row))))
            }
            publish(&next) { next, locations in
                for (id, location) in found {
                    locations.removeValue(forKey: id)
                    next.kill(location)
                }
            }
            compact(&next, &serial)
            return found.count
        }
    }

    /// Records by id, all of one moment; every record for `nil`.
    func fetch(_ ids: [String]?) -> [VectorRecord] {
        var records: [VectorRecord] = []
        guard let ids else {
            let snapshot = snapshot
            records.reserveCapacity(snapshot.liveCount)
            snapshot.forEachRow { part, row in records.append(part.chunk.record(row)) }
            return records
        }
        let (found, snapshot) = locations.withLock { locations in
            (ids.compactMap { locations[UTF8Key($0)] }, self.snapshot)
        }
        for location in found {
            guard let position = snapshot.position(of: location.serial) else { continue }
            records.append(snapshot.parts[position].chunk.record(Int(location.row)))
        }
        return records
    }

    /// Makes a snapshot the one that readers get, at one moment with the locations.
    private func publish(
        _ next: inout CollectionSnapshot, _ change: (inout CollectionSnapshot, inout [UTF8Key: RowLocation]) -> Void
    ) {
        locations.withLock { locations in
            change(&next, &locations)
            published.withLock { swap(&$0, &next) }
        }
        // What was published before is let go here, outside of the locks.
        next = snapshot
    }

    /// The positions of chunks with room for rows: the last one, and new ones behind it.
    private func room(
        for count: Int, in next: inout CollectionSnapshot, _ serial: inout UInt32
    ) throws(VectorStoreError) -> [Int] {
        var positions: [Int] = []
        var missing = count
        if let last = next.parts.indices.last, next.parts[last].chunk.room > 0 {
            positions.append(last)
            missing -= next.parts[last].chunk.room
        }
        let width = rowWidth(dimension: description.dimension)
        while missing > 0 {
            let capacity = RowChunk.capacity(width: width, rowsBefore: next.liveCount, needed: missing)
            guard serial < .max, let chunk = RowChunk(dimension: description.dimension, capacity: capacity) else {
                throw VectorStoreError(.unavailable, "there is no memory for \(count) more vectors")
            }
            next.parts.append(CollectionSnapshot.Part(serial: serial, chunk: chunk, count: 0))
            positions.append(next.parts.count - 1)
            serial += 1
            missing -= capacity
        }
        return positions
    }

    /// Gives back the memory of dead rows, a chunk at a time. The last chunk waits until it is full.
    private func compact(_ next: inout CollectionSnapshot, _ serial: inout UInt32) {
        while true {
            let victim = next.parts.indices.first { index in
                let part = next.parts[index]
                if part.dead.count == part.count { return part.count > 0 }
                return part.dead.count * 8 > part.count && (index < next.parts.count - 1 || part.chunk.room == 0)
            }
            guard let victim else { return }
            let old = next.parts[victim]
            next.liveCount -= old.liveCount
            // Without memory the dead rows stay; the records are safe.
            guard let positions = try? room(for: old.liveCount, in: &next, &serial) else { return }
            var moved: [(UTF8Key, RowLocation)] = []
            var target = 0
            for row in 0..<old.count where old.isLive(row) {
                while target < positions.count, next.parts[positions[target]].chunk.room == 0 { target += 1 }
                guard target < positions.count else { return }
                let chunk = next.parts[positions[target]].chunk
                guard chunk.append(row, of: old.chunk) else { return }
                if old.chunk.inverseNorm(row).isNaN { next.parts[positions[target]].hasExtremes = true }
                let location = RowLocation(serial: next.parts[positions[target]].serial, row: UInt32(chunk.count - 1))
                moved.append((UTF8Key(old.chunk.id(row)), location))
            }
            for position in positions { next.parts[position].count = next.parts[position].chunk.count }
            next.liveCount += old.liveCount
            next.parts.remove(at: victim)
            publish(&next) { _, locations in
                for (id, location) in moved { locations[id] = location }
            }
        }
    }
}

extension CollectionSnapshot {
    fileprivate mutating func kill(_ location: RowLocation) {
        guard let position = position(of: location.serial) else { return }
        parts[position].dead.insert(Int(location.row))
        liveCount -= 1
    }
}
