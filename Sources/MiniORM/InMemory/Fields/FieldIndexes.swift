internal import Synchronization

/// The indexes of a collection's fields, and what is known of fields that have none.
///
/// A field gets an index when it is declared, or on its second appearance in a filter while the collection is large
/// enough. The number and the memory of those that nobody declared are bounded.
final class FieldIndexes: Sendable {
    struct Limits: Sendable {
        /// Below so many records no index is built unasked: reading them all is quick.
        var fewestRows = 2048
        /// How often a field is filtered on before it has an index.
        var uses = 2
        /// How many fields are indexed unasked.
        var automatic = 16
        /// The memory for all of these, so many bytes a record...
        var bytesPerRow: Int
        /// ...and no less than so many in all.
        var fewestBytes = 1 << 20

        /// - Parameter width: Floats of a stored vector. Indexes take a small part of what the vectors take.
        init(width: Int) { bytesPerRow = max(32, width * MemoryLayout<Float>.stride / 32) }
    }

    /// What there is for a field.
    enum Status: Sendable, Hashable {
        /// It has not been filtered on often enough, or the collection is small.
        case none
        case indexed
        /// Its index took too much memory.
        case tooLarge
        /// There are as many indexes as there may be.
        case tooMany
    }

    private struct Entry: Sendable {
        let index: FieldIndex
        var isDeclared: Bool
    }

    private struct State: Sendable {
        var entries: [FieldPath: Entry] = [:]
        var uses: [FieldPath: Int] = [:]
        var tooLarge: Set<FieldPath> = []

        var automatic: Int { entries.values.count { !$0.isDeclared } }
    }

    let limits: Limits
    private let state = Mutex(State())
    /// Fields that are watched for a second use, at the most.
    private static let watched = 256

    init(_ limits: Limits) { self.limits = limits }

    /// What there is of indexes of some fields, brought up to a snapshot.
    func columns(
        _ paths: Set<FieldPath>, _ snapshot: CollectionSnapshot, latest: () -> Set<UInt32>
    ) -> [FieldPath: FieldIndex.Columns] {
        let indexes = state.withLock { state in
            for path in paths where state.entries[path] == nil { note(path, snapshot.liveCount, &state) }
            return paths.compactMap { state.entries[$0]?.index }
        }
        if indexes.isEmpty { return [:] }
        for index in indexes { index.extend(to: snapshot, isDemanded: false, latest: latest) }
        forgetTooLarge(snapshot.liveCount)
        return Dictionary(uniqueKeysWithValues: indexes.map { ($0.path, $0.current) })
    }

    /// What there is already.
    func present(_ paths: Set<FieldPath>) -> [FieldPath: FieldIndex.Columns] {
        let indexes = state.withLock { state in paths.compactMap { state.entries[$0]?.index } }
        return Dictionary(uniqueKeysWithValues: indexes.map { ($0.path, $0.current) })
    }

    private func note(_ path: FieldPath, _ rows: Int, _ state: inout State) {
        guard rows >= limits.fewestRows, !state.tooLarge.contains(path) else { return }
        if state.uses.count >= Self.watched, state.uses[path] == nil { state.uses = [:] }
        let uses = min(limits.uses, (state.uses[path] ?? 0) + 1)
        state.uses[path] = uses
        guard uses == limits.uses, state.automatic < limits.automatic else { return }
        state.uses[path] = nil
        state.entries[path] = Entry(index: FieldIndex(path), isDeclared: false)
    }

    private func memory(_ rows: Int) -> Int {
        let (bytes, overflow) = rows.multipliedReportingOverflow(by: limits.bytesPerRow)
        return max(limits.fewestBytes, overflow ? .max : bytes)
    }

    /// Drops the largest of the indexes that nobody declared until the others are within their bound.
    private func forgetTooLarge(_ rows: Int) {
        let most = memory(rows)
        state.withLock { state in
            var sizes = state.entries.filter { !$0.value.isDeclared }.map { ($0.key, $0.value.index.current.bytes) }
            sizes.sort { $0.1 < $1.1 }
            while sizes.reduce(0, { $0 + $1.1 }) > most, let (path, _) = sizes.popLast() {
                state.entries[path] = nil
                state.tooLarge.insert(path)
            }
        }
    }

    /// Indexes a field because its owner says so, whatever the limits.
    func declare(_ path: FieldPath, _ snapshot: CollectionSnapshot, latest: () -> Set<UInt32>) {
        let index = state.withLock { state in
            let index = state.entries[path]?.index ?? FieldIndex(path)
            state.entries[path] = Entry(index: index, isDeclared: true)
            state.tooLarge.remove(path)
            state.uses[path] = nil
            return index
        }
        index.extend(to: snapshot, isDemanded: true, latest: latest)
    }

    func status(_ path: FieldPath) -> Status {
        state.withLock { state in
            if state.entries[path] != nil { return .indexed }
            if state.tooLarge.contains(path) { return .tooLarge }
            return state.uses[path] == limits.uses ? .tooMany : .none
        }
    }

    /// Every index that is there.
    var all: [(index: FieldIndex, isDeclared: Bool)] {
        state.withLock { state in state.entries.values.map { ($0.index, $0.isDeclared) } }
    }
}
