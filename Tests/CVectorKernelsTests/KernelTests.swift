import CVectorKernels
import Testing

/// The contract's section 3: scores are the same numbers everywhere, so every kernel gives the same bits.
@Suite struct KernelTests {
    static let fast = [cvk_kernel_avx2, cvk_kernel_avx512, cvk_kernel_neon].filter(cvk_is_available).map(\.rawValue)

    private static func random(_ count: Int, _ state: inout UInt64) -> [Float] {
        (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int64(bitPattern: state) >> 24) / 0x1p38
        }
    }

    /// Every number of queries and rows around the sizes of blocks, odd dimensions, odd alignments.
    @Test(arguments: fast, [cvk_measure_dot.rawValue, cvk_measure_squared_l2.rawValue])
    func everyKernelHasThePortableOnesBits(kernel: UInt32, measure: UInt32) {
        var state: UInt64 = 42
        let stride = 21
        for dimension in [1, 7, 15, 16, 17, 31, 33, 47, 64, 100, 129, 384] {
            let width = (dimension + 15) / 16 * 16
            func padded(_ count: Int) -> [Float] {
                (0..<count).flatMap { _ in
                    Self.random(dimension, &state) + [Float](repeating: 0, count: width - dimension)
                }
            }
            for (queryCount, rowCount) in [(1, 0), (1, 1), (1, 19), (2, 5), (3, 7), (4, 4), (5, 9), (8, 20), (9, 17)] {
                for shift in [0, 1, 5] {
                    let queries = Self.random(shift, &state) + padded(queryCount)
                    let rows = Self.random(shift, &state) + padded(rowCount)
                    var expected = [Float](repeating: -1, count: queryCount * stride)
                    var found = expected
                    queries.withUnsafeBufferPointer { queries in
                        rows.withUnsafeBufferPointer { rows in
                            guard let query = queries.baseAddress, let row = rows.baseAddress else { return }
                            let measure = cvk_measure(rawValue: measure)
                            cvk_measure_rows(
                                cvk_kernel_portable, measure, query + shift, queryCount, row + shift, rowCount, width,
                                &expected, stride)
                            cvk_measure_rows(
                                cvk_kernel(rawValue: kernel), measure, query + shift, queryCount, row + shift,
                                rowCount, width, &found, stride)
                        }
                    }
                    #expect(expected.map(\.bitPattern) == found.map(\.bitPattern))
                    // Rows here and there: the same in another order.
                    var picked = found
                    queries.withUnsafeBufferPointer { queries in
                        rows.withUnsafeBufferPointer { rows in
                            guard let query = queries.baseAddress, let row = rows.baseAddress else { return }
                            let addresses: [UnsafePointer<Float>?] = (0..<rowCount).reversed()
                                .map { row + shift + $0 * width }
                            cvk_measure_picked(
                                cvk_kernel(rawValue: kernel), cvk_measure(rawValue: measure), query + shift, queryCount,
                                addresses, rowCount, width, &picked, stride)
                        }
                    }
                    for query in 0..<queryCount {
                        let row = found[query * stride..<query * stride + rowCount]
                        #expect(
                            picked[query * stride..<query * stride + rowCount].reversed().map(\.bitPattern)
                                == row.map(\.bitPattern))
                    }
                }
            }
        }
    }

    /// Long vectors, for which one sum runs over thousands of components.
    @Test(arguments: fast, [cvk_measure_dot.rawValue, cvk_measure_squared_l2.rawValue])
    func longVectorsHaveThePortableOnesBits(kernel: UInt32, measure: UInt32) {
        var state: UInt64 = 7
        for dimension in [1536, 3072, 4095, 65_536] {
            let width = (dimension + 15) / 16 * 16
            func padded(_ count: Int) -> [Float] {
                (0..<count).flatMap { _ in
                    Self.random(dimension, &state) + [Float](repeating: 0, count: width - dimension)
                }
            }
            let (queries, rows) = (padded(3), padded(7))
            var expected = [Float](repeating: -1, count: 21)
            var found = expected
            let measure = cvk_measure(rawValue: measure)
            cvk_measure_rows(cvk_kernel_portable, measure, queries, 3, rows, 7, width, &expected, 7)
            cvk_measure_rows(cvk_kernel(rawValue: kernel), measure, queries, 3, rows, 7, width, &found, 7)
            #expect(expected.map(\.bitPattern) == found.map(\.bitPattern))
            for (index, found) in found.enumerated() {
                let query = Array(queries[index / 7 * width..<(index / 7 + 1) * width])
                let row = Array(rows[index % 7 * width..<(index % 7 + 1) * width])
                let isDot = measure == cvk_measure_dot
                let exact = isDot ? cvk_dot_double(query, row, width) : cvk_squared_l2_double(query, row, width)
                let norms = cvk_sum_of_squares(query, width) * cvk_sum_of_squares(row, width)
                #expect((Double(found) - exact).magnitude <= 1e-4 * (isDot ? norms.squareRoot() : exact))
            }
        }
    }

    @Test func thePortableKernelMeasures() {
        let query: [Float] = [1, 2, 3] + [Float](repeating: 0, count: 13)
        let row: [Float] = [4, -5, 6] + [Float](repeating: 0, count: 13)
        var results: [Float] = [0]
        cvk_measure_rows(cvk_kernel_portable, cvk_measure_dot, query, 1, row, 1, 16, &results, 1)
        #expect(results == [12])
        cvk_measure_rows(cvk_kernel_portable, cvk_measure_squared_l2, query, 1, row, 1, 16, &results, 1)
        #expect(results == [67])
        #expect(cvk_dot_double(query, row, 3) == 12)
        #expect(cvk_squared_l2_double(query, row, 3) == 67)
        #expect(cvk_sum_of_squares(row, 3) == 77)
        #expect(cvk_sum_of_squares([Float](repeating: .greatestFiniteMagnitude, count: 100), 100).isFinite)
        #expect(!cvk_sum_of_squares([1, .infinity], 2).isFinite && !cvk_sum_of_squares([.nan], 1).isFinite)
    }

    @Test func theBestKernelIsThere() {
        #expect(cvk_is_available(cvk_best_kernel()) && cvk_is_available(cvk_kernel_portable))
    }

    /// From any address to any other, and in place, without touching what is beside.
    @Test func networkOrder() {
        let words = (0..<67).map { UInt32(truncatingIfNeeded: $0 &* 0x9E37_79B9 &+ 0x0102_0304) }
        for count in [0, 1, 3, 8, 17, 66] {
            for (from, to) in [(0, 0), (1, 0), (0, 3), (2, 1)] {
                let given =
                    [UInt8](repeating: 1, count: from)
                    + words.flatMap { word in
                        withUnsafeBytes(of: word, Array.init)
                    }
                var found = [UInt8](repeating: 7, count: 300)
                given.withUnsafeBytes { given in
                    found.withUnsafeMutableBytes { found in
                        guard let given = given.baseAddress, let found = found.baseAddress else { return }
                        cvk_network_order(given + from, found + to, count)
                    }
                }
                let swapped = words.prefix(count).flatMap { word in
                    withUnsafeBytes(of: word.bigEndian, Array.init)
                }
                #expect(Array(found[..<to]) == [UInt8](repeating: 7, count: to))
                #expect(Array(found[to..<to + 4 * count]) == swapped)
                #expect(found[(to + 4 * count)...].allSatisfy { $0 == 7 })
            }
        }
        var inPlace = words
        inPlace.withUnsafeMutableBytes { cvk_network_order($0.baseAddress, $0.baseAddress, words.count) }
        #expect(inPlace == words.map(\.bigEndian))
    }

    /// The check value of the catalogue of CRCs, and one implementation against the other.
    @Test func crc32c() {
        let digits = Array("123456789".utf8)
        #expect(cvk_crc32c(0, digits, 9) == 0xE306_9283 && cvk_crc32c_portable(0, digits, 9) == 0xE306_9283)
        #expect(cvk_crc32c(cvk_crc32c(0, digits, 4), Array(digits[4...]), 5) == 0xE306_9283)
        let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }
        for start in 0..<9 {
            for end in start..<bytes.count {
                let part = Array(bytes[start..<end])
                #expect(cvk_crc32c(7, part, part.count) == cvk_crc32c_portable(7, part, part.count))
            }
        }
    }
}
