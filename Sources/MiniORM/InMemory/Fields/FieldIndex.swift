internal import Synchronization

/// The index of a field of a collection: segments of the rows of its chunks.
///
/// Built and extended by readers, who take turns and do not wait for each other: who finds another at work answers with
/// what is there. Writers have no part in it. Rows of a chunk never change, so a segment is true for every snapshot.
final class FieldIndex: Sendable {
    let path: FieldPath
    private let columns = Mutex(Columns())
    private let building = Mutex(())

    /// The segments of each part, by its serial number.
    struct Columns: Sendable {
        fileprivate(set) var segments: [UInt32: [FieldSegment]] = [:]
        fileprivate(set) var bytes = 0
        /// The rows for which there is nothing to build.
        fileprivate var settled: Extent?

        /// The segments of a part, and how many of its rows they cover.
        func part(_ serial: UInt32) -> (segments: [FieldSegment], covered: Int) {
            guard let segments = segments[serial], let last = segments.last else { return ([], 0) }
            return (segments, (segments.count - 1) * FieldSegment.capacity + last.count)
        }
    }

    /// What tells snapshots with different rows apart, at next to no cost.
    fileprivate struct Extent: Sendable, Equatable {
        private var parts = 0
        private var rows = 0
        private var serials: UInt64 = 0

        init(_ snapshot: CollectionSnapshot) {
            parts = snapshot.parts.count
            for part in snapshot.parts {
                rows += part.count
                serials += UInt64(part.serial)
            }
        }
    }

    /// So many rows that are not covered yet are read by whoever asks, before it pays to build.
    static let tail = 256

    init(_ path: FieldPath) { self.path = path }

    /// What is there.
    var current: Columns { columns.withLock { $0 } }

    /// Brings the index up to the rows of a snapshot.
    ///
    /// - Parameters:
    ///   - isDemanded: Whether to cover every row, after whoever else is building. Else short tails are left, and if
    ///     another is building nothing is done.
    ///   - latest: The serial numbers of the parts that are there now; all others are forgotten.
    func extend(to snapshot: CollectionSnapshot, isDemanded: Bool, latest: () -> Set<UInt32>) {
        let tail = isDemanded ? 1 : Self.tail
        let before = current
        let extent = Extent(snapshot)
        if before.settled == extent, !isDemanded { return }
        let isStale = before.segments.count > snapshot.parts.count
        guard isStale || snapshot.parts.contains(where: { Self.isMissing($0, before, tail) }) else {
            columns.withLock { $0.settled = extent }
            return
        }
        if isDemanded {
            building.withLock { _ in build(snapshot, tail, latest) }
        } else {
            _ = building.withLockIfAvailable { _ in build(snapshot, tail, latest) }
        }
    }

    /// Whether it is time to build for a part. The last rows of a full chunk are not left.
    private static func isMissing(_ part: CollectionSnapshot.Part, _ columns: Columns, _ tail: Int) -> Bool {
        let left = part.count - columns.part(part.serial).covered
        return left >= tail || (left > 0 && part.count == part.chunk.capacity)
    }

    private func build(_ snapshot: CollectionSnapshot, _ tail: Int, _ latest: () -> Set<UInt32>) {
        let before = current
        var segments = before.segments
        for part in snapshot.parts where Self.isMissing(part, before, tail) {
            segments[part.serial] = Self.extended(segments[part.serial] ?? [], path, part)
        }
        let alive = latest()
        segments = segments.filter { alive.contains($0.key) }
        let bytes = segments.values.joined().reduce(0) { $0 + $1.bytes }
        columns.withLock { $0 = Columns(segments: segments, bytes: bytes) }
    }

    private static func extended(
        _ segments: [FieldSegment], _ path: FieldPath, _ part: CollectionSnapshot.Part
    ) -> [FieldSegment] {
        var segments = segments
        if let last = segments.last, last.count < FieldSegment.capacity { segments.removeLast() }
        for start in stride(from: segments.count * FieldSegment.capacity, to: part.count, by: FieldSegment.capacity) {
            let end = min(start + FieldSegment.capacity, part.count)
            segments.append(FieldSegment(path, part.chunk, start..<end))
        }
        return segments
    }
}
