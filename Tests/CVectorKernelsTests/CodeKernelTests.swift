import CVectorKernels
import Testing

/// Products of codes are whole numbers, the same from every kernel; bounds differ by rounding alone.
@Suite struct CodeKernelTests {
    /// Rows and queries with random codes, and what a kernel makes of them.
    private final class Codes {
        let words: Int, coarseWords: Int, groups: Int, recordCodes: Int, recordCoarse: Int, factorWords: Int
        private let codes: [UInt8], records: [UInt8], queryCodes: [Int8]
        private let factors: [UInt32], norms: [Float]
        /// Scale and norm of the residual, lead and norm of the tail, of each row.
        private let parts: [(scale: Float, residual: Float, lead: Double, tail: Double)]
        private static let queryStride = 1024
        let queryCount = 7

        init(
            words: Int, coarseWords: Int = 0, groups: Int, recordCodes: Int, recordCoarse: Int = 0,
            factorWords: Int = 2, seed: UInt64, for kernel: UInt32
        ) {
            (self.words, self.groups, self.recordCodes) = (words, groups, recordCodes)
            (self.coarseWords, self.recordCoarse) = (coarseWords, recordCoarse)
            self.factorWords = factorWords
            var state = seed
            func next(_ bound: UInt64) -> UInt64 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return (state >> 33) % bound
            }
            // The ends of the range come often: that is where narrow sums would overflow.
            func code(_ most: Int = 127) -> Int { [-most, most, Int(next(UInt64(2 * most + 1))) - most][Int(next(3))] }
            func two() -> UInt8 { [0, 255, UInt8(next(256))][Int(next(3))] }
            codes = (0..<groups).flatMap { _ in
                (0..<words * 64).map { _ in UInt8(128 + code()) } + (0..<coarseWords * 64).map { _ in two() }
            }
            records = (0..<groups * 16).flatMap { _ -> [UInt8] in
                let head = (0..<4).flatMap { _ in
                    withUnsafeBytes(of: Float(next(1000)) / 1e5) { Array($0) }
                }
                return head + (0..<recordCoarse).map { _ in two() } + (0..<recordCodes).map { _ in UInt8(128 + code()) }
            }
            let most = Int(cvk_most_of_query(cvk_kernel(rawValue: kernel)))
            queryCodes = (0..<queryCount * 2 * Self.queryStride).map { index in
                Int8(code(index % (2 * Self.queryStride) < words * 4 ? most : 127))
            }
            let parts = (0..<groups * 16).map { _ in
                (
                    scale: cvk_rounded_up(Float(next(1000)) / 1e5), residual: cvk_rounded_up(Float(next(1000)) / 1e5),
                    lead: (Double(next(65_535)) - 32_767) / 16_384, tail: Double(next(16_385)) / 16_384
                )
            }
            factors = (0..<groups).flatMap { group in
                let rows = parts[group * 16..<group * 16 + 16]
                let first = rows.map { cvk_pair_of_floats($0.scale, $0.residual) }
                return factorWords == 1 ? first : first + rows.map { cvk_pair_of_steps($0.lead, $0.tail) }
            }
            self.parts = parts
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
                                    codes: codes.baseAddress, words: words, coarse_words: coarseWords,
                                    factors: factors.baseAddress, factor_words: factorWords, norms: norms.baseAddress,
                                    records: records.baseAddress, record_codes: recordCodes,
                                    record_coarse_bytes: recordCoarse)
                                let queries = (0..<queryCount).map { number in
                                    let first = base + number * 2 * Self.queryStride
                                    let second = first + Self.queryStride
                                    func sum(_ codes: UnsafePointer<Int8>, _ range: Range<Int>) -> Int32 {
                                        range.reduce(0) { $0 + Int32(codes[$1]) }
                                    }
                                    let coarse = -8 * sum(first, words * 4..<words * 4 + coarseWords * 8)
                                    let middle = recordCoarse * 2
                                    return cvk_coded_query(
                                        codes: first, record_codes: second,
                                        offset: -128 * sum(first, 0..<words * 4) + coarse,
                                        record_offset: -128 * sum(second, middle..<middle + recordCodes) - 8
                                            * sum(second, 0..<middle), coarse_offset: coarse, scale: 0.001,
                                        residual: 0.9,
                                        tail: 0.3 / CVK_STEPS, lead: -0.7 / CVK_STEPS,
                                        constant: 0.01 * Float(number + 1), record_scale: 0.0007,
                                        record_residual: 0.95, record_tail: 0.1,
                                        record_constant: 0.001, record_first: 0.8, weight: 1.5)
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

        /// What each of some queries finds in all groups but the first four; then what the second stage leaves of it.
        func found(
            _ kernel: cvk_kernel, _ shape: cvk_shape, queries count: Int, threshold: Float, present: [UInt64],
            refining limit: Float? = nil
        ) -> [(rows: [UInt32], bounds: [Float])]? {
            with { rows, queries in
                var rows = rows
                let room = groups * 16 + 16
                let numbers = UnsafeMutablePointer<UInt32>.allocate(capacity: room * count)
                let bounds = UnsafeMutablePointer<Float>.allocate(capacity: room * count)
                defer {
                    numbers.deallocate()
                    bounds.deallocate()
                }
                var found = (0..<count).map {
                    cvk_found(
                        numbers: numbers + $0 * room, bounds: bounds + $0 * room, count: 0, threshold: threshold)
                }
                // In two calls: what comes later is added.
                cvk_code_scan(kernel, shape, &rows, 4, min(4, groups - 4), present, 1000, queries, count, &found)
                if groups > 8 {
                    cvk_code_scan(kernel, shape, &rows, 8, groups - 8, present, 1000, queries, count, &found)
                }
                return found.indices.map { query in
                    var number = found[query].count
                    if let limit {
                        var raw = queries[query]
                        number = cvk_refine(
                            kernel, shape, &rows, 1000, &raw, limit, found[query].numbers, found[query].bounds, number)
                    }
                    return (
                        (0..<number).map { numbers[query * room + $0] }, (0..<number).map { bounds[query * room + $0] }
                    )
                }
            }
        }

        /// The bound of a row for a query, in double precision.
        func bound(_ shape: cvk_shape, query: Int, row: Int) -> Double? {
            with { rows, queries in
                var raw = rows
                var dots = [Int32](repeating: 0, count: queryCount * groups * 16)
                cvk_code_dots(
                    cvk_kernel_portable, &raw, 0, groups, queries, queryCount, &dots, groups * 16)
                let query = (raw: queries[query], dot: Double(dots[query * groups * 16 + row]))
                let part = parts[row]
                var bound = query.dot * Double(part.scale) * Double(query.raw.scale)
                bound += Double(part.residual) * Double(query.raw.residual)
                if factorWords == 2 {
                    bound += 16_384 * (part.tail * Double(query.raw.tail) + part.lead * Double(query.raw.lead))
                }
                bound += Double(query.raw.constant)
                let norm = Double(norms[row])
                switch shape {
                case cvk_shape_cosine: return bound
                case cvk_shape_dot: return norm * bound
                default: return norm * (Double(query.raw.weight) * bound - norm)
                }
            }
        }
    }

