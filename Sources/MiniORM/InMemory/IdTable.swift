internal import CVectorKernels

/// The hash of an id, keyed.
struct IdHash: Sendable {
    let seed: UInt64

    func of(_ id: String) -> UInt64 {
        if let hash = id.utf8.withContiguousStorageIfAvailable({ cvk_hash(seed, $0.baseAddress, $0.count) }) {
            return hash
        }
        let bytes = Array(id.utf8)
        return cvk_hash(seed, bytes, bytes.count)
    }
}

/// Where rows are, by the hash of their id: 12 bytes a slot, at most three quarters of them taken.
///
/// The ids themselves are in the chunks, which tell whether a row is the one that is meant.
struct IdTable: Sendable {
    private struct Slot {
        var hash: UInt32
        /// `UInt32.max` for a slot that is free.
        var serial: UInt32
        var row: UInt32
    }

    private static let free = Slot(hash: 0, serial: .max, row: 0)
    private var slots: [Slot] = []
    private(set) var count = 0

    private func start(_ hash: UInt64) -> (tag: UInt32, index: Int) {
        let tag = UInt32(truncatingIfNeeded: hash)
        return (tag, Self.home(tag, of: slots.count))
    }

    /// Where a search for a hash begins: slots are in the order of hashes, so that a larger table is filled from its
    /// beginning to its end.
    private static func home(_ tag: UInt32, of size: Int) -> Int {
        Int(truncatingIfNeeded: (UInt64(tag) &* UInt64(size)) >> 32)
    }

    private func next(_ index: Int) -> Int { index + 1 == slots.count ? 0 : index + 1 }

    /// Has the processor fetch the slot at which a search for a hash begins, so that it does not wait for it then.
    func prefetch(_ hash: UInt64) {
        guard !slots.isEmpty else { return }
        slots.withUnsafeBufferPointer { cvk_prefetch($0.baseAddress, start(hash).index * MemoryLayout<Slot>.stride) }
    }

    /// The slot of a row that a body knows for the one that is meant.
    private func slot(_ hash: UInt64, _ isMeant: (RowLocation) -> Bool) -> Int? {
        guard count > 0 else { return nil }
        var (tag, index) = start(hash)
        while slots[index].serial != .max {
            let slot = slots[index]
            if slot.hash == tag, isMeant(RowLocation(serial: slot.serial, row: slot.row)) { return index }
            index = next(index)
        }
        return nil
    }

    /// The row with a hash that a body knows for the one that is meant.
    func find(_ hash: UInt64, _ isMeant: (RowLocation) -> Bool) -> RowLocation? {
        slot(hash, isMeant).map { RowLocation(serial: slots[$0].serial, row: slots[$0].row) }
    }

    /// Puts a row in the place of the one that is meant, which is returned, or adds it.
    mutating func update(_ hash: UInt64, _ location: RowLocation, _ isMeant: (RowLocation) -> Bool) -> RowLocation? {
        if let index = slot(hash, isMeant) {
            let old = RowLocation(serial: slots[index].serial, row: slots[index].row)
            slots[index].serial = location.serial
            slots[index].row = location.row
            return old
        }
        insert(hash, location)
        return nil
    }

    /// The row that is meant; where there is none, adds one.
    mutating func findOrInsert(
        _ hash: UInt64, _ location: RowLocation, _ isMeant: (RowLocation) -> Bool
    ) -> RowLocation? {
        if let found = find(hash, isMeant) { return found }
        insert(hash, location)
        return nil
    }

    /// Adds a row whose id is not there.
    mutating func insert(_ hash: UInt64, _ location: RowLocation) {
        reserve(count + 1)
        var (tag, index) = start(hash)
        while slots[index].serial != .max { index = next(index) }
        slots[index] = Slot(hash: tag, serial: location.serial, row: location.row)
        count += 1
    }

    /// Takes out the row that is meant.
    mutating func remove(_ hash: UInt64, _ isMeant: (RowLocation) -> Bool) -> RowLocation? {
        guard let index = slot(hash, isMeant) else { return nil }
        let old = RowLocation(serial: slots[index].serial, row: slots[index].row)
        // What follows moves up, so that no search ends too early.
        let size = slots.count
        func distance(_ from: Int, _ to: Int) -> Int { to >= from ? to - from : to - from + size }
        var hole = index
        var other = next(hole)
        while slots[other].serial != .max {
            if distance(Self.home(slots[other].hash, of: size), other) >= distance(hole, other) {
                slots[hole] = slots[other]
                hole = other
            }
            other = next(other)
        }
        slots[hole] = Self.free
        count -= 1
        return old
    }

    /// Whether so many rows in all have room.
    func hasRoom(_ rows: Int) -> Bool { rows <= slots.count / 4 * 3 }

    /// Makes room for so many rows in all.
    mutating func reserve(_ rows: Int) {
        guard !hasRoom(rows) else { return }
        var size = max(16, slots.count)
        // Twice as many in two steps: powers of two, and those times one and a half.
        while rows > size / 4 * 3 { size = size & (size - 1) == 0 ? size / 2 * 3 : size / 3 * 4 }
        let old = slots
        slots = [Slot](repeating: Self.free, count: size)
        for slot in old where slot.serial != .max {
            var index = Self.home(slot.hash, of: size)
            while slots[index].serial != .max { index = next(index) }
            slots[index] = slot
        }
    }
}
