import MiniORM

// The contract's section 2: query and query batch.
extension ConformanceCheck {
    static let queries: [ConformanceCheck] = [
        ConformanceCheck(
            "answers are the nearest, best first", clause: "2 query",
            hint: "higher scores are better: check the sign that the engine's distance has, and its order"
        ) { kit in
            var random = RandomValues(seed: 11)
            let records = (0..<200).map { kit.record($0, random.vector(8), ["n": .int(Int64($0))]) }
            for metric in VectorMetric.allCases.filter(kit.capabilities.metrics.contains) {
                let repository = try await kit.open(dimension: 8, metric: metric)
                try await repository.upsert(records)
                let search = ExactSearch(metric: metric, records: records)
                var found = 0, total = 0
                for topK in [1, 10, 10, 25, 200, 300] {
                    let vector = random.vector(8)
                    let counts = try search.check(
                        try await repository.query(vector, topK: topK), for: vector, topK: topK,
                        isExact: kit.capabilities.isExact, "seed 11, \(metric), topK \(topK)")
                    found += counts.found
                    total += counts.of
                }
                let recall = Double(found) / Double(max(1, total))
                try expect(
                    recall >= kit.harness.minimumRecall,
                    "seed 11, \(metric): the recall is \(recall), the harness promises \(kit.harness.minimumRecall)")
            }
        },
        ConformanceCheck(
            "ties are ordered by id, at the cut too", clause: "2 query", needs: [.exactness],
            hint: "order by score, then by the id's UTF-8 bytes, before topK cuts; ask for more where the engine cannot"
        ) { kit in
            let repository = try await kit.open()
            // In an order that is neither the ids' nor its reverse.
            let numbers = (0..<60).map { $0 * 37 % 60 }
            for part in [numbers[..<30], numbers[30...]] {
                try await repository.upsert(
                    part.map { kit.record($0, [1, 2, 2], ["even": .bool($0.isMultiple(of: 2))]) })
            }
            try await repository.upsert([kit.record(70, [-1, -2, -2])])
            for topK in [1, 7, 59, 60] {
                let found = try await repository.query([1, 2, 2], topK: topK).map(\.id)
                try expectIDs(found, (0..<topK).map(kit.id), "60 equal vectors, topK \(topK)")
            }
            if kit.capabilities.supportsFilters {
                let found = try await repository.query([1, 2, 2], topK: 5, filter: ["even": false]).map(\.id)
                try expectIDs(found, [1, 3, 5, 7, 9].map(kit.id), "30 equal vectors that match, topK 5")
            }
        },
        ConformanceCheck(
            "ties are ordered by the bytes of ids, not by a collation", clause: "2 query; 3 ids",
            needs: [.exactness, .anyID],
            hint: "neither a locale's order nor that of UTF-16 is the order of UTF-8 bytes; UTF8Key is"
        ) { kit in
            let repository = try await kit.open()
            let ordered = ["0", "B", "Z", "_", "a", "b", "e\u{301}", "z", "\u{e9}", "\u{ffff}", "\u{10000}"]
            let scrambled = ordered.indices.map { ordered[$0 * 7 % ordered.count] }
            try await repository.upsert(scrambled.map { VectorRecord(id: $0, vector: [1, 2, 2]) })
            for topK in 1...ordered.count {
                let found = try await repository.query([1, 2, 2], topK: topK).map(\.id)
                try expectIDs(found, Array(ordered.prefix(topK)), "equal vectors, topK \(topK)")
            }
        },
        ConformanceCheck(
            "topK of 0 or less answers nothing, a huge one all", clause: "2 query",
            hint: "do not allocate or multiply by topK; declare maximumTopK where the engine has a limit"
        ) { kit in
            let repository = try await kit.open()
            try await repository.upsert((0..<5).map { kit.record($0, [1, Float($0), 1], ["n": 1]) })
            for topK in [0, -1, Int.min] {
                try expectEqual(try await repository.query([1, 1, 1], topK: topK).count, 0, "answers for topK \(topK)")
                try expectEqual(
                    try await repository.queryBatch([[1, 1, 1], [1, 0, 0]], topK: topK).map(\.count), [0, 0],
                    "answers for topK \(topK)")
            }
            let most = kit.capabilities.maximumTopK ?? Int.max
            try expectEqual(try await repository.query([1, 1, 1], topK: most).count, 5, "answers for topK \(most)")
            if kit.capabilities.supportsFilters {
                let found = try await repository.query([1, 1, 1], topK: most, filter: ["n": 1]).count
                try expectEqual(found, 5, "answers for topK \(most) with a filter")
            }
            if let limit = kit.capabilities.maximumTopK {
                try await expectError(.invalidArgument, what: "topK over the limit") {
                    _ = try await repository.query([1, 1, 1], topK: limit + 1)
                }
            }
        },
        ConformanceCheck(
            "minScore leaves lower scores out", clause: "2 query",
            hint: "compare with the contract's score, not with the engine's distance"
        ) { kit in
            for metric in VectorMetric.allCases.filter(kit.capabilities.metrics.contains) {
                let repository = try await kit.open(metric: metric)
                let records = (0..<20).map { kit.record($0, [Float($0), 1, Float(20 - $0)]) }
                try await repository.upsert(records)
                let all = try await repository.query([3, 1, 2], topK: 20)
                try expectEqual(all.count, 20, "answers without minScore")
                for index in [0, 9, 18] {
                    let between = (all[index].score + all[index + 1].score) / 2
                    let found = try await repository.query([3, 1, 2], topK: 20, minScore: between)
                    let kept = all.filter { $0.score >= between }
                    try expectIDs(found.map(\.id), kept.map(\.id), "\(metric), minScore \(between)")
                }
                // An approximate store may score a vector alone otherwise than it did among others.
                for index in [0, 9, 19] where kit.capabilities.isExact {
                    let least = all[index].score
                    let found = try await repository.query([3, 1, 2], topK: 20, minScore: least)
                    let kept = all.filter { $0.score >= least }
                    try expectIDs(found.map(\.id), kept.map(\.id), "\(metric), minScore \(least), a record's own score")
                }
                let none = try await repository.query([3, 1, 2], minScore: .infinity)
                try expectEqual(none.count, 0, "\(metric), answers with minScore infinity")
                let every = try await repository.query([3, 1, 2], topK: 20, minScore: -.infinity)
                try expectEqual(every.count, 20, "\(metric), answers with minScore -infinity")
            }
        },
        ConformanceCheck(
            "includeVectors gives the stored vectors", clause: "2 query",
            hint: "the vector as it was written, not as the engine normalised it; none unless asked for"
        ) { kit in
            for metric in VectorMetric.allCases.filter(kit.capabilities.metrics.contains) {
                let repository = try await kit.open(metric: metric)
                let records = [kit.record(1, [3, 4, 12]), kit.record(2, [0.1, -0.2, 0.3])]
                try await repository.upsert(records)
                let found = try await repository.query([3, 4, 12], includeVectors: true)
                for record in records {
                    try expectVector(
                        found.first { $0.id == record.id }?.vector, record.vector, "\(metric), \(record.id)",
                        bits: kit.capabilities.keepsVectorBits)
                }
                let bare = try await repository.query([3, 4, 12])
                try expect(bare.allSatisfy { $0.vector == nil }, "vectors came that were not asked for")
            }
        },
        ConformanceCheck(
            "a filter that one record in a hundred matches is filled up to topK", clause: "2 query, under-return",
            needs: [.filters],
            hint: "filter before the cut; where an index finds too few, ask again, wider or exactly"
        ) { kit in
            var random = RandomValues(seed: 12)
            let records = (0..<600).map { number in
                // Those that match are the farthest from what is asked for.
                let rare = number % 100 == 7
                let vector = random.vector(4).map { rare ? -1 + $0 / 10 : 1 + $0 / 10 }
                return kit.record(number, vector, ["rare": .bool(rare), "n": .int(Int64(number))])
            }
            let repository = try await kit.open(dimension: 4)
            try await repository.upsert(records)
            let search = ExactSearch(metric: kit.metric, records: records)
            let filters: [VectorFilter] = [
                ["rare": true], .compare("rare", .notEqual, false), .field("n").in([7, 107.0, 9999]),
                .not(.field("n") >= 4.5), .and([["rare": true], .field("n") > 250]),
            ]
            for filter in filters {
                for topK in [3, 6, 50] {
                    try search.check(
                        try await repository.query([1, 1, 1, 1], topK: topK, filter: filter), for: [1, 1, 1, 1],
                        topK: topK, filter: filter, isExact: kit.capabilities.isExact,
                        "seed 12, \(filter), topK \(topK)")
                }
            }
        },
        ConformanceCheck(
            "a batch answers as its queries one by one", clause: "2 query batch",
            hint: "answers stand in the order of the vectors, with the same filter, cut and scores"
        ) { kit in
            var random = RandomValues(seed: 13)
            let repository = try await kit.open(dimension: 4)
            let records = (0..<120).map { number in
                kit.record(number, random.vector(4), ["even": .bool(number.isMultiple(of: 2))])
            }
            try await repository.upsert(records)
            var vectors = (0..<15).map { _ in random.vector(4) }
            vectors.append(vectors[0])
            let filters: [VectorFilter?] = kit.capabilities.supportsFilters ? [nil, ["even": true]] : [nil]
            for filter in filters {
                let batch = try await repository.queryBatch(vectors, topK: 7, filter: filter)
                try expectEqual(batch.count, vectors.count, "lists of answers")
                for (index, answers) in batch.enumerated() {
                    let alone = try await repository.query(vectors[index], topK: 7, filter: filter)
                    let what = "seed 13, query \(index) of the batch"
                    if kit.capabilities.isExact { try expectIDs(answers.map(\.id), alone.map(\.id), what) }
                    try expectEqual(answers.count, alone.count, "\(what), answers")
                    let ownScores = Dictionary(alone.map { ($0.id, $0.score) }) { $1 }
                    for answer in answers {
                        guard let score = ownScores[answer.id] else { continue }
                        let tolerance = 1e-5 * max(1, score.magnitude)
                        try expect(
                            (answer.score - score).magnitude <= tolerance,
                            "\(what): \(answer.id) scores \(answer.score), alone \(score)")
                    }
                }
            }
            let alone = try await repository.query(vectors[0], topK: 20, filter: filters.last ?? nil)
            let least = (alone[3].score + alone[4].score) / 2
            let cut = try await repository.queryBatch(
                [vectors[0], vectors[0]], topK: 20, filter: filters.last ?? nil, minScore: least, includeVectors: true)
            let vectorsByID = Dictionary(uniqueKeysWithValues: records.map { ($0.id, $0.vector) })
            for answers in cut {
                if kit.capabilities.isExact {
                    let kept = alone.filter { $0.score >= least }.map(\.id)
                    try expectIDs(answers.map(\.id), kept, "seed 13, a batch with minScore \(least)")
                }
                for answer in answers {
                    try expect(
                        answer.score >= least, "a batch: the score of \(answer.id), \(answer.score), is below \(least)")
                    try expectVector(
                        answer.vector, vectorsByID[answer.id] ?? [], "a batch, \(answer.id)",
                        bits: kit.capabilities.keepsVectorBits)
                }
            }
            let bare = try await repository.queryBatch([vectors[0]], topK: 3)
            try expect(bare[0].allSatisfy { $0.vector == nil }, "vectors came with a batch that were not asked for")
            try expectEqual(try await repository.queryBatch([]).count, 0, "answers to no query")
        },
        ConformanceCheck(
            "an empty collection answers nothing", clause: "2 query",
            hint: "an empty collection is there: no error, no answer"
        ) { kit in
            let repository = try await kit.open()
            try expectEqual(try await repository.query([1, 2, 3]).count, 0, "answers")
            try expectEqual(try await repository.queryBatch([[1, 2, 3], [0, 0, 0]]).map(\.count), [0, 0], "answers")
            try expectEqual(try await repository.fetch().count, 0, "records fetched")
            try expectEqual(try await repository.fetch([kit.id(1)]).count, 0, "records fetched by id")
            try expectEqual(try await repository.records().count, 0, "records read")
            try expectEqual(try await repository.delete([kit.id(1)]), 0, "records deleted")
            try expectEqual(try await repository.count(), 0, "records")
            if kit.capabilities.supportsFilters {
                try expectEqual(try await repository.query([1, 2, 3], filter: ["a": 1]).count, 0, "answers, filtered")
                try expectEqual(try await repository.delete(matching: [:]), 0, "records deleted by filter")
            }
        },
    ]
}
