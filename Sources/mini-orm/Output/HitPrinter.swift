internal import MiniORM

/// Prints the answers to queries, as tables or as JSON.
struct HitPrinter {
    private let json: Bool
    private var output = StandardOutput()
    private var number = 0
    /// Whether each table says which query it answers.
    var isMany = false

    init(json: Bool) { self.json = json }

    /// Prints the answers to the next queries, which took so long.
    mutating func print(_ answers: [[VectorSearchResult]], _ time: Duration) throws {
        for hits in answers {
            if json {
                try output.json(Self.json(number, hits))
            } else {
                if isMany { try output.line("\(number == 0 ? "" : "\n")query \(number)") }
                try output.table(Self.table(hits))
                if !isMany { try output.line("\(hits.count.of("hit")) in \(time.readable)") }
            }
            number += 1
        }
        try output.flush()
    }

    /// `{"query": 0, "hits": [{"id": "a", "score": 0.5, "payload": {}}]}`, the payload null where there is none.
    static func json(_ number: Int, _ hits: [VectorSearchResult]) -> String {
        let items = hits.map { hit in
            let id = PayloadValue.string(hit.id).json()
            // JSON has no form for infinity, which a dot product of large vectors reaches.
            let score = hit.score.isFinite ? "\(hit.score)" : "null"
            return #"{"id": \#(id), "score": \#(score), "payload": \#(hit.payload.json)}"#
        }
        return #"{"query": \#(number), "hits": [\#(items.joined(separator: ", "))]}"#
    }

    /// Rank, id, score and payload.
    static func table(_ hits: [VectorSearchResult]) -> Table {
        var table = Table([
            .init(heading: "#", side: .right), .init(heading: "id", isCut: true), .init(heading: "score", side: .right),
            .init(heading: "payload", isCut: true),
        ])
        for (index, hit) in hits.enumerated() {
            let payload = hit.payload.map { PayloadValue.object($0).json() } ?? ""
            table.rows.append(["\(index + 1)", hit.id, Double(hit.score).fixed(4), payload])
        }
        return table
    }
}

extension [String: PayloadValue]? {
    /// The payload as JSON on one line; `null` where there is none.
    var json: String { map { PayloadValue.object($0).json() } ?? "null" }
}
