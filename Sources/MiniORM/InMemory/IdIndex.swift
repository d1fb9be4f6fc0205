/// Where each record of a collection is: tables in data files, and over them one in memory.
///
/// A table in a file is never changed. Its entries may be of rows that are dead by now, so what is found in one counts
/// only if the row lives; what is found in memory always does.
struct IdIndex: Sendable {
    let hash: IdHash
    private var table = IdTable()
    /// The newest last.
    let runs: [IdRun]

    init(_ hash: IdHash, runs: [IdRun] = []) {
        self.hash = hash
        self.runs = runs
    }

    /// The tables in files without the one in memory; `nil` if there is none.
    var withRunsAlone: IdIndex? { runs.isEmpty ? nil : IdIndex(hash, runs: runs) }

    /// Throws where a table in a file is damaged; reads them at the first time.
    func checkRuns() throws(VectorStoreError) {
        for run in runs where !run.isIntact() { throw RowChunk.damaged(run.stored.file) }
    }

    /// Whether so many more rows fit without a new table.
    func hasRoom(_ rows: Int) -> Bool { table.hasRoom(table.count + rows) }

    /// Makes room for so many more rows.
    mutating func reserve(_ rows: Int) { table.reserve(table.count + rows) }

    private static func has(_ id: String, _ location: RowLocation, _ snapshot: CollectionSnapshot) -> Bool {
        guard let position = snapshot.position(of: location.serial) else { return false }
        return snapshot.parts[position].chunk.hasID(Int(location.row), id)
    }

    private func findInRuns(_ id: String, _ hash: UInt64, _ snapshot: CollectionSnapshot) -> RowLocation? {
        for run in runs.reversed() {
            let found = run.find(hash) { location in
                guard let position = snapshot.position(of: location.serial) else { return false }
                let part = snapshot.parts[position]
                let row = Int(location.row)
                return row < part.count && part.isLive(row) && part.chunk.hasID(row, id)
            }
            if let found { return found }
        }
        return nil
    }

    /// Where a record is in a snapshot.
    func find(_ id: String, in snapshot: CollectionSnapshot) -> RowLocation? {
        let hash = hash.of(id)
        return table.find(hash) { Self.has(id, $0, snapshot) } ?? findInRuns(id, hash, snapshot)
    }

    /// Has the processor fetch where records are noted that are updated soon.
    func prefetch(_ hashes: some Sequence<UInt64>) { for hash in hashes { table.prefetch(hash) } }

    /// Notes where a record is from now on, and returns where it was.
    ///
    /// - Parameter hash: That of the id.
    mutating func update(
        _ id: String, _ hash: UInt64, _ location: RowLocation, in snapshot: CollectionSnapshot
    ) -> RowLocation? {
        if let old = table.update(hash, location, { Self.has(id, $0, snapshot) }) { return old }
        return findInRuns(id, hash, snapshot)
    }

    /// Forgets a record, and returns where it was. The caller has the row die, which it has to in a table of a file.
    mutating func remove(_ id: String, in snapshot: CollectionSnapshot) -> RowLocation? {
        let hash = hash.of(id)
        return table.remove(hash) { Self.has(id, $0, snapshot) } ?? findInRuns(id, hash, snapshot)
    }

    /// Notes that a record is in another place; a table in a file keeps the old one, where no chunk is any more.
    mutating func move(_ id: String, from old: RowLocation, to new: RowLocation) {
        _ = table.update(hash.of(id), new) { $0 == old }
    }
}