    @Test(arguments: KernelTests.fast)
    func everyKernelHasThePortableOnesProducts(kernel: UInt32) {
        for (words, coarseWords, groups) in [
            (1, 0, 1), (3, 1, 2), (8, 7, 5), (40, 0, 9), (96, 12, 4), (0, 5, 3), (0, 48, 6),
        ] {
            let codes = Codes(
                words: words, coarseWords: coarseWords, groups: groups, recordCodes: 16, seed: UInt64(words),
                for: kernel)
            for count in [1, 2, 4, 7] {
                #expect(
                    codes.dots(cvk_kernel(rawValue: kernel), queries: count)
                        == codes.dots(cvk_kernel_portable, queries: count))
            }
        }
    }

    /// Nothing that rules rows out gets smaller on its way into half a word, nor larger than it needs to.
    @Test func halvesOfWordsAreRoundedUp() {
        for value in [0, 1, 0.1, 1 / 3, 0x1p-149, 0x1p-126, 0x1.fep-9, 0x1.fe0002p-9, 3e38] as [Float] {
            let up = cvk_rounded_up(value)
            #expect(up >= value && up <= max(value * (1 + 0x1p-7), 0x1p-133) && up.bitPattern & 0xFFFF == 0)
            #expect(cvk_pair_of_floats(up, up) == up.bitPattern | up.bitPattern >> 16)
        }
        #expect(cvk_rounded_up(.infinity) == .infinity && cvk_rounded_up(.nan) == .infinity)
        #expect(cvk_rounded_up(.greatestFiniteMagnitude) == .infinity)
        func steps(_ lead: Double, _ tail: Double) -> [Int] {
            let word = cvk_pair_of_steps(lead, tail)
            return [Int(Int16(truncatingIfNeeded: word >> 16)), Int(word & 0xFFFF)]
        }
        #expect(steps(0, 0) == [0, 0])
        #expect(steps(1, 1) == [16_384, 16_384])
        #expect(steps(-2, 1.001) == [-32_767, 16_384])
        #expect(steps(0x1.8p-14, 0x1p-60) == [2, 1])
        #expect(steps(-0.5 - 0x1p-16, 0.5 + 0x1p-16) == [-8192, 8193])
        #expect(steps(.infinity, .infinity) == [32_767, 16_384])
        #expect(steps(0, .nan) == [0, 16_384])
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

    /// Halves of bytes: the first four components of a word in the lower ones.
    @Test func thePortableProductsOfCoarseCodesAreThoseOfTheCodes() {
        // A word of codes of 1, then row r's coarse codes r - 8 and, in the upper halves, 7 - r.
        var group = [UInt8](repeating: 129, count: 64)
        for row in 0..<16 { group += [UInt8](repeating: UInt8(row + (15 - row) * 16), count: 4) }
        let query: [Int8] = [1, 2, 3, 4, 1, -127, 3, 127, 5, 6, 7, 8]
        query.withUnsafeBufferPointer { query in
            group.withUnsafeBufferPointer { group in
                var rows = cvk_coded_rows()
                (rows.codes, rows.words, rows.coarse_words) = (group.baseAddress, 1, 1)
                var one = cvk_coded_query()
                (one.codes, one.offset, one.coarse_offset) = (query.baseAddress, -128 * 10 - 8 * 30, -8 * 30)
                for kernel in [cvk_kernel_portable] + KernelTests.fast.map(cvk_kernel.init(rawValue:)) {
                    var dots = [Int32](repeating: 0, count: 16)
                    cvk_code_dots(kernel, &rows, 0, 1, &one, 1, &dots, 16)
                    for row in 0..<16 as Range<Int32> {
                        let (lower, upper) = (4 * (row - 8), 26 * (7 - row))
                        #expect(dots[Int(row)] == 10 + lower + upper)
                    }
                }
            }
        }
    }

    private static let shapes = [cvk_shape_cosine.rawValue, cvk_shape_dot.rawValue, cvk_shape_l2.rawValue]

    /// Every number of groups and queries around the sizes of blocks; rows that are not there are not found.
    @Test(arguments: [cvk_kernel_portable.rawValue] + KernelTests.fast, shapes)
    func aScanFindsWhatItsBoundsSay(kernel: UInt32, shape: UInt32) throws {
        let (kernel, shape) = (cvk_kernel(rawValue: kernel), cvk_shape(rawValue: shape))
        for (groups, factorWords) in [(5, 2), (8, 1), (9, 2), (11, 1), (17, 2)] {
            let codes = Codes(
                words: 24, coarseWords: groups % 3, groups: groups, recordCodes: 16, factorWords: factorWords,
                seed: UInt64(groups), for: kernel.rawValue)
            let present = (0..<(groups + 3) / 4).map { $0 == 2 ? 0 : 0xF3F1_AAAA_0FFF_FF0F as UInt64 }
            for count in [1, 3, 4, 7] {
                let bounds = try (0..<count).map { query in
                    try (0..<groups * 16).map { try #require(codes.bound(shape, query: query, row: $0)) }
                }
                let middle = Float(bounds[0].sorted()[groups * 8])
                for threshold in [-.greatestFiniteMagnitude, middle, .greatestFiniteMagnitude] {
                    let found = try #require(
                        codes.found(kernel, shape, queries: count, threshold: threshold, present: present))
                    for query in 0..<count {
                        let rows = found[query].rows.map { Int($0) - 1000 }
                        #expect(rows == rows.sorted() && Set(rows).count == rows.count)
                        for row in 64..<groups * 16 {
                            let isThere = present[row / 64] & (1 << UInt64(row % 64)) != 0
                            let expected = bounds[query][row], slack = 1e-4 * (1 + abs(expected))
                            if let place = rows.firstIndex(of: row) {
                                #expect(isThere && abs(Double(found[query].bounds[place]) - expected) <= slack)
                                #expect(found[query].bounds[place] >= threshold)
                            } else {
                                #expect(!isThere || expected < Double(threshold) + slack)
                            }
                        }
                    }
                }
            }
        }
    }

    @Test(arguments: KernelTests.fast, shapes)
    func everyKernelRefinesAsThePortableOne(kernel: UInt32, shape: UInt32) throws {
        for (recordCodes, recordCoarse) in [(16, 0), (48, 16), (64, 80), (112, 0), (208, 112), (0, 48)] {
            let codes = Codes(
                words: 24, groups: 9, recordCodes: recordCodes, recordCoarse: recordCoarse, seed: UInt64(recordCodes),
                for: kernel)
            let shape = cvk_shape(rawValue: shape)
            let present = [UInt64](repeating: .max, count: 3)
            func found(_ kernel: cvk_kernel, _ limit: Float?) throws -> [(rows: [UInt32], bounds: [Float])] {
                try #require(
                    codes.found(
                        kernel, shape, queries: 2, threshold: -.greatestFiniteMagnitude, present: present,
                        refining: limit))
            }
            let all = try found(cvk_kernel_portable, -.greatestFiniteMagnitude)
            let unrefined = try found(cvk_kernel_portable, nil)
            for query in 0..<2 {
                #expect(all[query].rows == unrefined[query].rows && all[query].bounds != unrefined[query].bounds)
                let limit = all[query].bounds.reduce(0, +) / Float(all[query].bounds.count)
                let (expected, other) = (
                    try found(cvk_kernel_portable, limit)[query],
                    try found(cvk_kernel(rawValue: kernel), limit)[query]
                )
                #expect(expected.rows == zip(all[query].rows, all[query].bounds).filter { $1 >= limit }.map(\.0))
                #expect(!expected.rows.isEmpty && expected.rows.count < all[query].rows.count)
                #expect(other.rows == expected.rows)
                #expect(
                    zip(other.bounds, expected.bounds).allSatisfy { abs($0 - $1) <= 1e-4 * (1 + max(abs($0), abs($1))) }
                )
            }
        }
    }

    @Test(arguments: [cvk_kernel_portable.rawValue] + KernelTests.fast)
    func aRowOfWhichNothingIsKnownIsFound(kernel: UInt32) {
        let codes = [UInt8](repeating: 128, count: 64)
        var factors = [UInt32](repeating: 0, count: 16)
        factors[3] = cvk_pair_of_floats(0, .infinity)
        factors[9] = cvk_pair_of_floats(0, cvk_rounded_up(.nan))
        let query = [Int8](repeating: 1, count: 4)
        codes.withUnsafeBufferPointer { codes in
            factors.withUnsafeBufferPointer { factors in
                query.withUnsafeBufferPointer { query in
                    var rows = cvk_coded_rows()
                    (rows.codes, rows.words) = (codes.baseAddress, 1)
                    (rows.factors, rows.factor_words) = (factors.baseAddress, 1)
                    var one = cvk_coded_query()
                    (one.codes, one.offset, one.residual) = (query.baseAddress, -512, 1)
                    var numbers = [UInt32](repeating: 0, count: 32)
                    var bounds = [Float](repeating: 0, count: 32)
                    numbers.withUnsafeMutableBufferPointer { numbers in
                        bounds.withUnsafeMutableBufferPointer { bounds in
                            var found = cvk_found(
                                numbers: numbers.baseAddress, bounds: bounds.baseAddress, count: 0,
                                threshold: .greatestFiniteMagnitude)
                            cvk_code_scan(
                                cvk_kernel(rawValue: kernel), cvk_shape_cosine, &rows, 0, 1, [0xFFFF], 0, &one, 1,
                                &found)
                            #expect(Array(numbers[..<found.count]) == [3, 9])
                        }
                    }
                }
            }
        }
    }

    @Test func rowsAreKeptByTheirBounds() {
        for count in [0, 1, 15, 16, 17, 100] {
            var bounds = (0..<count).map { Float($0 * 37 % 41) }
            if count > 3 { (bounds[1], bounds[2]) = (.nan, -.infinity) }
            let expected = bounds.indices.filter { !(bounds[$0] < 20) }
            var numbers = (0..<count).map { UInt32($0) }
            let kept = cvk_keep(20, &numbers, &bounds, count)
            #expect(numbers.prefix(kept).map { Int($0) } == expected)
        }
        #expect(cvk_highest([-1, 5, .nan, 5, 2], 5) == 1 && cvk_highest([-.infinity, .nan], 2) == 2)
        #expect(cvk_highest((0..<40).map { Float($0 % 32) }, 40) == 31)
    }

    /// Components of 16 rows, one of which has none, and what they are to be multiplied with.
    private static func components(_ count: Int) -> (values: [Float], factors: [Double]) {
        var state: UInt64 = 5
        let values = (0..<count * 16).map { _ -> Float in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int64(bitPattern: state) >> 24) / 0x1p38
        }
        return (values, (0..<16).map { $0 == 3 ? 0 : Double($0 + 1) / 7 })
    }

    /// What is stored of a row says how far its codes may be from it.
    @Test func codesAreAsNearAsTheySay() {
        let count = 21
        let (components, rowFactors) = Self.components(count)
        var codes = [UInt8](repeating: 128, count: 6 * 64)
        var highest = [Double](repeating: -1, count: 16)
        var (energies, residuals) = (highest, highest)
        cvk_measure_group(components, 16, count, rowFactors, &highest, &energies)
        let scales = highest.map { Float($0 / 127) }
        cvk_encode_group(components, 16, count, rowFactors, scales, &codes, 64, 4, &residuals)
        for row in 0..<16 {
            var (energy, residual) = (0.0, 0.0)
            for k in 0..<count {
                let value = Double(components[k * 16 + row]) * rowFactors[row]
                let code = Int(codes[k / 4 * 64 + row * 4 + k % 4]) - 128
                #expect(abs(code) <= 127 && abs(value) <= highest[row])
                energy += value * value
                residual += (value - Double(code) * Double(scales[row])) * (value - Double(code) * Double(scales[row]))
            }
            #expect(abs(energies[row] - energy) <= 1e-12 && abs(residuals[row] - residual) <= 1e-12)
            #expect(residuals[row].squareRoot() <= Double(scales[row]) * Double(count).squareRoot() / 2 * 1.001)
        }
    }

    /// Coarse codes are four steps apart, and a record has what they miss; where no component is, halves stay.
    @Test func coarseCodesAreAsNearAsTheySay() {
        let (count, recordStride) = (37, 40)
        let (components, rowFactors) = Self.components(count)
        var highest = [Double](repeating: -1, count: 16)
        var (energies, residuals, left) = (highest, highest, highest)
        cvk_measure_group(components, 16, count, rowFactors, &highest, &energies)
        // The highest have no codes near them.
        let scales = highest.map { Float($0 / 30) }, recordScales = scales.map { $0 / 4 }
        var codes = [UInt8](repeating: 0x88, count: 5 * 64)
        var records = [UInt8](repeating: 0x88, count: 16 * recordStride)
        cvk_encode_coarse(
            components, 16, count, rowFactors, scales, recordScales, &codes, &records, recordStride, &residuals, &left)
        for row in 0..<16 {
            var (residual, further) = (0.0, 0.0)
            for k in 0..<40 {
                let value = k < count ? Double(components[k * 16 + row]) * rowFactors[row] : 0
                let byte = codes[k / 8 * 64 + row * 4 + k % 4],
                    inRecord = records[row * recordStride + k / 32 * 16 + k % 16]
                let code = Int(k & 4 == 0 ? byte & 15 : byte >> 4) - 8
                let rest = Int(k & 16 == 0 ? inRecord & 15 : inRecord >> 4) - 8
                let missed = value - Double(code) * 4 * Double(scales[row])
                if abs(value) <= 7.5 * 4 * Double(scales[row]) {
                    #expect(abs(missed) <= 2 * Double(scales[row]) * 1.001)
                    #expect(abs(missed - Double(rest) * Double(recordScales[row])) <= Double(recordScales[row]) * 1.001)
                }
                residual += missed * missed
                further +=
                    (missed - Double(rest) * Double(recordScales[row]))
                    * (missed - Double(rest) * Double(recordScales[row]))
            }
            #expect(abs(residuals[row] - residual) <= 1e-12 && abs(left[row] - further) <= 1e-12)
            #expect(left[row] < residuals[row] / 8 || row == 3)
        }
    }

    /// The step that is chosen is no worse than that which has a code near every component, nor than the best for a normal
    /// distribution, and what is said of it is true.
    @Test func coarseStepsMissLittle() {
        let count = 60
        var (components, rowFactors) = Self.components(count)
        // One row of a few large components, one of nothing but one.
        for k in 0..<count { components[k * 16 + 5] *= k % 20 == 0 ? 40 : 1 }
        for k in 1..<count { components[k * 16 + 6] = 0 }
        var highest = [Double](repeating: -1, count: 16)
        var (energies, steps, residuals, missed) = (highest, highest, highest, highest)
        cvk_coarse_steps(components, 16, count, rowFactors, &energies, &steps, &residuals, &missed)
        let measured = energies
        cvk_measure_group(components, 16, count, rowFactors, &highest, &energies)
        #expect(measured == energies)
        for row in 0..<16 {
            func misses(_ step: Double) -> [Double] {
                (0..<count).map { k in
                    let value = Double(components[k * 16 + row]) * rowFactors[row]
                    return step > 0 ? abs(value - max(-8, min(7, (value / step).rounded())) * step) : abs(value)
                }
            }
            func square(_ misses: [Double]) -> Double { misses.reduce(0) { $0 + $1 * $1 } }
            #expect(abs(square(misses(steps[row])) - residuals[row]) <= 1e-9)
            #expect(abs((misses(steps[row]).max() ?? 0) - missed[row]) <= 1e-9)
            let normal = 0.36 * (energies[row] / Double(count)).squareRoot()
            for other in [highest[row] / 7.5, min(highest[row] / 7.5, normal)] {
                #expect(residuals[row] <= square(misses(other)) + 1e-9)
            }
        }
        #expect(steps[3] == 0 && residuals[3] == 0 && missed[3] == 0)
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
