internal import CVectorKernels

/// A group of queries on their way over the codes of a run of parts.
///
/// Rows come in blocks, each for all queries while it is in the cache. Each query keeps a list of the rows that it may
/// have to measure. It looks through the list whenever as many rows have been bounded as before: the best of them by
/// bound are measured, so that the floor is never far from what it can be, and the rest waits for a higher one. In that
/// way hardly more rows are measured than if the floor had been known from the beginning, and the bounds of the others
/// are never written to memory.
///
/// Where more than an eighth of the rows have to be measured, codes do not help a query, and it leaves: what is left of
/// the run is scanned for it as ever.
struct CodedScan {
    /// Rows that are bounded before anybody looks at what was found.
    static let rowsPerBlock = 1024
    /// Rows that are measured at a time, while the next ones are on their way from memory.
    private static let rowsPerPick = 16
    /// Rows of a query that wait at most.
    private let waiting: Int

    private let search: CodedSearch
    private let group: Range<Int>
    private let parts: Range<Int>
    private let plain: ExactSearch
    /// The queries that are on their way; what they have found, and their codes, are in the same order.
    private var active: [Int]
    private let found: UnsafeMutableBufferPointer<cvk_found>
    /// Those of a book side by side.
    private let coded: UnsafeMutableBufferPointer<cvk_coded_query>
    /// How many rows each query of the group has measured.
    private var measured: [Int]
    /// How many of the rows that wait, the first ones, have been refined; by query of the group.
    private var refined: [Int]
    /// Rows that have been bounded for each query that is on its way.
    private var seen = 0
    private(set) var counts = CodedSearch.Tally.Counts()

    /// - Parameters:
    ///   - memory: Numbers and bounds of `room` rows for each query.
    ///   - found: Uninitialized, one for each query.
    ///   - coded: Uninitialized, one for each query and book.
    init(
        _ search: CodedSearch, _ group: Range<Int>, _ parts: Range<Int>, _ plain: ExactSearch,
        _ memory: UnsafeMutablePointer<Float>, room: Int, _ found: UnsafeMutableBufferPointer<cvk_found>,
        _ coded: UnsafeMutableBufferPointer<cvk_coded_query>
    ) {
        self.search = search
        self.group = group
        self.parts = parts
        self.plain = plain
        waiting = CodedSearch.rowsWaiting(search.limit, queries: group.count)
        active = Array(group)
        measured = [Int](repeating: 0, count: group.count)
        refined = measured
        self.found = found
        self.coded = coded
        for index in 0..<group.count {
            let at = memory + 2 * room * index
            let numbers = UnsafeMutableRawPointer(at).bindMemory(to: UInt32.self, capacity: room)
            found.initializeElement(
                at: index, to: cvk_found(numbers: numbers, bounds: at + room, count: 0, threshold: 0))
            for (book, queries) in search.coded.enumerated() {
                coded.initializeElement(
                    at: book * group.count + index, to: queries.pointer(group.lowerBound)[index])
            }
        }
    }

    mutating func run(_ best: inout [TopK]) {
        for index in active.indices { found[index].threshold = threshold(index, best) }
        var nextLook = max(Self.rowsPerBlock, 4 * search.limit)
        for position in parts {
            guard let part = search.parts[position] else {
                scan(position, from: 0, active, &best)
                continue
            }
            let groups = (part.count + 15) / 16
            for first in stride(from: 0, to: groups, by: Self.rowsPerBlock / 16) {
                let number = min(Self.rowsPerBlock / 16, groups - first)
                bound(part, first, number)
                let rows = min(number * 16, part.count - first * 16)
                seen += rows
                counts.bounded += rows * active.count
                let isDue = seen >= nextLook
                if isDue { nextLook = 2 * seen }
                var leaving: [Int] = []
                for index in active.indices where isDue || found[index].count > waiting {
                    look(index, &best)
                    if found[index].count > waiting / 2 || isHopeless(found[index].count, index) {
                        settle(index, &best)
                    }
                    if isHopeless(measured[active[index] - group.lowerBound], index) { leaving.append(index) }
                }
                if !leaving.isEmpty { leave(leaving, position, first * 16 + rows, &best) }
                if active.isEmpty { return }
            }
            if part.count < search.snapshot.parts[position].count { scan(position, from: part.count, active, &best) }
        }
        for index in active.indices {
            look(index, &best)
            settle(index, &best)
        }
    }

