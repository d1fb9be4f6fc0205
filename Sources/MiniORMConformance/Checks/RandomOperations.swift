import MiniORM

// A store beside a plain model, through calls in any order.
extension ConformanceCheck {
    static let randomOperations: [ConformanceCheck] = [
        ConformanceCheck(
            "random operations do what they do to a plain model", clause: "2, all calls", needs: [.filters],
            hint: "the message has the seed and the step; every step before it was right"
        ) { kit in
            var random = RandomValues(seed: 51)
            let repository = try await kit.open(dimension: 4)
            var model: [UTF8Key: VectorRecord] = [:]
            for step in 0..<60 {
                let what = "seed 51, step \(step)"
                let records = model.values.sorted { UTF8Key($0.id) < UTF8Key($1.id) }
                let payloads = records.map(\.payload)
                switch Int.random(in: 0..<10, using: &random.generator) {
                case 0...3:
                    let new = (0..<Int.random(in: 0...12, using: &random.generator)).map { _ in
                        kit.record(
                            Int.random(in: 0..<40, using: &random.generator), random.vector(4), random.payload())
                    }
                    try await repository.upsert(new)
                    for record in new { model[UTF8Key(record.id)] = record }
                case 4:
                    let ids = (0..<4).map { _ in kit.id(Int.random(in: 0..<40, using: &random.generator)) }
                    let there = Set(ids).count { model.removeValue(forKey: UTF8Key($0)) != nil }
                    try expectEqual(try await repository.delete(ids), there, "\(what), records deleted")
                case 5:
                    let filter = VectorFilter.and([random.filter(depth: 2, for: payloads), .field("a") == 1])
                    let gone = records.filter { filter.matches($0.payload) }
                    let count = try await kit.unlessRefused(filter) { try await repository.delete(matching: filter) }
                    guard let count else { break }
                    try expectEqual(count, gone.count, "\(what), records deleted by \(filter)")
                    for record in gone { model[UTF8Key(record.id)] = nil }
                case 6:
                    let filter = random.filter(depth: 2, for: payloads)
                    let count = try await kit.unlessRefused(filter) { try await repository.count(matching: filter) }
                    guard let count else { break }
                    try expectEqual(count, payloads.count { filter.matches($0) }, "\(what), count by \(filter)")
                case 7:
                    let ids = (0..<6).map { _ in kit.id(Int.random(in: 0..<40, using: &random.generator)) }
                    let found = try await repository.fetch(ids)
                    try expectIDs(found.map(\.id), ids.filter { model[UTF8Key($0)] != nil }, "\(what), fetch")
                    for record in found {
                        guard let expected = model[UTF8Key(record.id)] else { continue }
                        try expectRecord(record, expected, what, bits: kit.capabilities.keepsVectorBits)
                    }
                default:
                    let filter = random.filter(depth: 2, for: payloads)
                    let vector = random.vector(4)
                    let topK = Int.random(in: 1...12, using: &random.generator)
                    let answers = try await kit.unlessRefused(filter) {
                        try await repository.query(vector, topK: topK, filter: filter)
                    }
                    guard let answers else { break }
                    try ExactSearch(metric: kit.metric, records: records).check(
                        answers, for: vector, topK: topK, filter: filter, isExact: kit.capabilities.isExact,
                        "\(what), query by \(filter)")
                }
            }
            let left = try await repository.fetch()
            try expectIDs(left.map(\.id), model.keys.sorted().map(\.string), "seed 51, what is left")
        }
    ]
}
