import CVectorKernels
import Testing

/// Products of codes are whole numbers, the same from every kernel; bounds differ by rounding alone.
@Suite struct CodeKernelTests {
    /// Rows and queries with random codes, and what a kernel makes of them.
    private final class Codes {
        let words: Int, groups: Int, recordCodes: Int
        private let codes: [UInt8], records: [UInt8], queryCodes: [Int8]
        private let factors: [Float], norms: [Float]
        private static let queryStride = 1024
        let queryCount = 7

        init(words: Int, groups: Int, recordCodes: Int, seed: UInt64) {
            (self.words, self.groups, self.recordCodes) = (words, groups, recordCodes)
            var state = seed
            func next(_ bound: UInt64) -> UInt64 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return (state >> 33) % bound
            }
            // The ends of the range come often: that is where narrow sums would overflow.
            func code() -> Int { [-127, 127, Int(next(255)) - 127][Int(next(3))] }
            codes = (0..<groups * words * 64).map { _ in UInt8(128 + code()) }
            records = (0..<groups * 16).flatMap { _ -> [UInt8] in
                let head = (0..<4).flatMap { _ in
                    withUnsafeBytes(of: Float(next(1000)) / 1e5) { Array($0) }
                }
                return head + (0..<recordCodes).map { _ in UInt8(128 + code()) }
            }
            queryCodes = (0..<queryCount * 2 * Self.queryStride).map { _ in Int8(code()) }
            factors = (0..<groups * 48).map { _ in Float(next(1000)) / 1e5 }
            norms = (0..<groups * 16).map { _ in Float(next(1000)) / 100 }
        }

        func with<Value>(_ body: (cvk_coded_rows, [cvk_coded_query]) -> Value) -> Value? {
            codes.withUnsafeBufferPointer { codes in
                records.withUnsafeBufferPointer { records in
                    factors.withUnsafeBufferPointer { factors in
                        norms.withUnsafeBufferPointer { norms in
                            queryCodes.withUnsafeBufferPointer { queryCodes -> Value? in
                                guard let base = queryCodes.baseAddress else { return nil }
                                let rows = cvk_coded_rows(
                                    codes: codes.baseAddress, words: words, factors: factors.baseAddress,
                                    norms: norms.baseAddress, records: records.baseAddress, record_codes: recordCodes)
                                let queries = (0..<queryCount).map { number in
                                    let first = base + number * 2 * Self.queryStride
                                    let second = first + Self.queryStride
                                    let sums = (
                                        (0..<words * 4).reduce(0) { $0 + Int32(first[$1]) },
                                        (0..<recordCodes).reduce(0) { $0 + Int32(second[$1]) }
                                    )
                                    return cvk_coded_query(
                                        codes: first, record_codes: second, offset: -128 * sums.0,
                                        record_offset: -128 * sums.1, scale: 0.001, residual: 0.9, tail: 0.3,
                                        constant: 0.01, record_scale: 0.0007, record_residual: 0.95, record_tail: 0.1,
                                        record_constant: 0.001, weight: 1.5)
                                }
                                return body(rows, queries)
                            }
                        }
                    }
                }
            }
        }

        func dots(_ kernel: cvk_kernel, queries count: Int) -> [Int32]? {
            with { rows, queries in
                var rows = rows
                var dots = [Int32](repeating: .min, count: count * groups * 16)
                cvk_code_dots(kernel, &rows, 0, groups, queries, count, &dots, groups * 16)
                return dots
            }
        }