    private mutating func bound(_ part: CodedSearch.PartCodes, _ first: Int, _ number: Int) {
        var rows = part.coded.codes.rows
        let (kernel, shape) = (search.kernel.raw, search.coded[part.book].shape)
        guard let queries = coded.baseAddress, let found = found.baseAddress else { return }
        search.present.withUnsafeBufferPointer { present in
            guard let words = present.baseAddress else { return }
            cvk_code_scan(
                kernel, shape, &rows, first, number, words + part.firstWord, UInt32(part.base),
                queries + part.book * group.count, active.count, found)
        }
    }

    /// Finite, so that a bound of -infinity is always below it: that of a row which is not to be looked at again.
    private func threshold(_ index: Int, _ best: [TopK]) -> Float {
        let query = active[index]
        let floor = best[query - group.lowerBound].floor
        let threshold = search.coded[0].threshold(query, floor: floor, cut: search.queries.cut(query, floor: floor))
        return max(threshold, -.greatestFiniteMagnitude)
    }

    private func isHopeless(_ rows: Int, _ index: Int) -> Bool {
        seen >= 2 * Self.rowsPerBlock && rows > seen / 8 + 2 * search.limit
    }

    /// Measures the best of the rows that wait, and forgets those that are below the floor then.
    private mutating func look(_ index: Int, _ best: inout [TopK]) {
        keep(index)
        let limit = search.limit
        // Where it takes many to raise the floor, it is worth knowing better which are the best.
        if found[index].count > waiting / 2, seen > Self.rowsPerBlock { refine(index) }
        let count = found[index].count
        if count == 0 { return }
        let hasFloor = best[active[index] - group.lowerBound].floor > -.infinity
        // The best of every few, the best of those first; at first as many as it takes to have a floor.
        let rowsPerSeed = max(4, count / max(64, 4 * limit))
        var seeds: [(bound: Float, index: Int)] = []
        let bounds = UnsafePointer<Float>(found[index].bounds)
        guard let bounds else { return }
        for start in stride(from: 0, to: count, by: rowsPerSeed) {
            let number = min(rowsPerSeed, count - start)
            let highest = cvk_highest(bounds + start, number)
            if highest < number { seeds.append((bounds[start + highest], start + highest)) }
        }
        seeds.sort { $0.bound > $1.bound }
        let most = hasFloor ? limit / 2 + 4 : seeds.count
        let rowsPerPick = hasFloor ? 4 : min(Self.rowsPerPick, max(4, limit))
        for start in stride(from: 0, to: min(most, seeds.count), by: rowsPerPick) {
            let few = seeds[start..<min(start + rowsPerPick, most, seeds.count)].filter {
                !($0.bound < found[index].threshold)
            }
            if few.isEmpty { break }
            measure(few.map { Int(found[index].numbers[$0.index]) }, index, &best)
            for seed in few { found[index].bounds[seed.index] = -.infinity }
        }
        keep(index)
    }

    /// Forgets rows below the floor.
    private mutating func keep(_ index: Int) {
        let of = found[index]
        guard of.count > 0, let numbers = of.numbers, let bounds = of.bounds else { return }
        let slot = active[index] - group.lowerBound
        let start = refined[slot]
        refined[slot] = cvk_keep(of.threshold, numbers, bounds, start)
        let count = cvk_keep(of.threshold, numbers + start, bounds + start, of.count - start)
        move(index, from: start, count, to: refined[slot])
        found[index].count = refined[slot] + count
    }

    private func move(_ index: Int, from start: Int, _ count: Int, to end: Int) {
        guard start != end, let numbers = found[index].numbers, let bounds = found[index].bounds else { return }
        (numbers + end).update(from: numbers + start, count: count)
        (bounds + end).update(from: bounds + start, count: count)
    }

    /// Brings the bounds of those that wait down by the second stage, each once, and forgets rows below the floor.
    private mutating func refine(_ index: Int) {
        let of = found[index]
        let slot = active[index] - group.lowerBound
        guard of.count > refined[slot], let numbers = of.numbers, let bounds = of.bounds else { return }
        var (start, kept) = (refined[slot], refined[slot])
        while start < of.count {
            guard let position = position(of: Int(numbers[start])), let part = search.parts[position] else { break }
            var end = start + 1
            while end < of.count, Int(numbers[end]) < part.base + part.count { end += 1 }
            var count = end - start
            var rows = part.coded.codes.rows
            if rows.records != nil {
                counts.refined += count
                count = cvk_refine(
                    search.kernel.raw, search.coded[part.book].shape, &rows, UInt32(part.base),
                    coded.baseAddress.map { $0 + part.book * group.count + index }, of.threshold, numbers + start,
                    bounds + start, count)
            }
            move(index, from: start, count, to: kept)
            kept += count
            start = end
        }
        found[index].count = kept
        refined[slot] = kept
    }

