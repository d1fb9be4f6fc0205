import MiniORM

// The contract's section 3: vectors and scores.
extension ConformanceCheck {
    static let vectors: [ConformanceCheck] = [
        ConformanceCheck(
            "a vector that is not finite or of another length is refused", clause: "3 vectors",
            hint: "invalidVector naming the record, before any I/O"
        ) { kit in
            let repository = try await kit.open()
            for vector: [Float] in [
                [], [1, 2], [1, 2, 3, 4], [1, .nan, 3], [1, 2, .infinity], [-.infinity, 2, 3], [.signalingNaN, 0, 0],
            ] {
                let error = try await expectError(.invalidVector, what: "an upsert of \(vector)") {
                    try await repository.upsert([kit.record(1, [1, 2, 3]), kit.record(2, vector)])
                }
                try expect(error.recordID == kit.id(2), "an upsert of \(vector): the error does not name the record")
                try await expectError(.invalidVector, what: "a query with \(vector)") {
                    _ = try await repository.query(vector)
                }
                try await expectError(.invalidVector, what: "a batch with \(vector)") {
                    _ = try await repository.queryBatch([[1, 2, 3], vector])
                }
            }
            try expectEqual(try await repository.count(), 0, "records")
        },
        ConformanceCheck(
            "a fetched vector equals the stored one", clause: "3 vectors",
            hint: "keep float32 as it is, or declare keepsVectorBits false and stay within 1e-6; keep a cosine's norm"
        ) { kit in
            var random = RandomValues(seed: 21)
            var vectors: [[Float]] = [
                [0.1, 0.2, 0.3], [0, 0, 0], [-0.0, 1, 0], [1e-9, -1e9, 1], [3e9, 4e9, 0], [1e-9, 2e-9, 3e-9],
                [0.333333343, 1.00000012, -0.99999994], [16_777_215, 16_777_216, 1],
            ]
            vectors += (0..<30).map { _ in random.vector(3) }
            for metric in VectorMetric.allCases.filter(kit.capabilities.metrics.contains) {
                let repository = try await kit.open(metric: metric)
                try await repository.upsert(vectors.enumerated().map { kit.record($0, $1) })
                let found = try await repository.fetch()
                try expectEqual(found.count, vectors.count, "records")
                for (record, vector) in zip(found, vectors) {
                    try expectVector(
                        record.vector, vector, "seed 21, \(metric)", bits: kit.capabilities.keepsVectorBits)
                }
            }
        },
    ]

    static let dimensions: [ConformanceCheck] = [
        ConformanceCheck(
            "vectors of one dimension and of two thousand work", clause: "3 vectors, scores",
            hint: "declare maximumDimension where the engine has a limit; sums of many terms keep 1e-4"
        ) { kit in
            var random = RandomValues(seed: 23)
            for dimension in [1, min(2000, kit.capabilities.maximumDimension ?? 2000)] {
                let records = (0..<20).map { kit.record($0, random.vector(dimension)) }
                for metric in VectorMetric.allCases.filter(kit.capabilities.metrics.contains) {
                    let repository = try await kit.open(dimension: dimension, metric: metric)
                    try await repository.upsert(records)
                    let what = "seed 23, \(metric), \(dimension) dimensions"
                    for (found, record) in zip(try await repository.fetch(), records) {
                        try expectRecord(found, record, what, bits: kit.capabilities.keepsVectorBits)
                    }
                    let vector = random.vector(dimension)
                    try ExactSearch(metric: metric, records: records).check(
                        try await repository.query(vector, topK: 20), for: vector, topK: 20,
                        isExact: kit.capabilities.isExact, what)
                }
            }
        }
    ]

    static let scores: [ConformanceCheck] = VectorMetric.allCases.map { metric in
        ConformanceCheck(
            "\(metric) scores are those of double arithmetic", clause: "3 scores", needs: [.metric(metric)],
            hint: "cosine in [-1, 1] and 0 for a zero vector, dot, l2 minus the distance (not squared); 1e-4 relative"
        ) { kit in
            var random = RandomValues(seed: 22)
            var vectors: [[Float]] = [
                [0, 0, 0, 0], [1, 2, 3, 4], [2, 4, 6, 8], [-1, -2, -3, -4], [1, 0, 0, 0], [0, 1, 0, 0],
                [1e9, 2e9, 3e9, 4e9], [1e-9, 2e-9, 3e-9, 4e-9], [-1e-9, 1e-9, 0, 0], [-3e9, 1e9, 0, 1e9],
                [1.0001, 2, 3, 4],
            ]
            vectors += (0..<40).map { _ in random.vector(4) }
            let records = vectors.enumerated().map { kit.record($0, $1) }
            let repository = try await kit.open(dimension: 4, metric: metric)
            try await repository.upsert(records)
            let search = ExactSearch(metric: metric, records: records)
            let queries = vectors.prefix(11) + (0..<10).map { _ in random.vector(4) }
            let answers = try await repository.queryBatch(Array(queries), topK: 100)
            for (query, answers) in zip(queries, answers) {
                try search.check(
                    answers, for: query, topK: 100, isExact: kit.capabilities.isExact, "seed 22, \(metric) of \(query)")
                if metric == .cosine, let wrong = answers.first(where: { !(-1...1).contains($0.score) }) {
                    throw Unexpected("the cosine \(wrong.score) is outside of [-1, 1]")
                }
            }
        }
    }
}