        /// The bounds of the first query, those that are above the average, and what the second stage leaves of those.
        func chosen(_ kernel: cvk_kernel, _ shape: cvk_shape) -> (bounds: [Float], rows: [UInt32], refined: [Float])? {
            with { rows, queries in
                var rows = rows
                var query = queries[0]
                var bounds = [Float](repeating: 0, count: groups * 16)
                bounds.withUnsafeMutableBytes { bytes in
                    guard let base = bytes.baseAddress else { return }
                    cvk_code_dots(
                        kernel, &rows, 0, groups, queries, 1, base.assumingMemoryBound(to: Int32.self), groups * 16)
                    cvk_code_bounds(kernel, shape, &rows, 0, groups, &query, base)
                }
                var selected = [UInt32](repeating: .max, count: groups * 16 + 16)
                let mean = bounds.reduce(0, +) / Float(bounds.count)
                let found = cvk_select(kernel, bounds, bounds.count, mean, &selected)
                var refined = bounds
                let chosen = Array(selected.prefix(found))
                _ = cvk_refine(
                    kernel, shape, &rows, &query, -.greatestFiniteMagnitude, &refined, &selected, found)
                return (bounds, chosen, refined)
            }
        }
    }

    @Test(arguments: KernelTests.fast)
    func everyKernelHasThePortableOnesProducts(kernel: UInt32) {
        for (words, groups) in [(1, 1), (3, 2), (8, 5), (40, 9), (96, 4)] {
            let codes = Codes(words: words, groups: groups, recordCodes: 16, seed: UInt64(words))
            for count in [1, 2, 4, 7] {
                #expect(
                    codes.dots(cvk_kernel(rawValue: kernel), queries: count)
                        == codes.dots(cvk_kernel_portable, queries: count))
            }
        }
    }

    @Test func thePortableProductsAreThoseOfTheCodes() {
        let group = (0..<64).map { UInt8(128 + $0 - 32) }
        let query: [Int8] = [1, -127, 3, 127]
        query.withUnsafeBufferPointer { query in
            group.withUnsafeBufferPointer { group in
                var rows = cvk_coded_rows()
                (rows.codes, rows.words) = (group.baseAddress, 1)
                var one = cvk_coded_query()
                (one.codes, one.offset) = (query.baseAddress, -128 * 4)
                var dots = [Int32](repeating: 0, count: 16)
                cvk_code_dots(cvk_kernel_portable, &rows, 0, 1, &one, 1, &dots, 16)
                #expect(
                    dots
                        == (0..<16).map { row in
                            let first = 4 * Int32(row) - 32
                            return first - 127 * (first + 1) + 3 * (first + 2) + 127 * (first + 3)
                        })
            }
        }
    }

    @Test(arguments: KernelTests.fast, [cvk_shape_cosine.rawValue, cvk_shape_dot.rawValue, cvk_shape_l2.rawValue])
    func everyKernelHasThePortableOnesBounds(kernel: UInt32, shape: UInt32) throws {
        for recordCodes in [16, 48, 64, 112, 208] {
            let codes = Codes(words: 24, groups: 9, recordCodes: recordCodes, seed: UInt64(recordCodes))
            let shape = cvk_shape(rawValue: shape)
            let expected = try #require(codes.chosen(cvk_kernel_portable, shape))
            let found = try #require(codes.chosen(cvk_kernel(rawValue: kernel), shape))
            func isNear(_ lhs: [Float], _ rhs: [Float]) -> Bool {
                zip(lhs, rhs).allSatisfy { abs($0 - $1) <= 1e-4 * (1 + max(abs($0), abs($1))) }
            }
            #expect(isNear(found.bounds, expected.bounds) && isNear(found.refined, expected.refined))
            #expect(found.rows == expected.rows)
            #expect(expected.refined != expected.bounds)
        }
    }

    @Test(arguments: [cvk_kernel_portable.rawValue] + KernelTests.fast)
    func rowsAreSelectedByTheirBounds(kernel: UInt32) {
        for count in [0, 1, 15, 16, 17, 100] {
            var bounds = (0..<count).map { Float($0 * 37 % 41) }
            if count > 3 { (bounds[1], bounds[2]) = (.nan, -.infinity) }
            var selected = [UInt32](repeating: 0, count: count + 16)
            let found = cvk_select(cvk_kernel(rawValue: kernel), bounds, count, 20, &selected)
            #expect(Array(selected.prefix(found)) == bounds.indices.filter { !(bounds[$0] < 20) }.map(UInt32.init))
        }
        #expect(cvk_highest([-1, 5, .nan, 5, 2], 5) == 1 && cvk_highest([-.infinity, .nan], 2) == 2)
        #expect(cvk_highest((0..<40).map { Float($0 % 32) }, 40) == 31)
    }

    /// What is stored of a row says how far its codes may be from it.
    @Test func codesAreAsNearAsTheySay() {
        var state: UInt64 = 5
        let (count, stride) = (21, 16)
        let components = (0..<count * stride).map { _ -> Float in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int64(bitPattern: state) >> 24) / 0x1p38
        }
        let rowFactors = (0..<16).map { $0 == 3 ? 0 : Double($0 + 1) / 7 }
        var codes = [UInt8](repeating: 128, count: 6 * 64)
        var scales = [Float](repeating: -1, count: 16)
        var (energies, residuals) = ([Double](repeating: -1, count: 16), [Double](repeating: -1, count: 16))
        cvk_encode_group(components, stride, count, rowFactors, &codes, 64, 4, &scales, &energies, &residuals)
        for row in 0..<16 {
            var (energy, residual) = (0.0, 0.0)
            for k in 0..<count {
                let value = Double(components[k * stride + row]) * rowFactors[row]
                let code = Int(codes[k / 4 * 64 + row * 4 + k % 4]) - 128
                #expect(abs(code) <= 127)
                energy += value * value
                residual += (value - Double(code) * Double(scales[row])) * (value - Double(code) * Double(scales[row]))
            }
            #expect(abs(energies[row] - energy) <= 1e-12 && abs(residuals[row] - residual) <= 1e-12)
            #expect(residuals[row].squareRoot() <= Double(scales[row]) * Double(count).squareRoot() / 2 * 1.001)
        }
    }

    @Test func vectorsBecomeOrthonormal() {
        var vectors: [Double] = [3, 4, 0, 0, 1, 1, 1, 0, 6, 8, 0, 0, 1e-9, 1, 0, 5]
        cvk_orthonormalize(&vectors, 4, 4)
        for lhs in 0..<4 {
            for rhs in 0...lhs {
                let product = (0..<4).reduce(0.0) { $0 + vectors[lhs * 4 + $1] * vectors[rhs * 4 + $1] }
                // The third depends on the first.
                #expect(abs(product - (lhs == rhs && lhs != 2 ? 1 : 0)) < 1e-12)
            }
        }
    }
}