    /// Refines and measures what waits, as far as it is not below the floor.
    private mutating func settle(_ index: Int, _ best: inout [TopK]) {
        refine(index)
        guard let numbers = found[index].numbers, let bounds = found[index].bounds else { return }
        let count = found[index].count
        var few: [Int] = []
        for offset in 0..<count {
            if !(bounds[offset] < found[index].threshold) { few.append(Int(numbers[offset])) }
            if few.count == Self.rowsPerPick || (offset == count - 1 && !few.isEmpty) {
                measure(few, index, &best)
                few.removeAll(keepingCapacity: true)
            }
        }
        found[index].count = 0
        refined[active[index] - group.lowerBound] = 0
    }

    /// The part of a row by its number.
    private func position(of number: Int) -> Int? {
        var (low, high) = (parts.lowerBound, parts.upperBound)
        // The last part that begins at or before the row; those without codes lie between others' rows.
        while high - low > 1 {
            let middle = (low + high) / 2
            if search.bases[middle] <= number { low = middle } else { high = middle }
        }
        return low < high ? low : nil
    }

    /// Measures rows by their numbers, and offers them.
    private mutating func measure(_ rows: [Int], _ index: Int, _ best: inout [TopK]) {
        let query = active[index]
        let slot = query - group.lowerBound
        measured[slot] += rows.count
        counts.measured += rows.count
        withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: rows.count) { addresses in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: rows.count) { measures in
                var locations: [(position: Int, row: Int)] = []
                for (offset, number) in rows.enumerated() {
                    let position = position(of: number) ?? parts.lowerBound
                    let row = number - search.bases[position]
                    locations.append((position, row))
                    addresses.initializeElement(at: offset, to: search.snapshot.parts[position].chunk.address(of: row))
                }
                search.queries.measure(
                    query..<query + 1, picked: UnsafeBufferPointer(addresses), search.kernel, into: measures)
                for (offset, location) in locations.enumerated() {
                    let chunk = search.snapshot.parts[location.position].chunk
                    let score = search.queries.score(query, measures[offset], chunk, location.row)
                    best[slot].offer(
                        Candidate(score: score, part: UInt32(location.position), row: UInt32(location.row)))
                }
            }
        }
        found[index].threshold = threshold(index, best)
    }

    /// Scans what is left of the run for queries that codes do not help, and lets them go.
    private mutating func leave(_ leaving: [Int], _ position: Int, _ row: Int, _ best: inout [TopK]) {
        let queries = leaving.map { active[$0] }.sorted()
        for index in leaving { settle(index, &best) }
        // Their places are taken by the last ones.
        for index in leaving.reversed() {
            let last = active.count - 1
            active.swapAt(index, last)
            active.removeLast()
            found.swapAt(index, last)
            for book in search.coded.indices { coded.swapAt(book * group.count + index, book * group.count + last) }
        }
        for other in position..<parts.upperBound {
            scan(other, from: other == position ? row : 0, queries, &best)
        }
        let rows = (position..<parts.upperBound).reduce(-row) { $0 + search.snapshot.parts[$1].count }
        counts.scanned += rows * queries.count
    }

    /// Measures the rows of a part from one on for queries, those with successive numbers together.
    private func scan(_ position: Int, from row: Int, _ queries: [Int], _ best: inout [TopK]) {
        if queries.count == group.count {
            plain.scan(search.snapshot, position, row, search.selection, search.queries, group, &best)
            return
        }
        let sorted = queries.sorted()
        var start = 0
        while start < sorted.count {
            var end = start + 1
            while end < sorted.count, sorted[end] == sorted[end - 1] + 1 { end += 1 }
            let some = sorted[start]..<sorted[end - 1] + 1
            let slots = some.lowerBound - group.lowerBound..<some.upperBound - group.lowerBound
            var theirs = Array(best[slots])
            plain.scan(search.snapshot, position, row, search.selection, search.queries, some, &theirs)
            best.replaceSubrange(slots, with: theirs)
            start = end
        }
    }
}
