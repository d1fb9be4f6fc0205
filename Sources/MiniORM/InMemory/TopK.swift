/// A row and its score.
struct Candidate: Sendable {
    var score: Float
    /// The position of the row's part in the snapshot.
    var part: UInt32
    var row: UInt32
}

/// The best rows seen so far, in an order that is total: by score, then by the bytes of the id.
///
/// Holds as many rows as there are answers, however large `limit` is; ids are compared between equal scores only.
struct TopK: Sendable {
    private let snapshot: CollectionSnapshot
    private let limit: Int
    private let filter: VectorFilter?
    /// Once full, a heap with the worst row at its root.
    private var rows: [Candidate] = []
    /// No lower score comes in.
    private(set) var floor: Float

    init(_ snapshot: CollectionSnapshot, limit: Int, filter: VectorFilter?, minScore: Float?) {
        self.snapshot = snapshot
        self.limit = max(0, limit)
        self.filter = filter
        floor = minScore.flatMap { $0.isNaN ? nil : $0 } ?? -.infinity
    }

    /// The same with a floor at least as high.
    func raised(to floor: Float) -> TopK {
        var copy = self
        copy.floor = max(copy.floor, floor)
        return copy
    }

    private func isBetter(_ lhs: Candidate, _ rhs: Candidate) -> Bool {
        lhs.score != rhs.score ? lhs.score > rhs.score : key(lhs) < key(rhs)
    }

    private func key(_ candidate: Candidate) -> UTF8Key {
        UTF8Key(snapshot.parts[Int(candidate.part)].chunk.id(Int(candidate.row)))
    }

    /// Takes a row that is good enough. The filter is asked last: where few rows come that far, it costs next to
    /// nothing.
    mutating func offer(_ candidate: Candidate) {
        guard limit > 0, candidate.score >= floor else { return }
        if rows.count == limit, !isBetter(candidate, rows[0]) { return }
        if let filter {
            let payload = snapshot.parts[Int(candidate.part)].chunk.payload(Int(candidate.row))
            guard filter.matches(payload) else { return }
        }
        insert(candidate)
    }

    private mutating func insert(_ candidate: Candidate) {
        if rows.count < limit {
            rows.append(candidate)
            if rows.count < limit { return }
            for index in stride(from: rows.count / 2 - 1, through: 0, by: -1) { sink(index) }
        } else {
            rows[0] = candidate
            sink(0)
        }
        floor = max(floor, rows[0].score)
    }

    private mutating func sink(_ start: Int) {
        var index = start
        while true {
            var worst = index
            for child in [2 * index + 1, 2 * index + 2] where child < rows.count && isBetter(rows[worst], rows[child]) {
                worst = child
            }
            if worst == index { return }
            rows.swapAt(index, worst)
            index = worst
        }
    }

    /// Adds what another has found, which passed the filter there.
    mutating func merge(_ other: TopK) {
        for candidate in other.rows where candidate.score >= floor {
            if rows.count < limit || isBetter(candidate, rows[0]) { insert(candidate) }
        }
    }

    /// The answers, best first.
    func results(includeVectors: Bool) -> [VectorSearchResult] {
        rows.sorted(by: isBetter).map { candidate in
            let chunk = snapshot.parts[Int(candidate.part)].chunk
            let row = Int(candidate.row)
            return VectorSearchResult(
                id: chunk.id(row), score: candidate.score, payload: chunk.payload(row),
                vector: includeVectors ? chunk.vector(row) : nil)
        }
    }
}
