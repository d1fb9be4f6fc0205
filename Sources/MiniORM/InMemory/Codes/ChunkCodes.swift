internal import CVectorKernels

/// The codes of a chunk's rows, in the order of the rows.
///
/// Filled from the beginning, like the chunk: `append` is the only way in, and all of the unsafe storage is here.
///
/// `@unchecked Sendable`, as a lock would make queries wait for the coding of new rows. It is safe, because
/// - only one thread at a time codes the rows of a collection, and it writes to rows that no query knows of;
/// - a query takes the codes with the number of coded rows under the lock of ``RowChunk/codes``, under which they were
///   published;
/// - rows below that number are never written again, and the storage lives as long as the object.
final class ChunkCodes: @unchecked Sendable {
    let book: CodeBook
    private let capacity: Int
    private let piece: CodeMemory.Piece
    private let codes: UnsafeMutablePointer<UInt8>
    private let factors: UnsafeMutablePointer<UInt32>
    private let norms: UnsafeMutablePointer<Float>?
    private let records: UnsafeMutablePointer<UInt8>?

    /// Codes that a query may use: those of the rows below `count`.
    struct Coded: Sendable {
        var codes: ChunkCodes
        var count: Int
    }

    /// Room for the codes of a chunk.
    init(_ book: CodeBook, metric: VectorMetric, rows: Int, in memory: inout CodeMemory) {
        self.book = book
        capacity = (rows + 15) / 16 * 16
        let recordBytes = book.recordBytes
        let codeBytes = capacity * (book.words + book.coarseWords) * 4
        let factorBytes = capacity * book.factorWords * 4
        let normBytes = metric == .cosine ? 0 : capacity * 4
        piece = memory.take(codeBytes + factorBytes + normBytes + capacity * recordBytes)
        let memory = piece.address
        codes = memory.bindMemory(to: UInt8.self, capacity: codeBytes)
        factors = (memory + codeBytes).bindMemory(to: UInt32.self, capacity: capacity * book.factorWords)
        let behind = memory + codeBytes + factorBytes
        norms = normBytes == 0 ? nil : behind.bindMemory(to: Float.self, capacity: capacity)
        records =
            recordBytes == 0
            ? nil : (behind + normBytes).bindMemory(to: UInt8.self, capacity: capacity * recordBytes)
    }

    /// What the kernels see.
    var rows: cvk_coded_rows {
        cvk_coded_rows(
            codes: codes, words: book.words, coarse_words: book.coarseWords, factors: factors,
            factor_words: book.factorWords, norms: norms, records: records, record_codes: book.recordCodes,
            record_coarse_bytes: book.recordCoarseBytes)
    }

    /// Codes the rows of a chunk that follow the first `start`, a multiple of 16, up to `end`.
    func append(_ chunk: RowChunk, from start: Int, to end: Int) {
        guard start % 16 == 0, end <= capacity else { return }
        // Some groups at a time, so that axes are fetched for many rows.
        let block = 64
        withUnsafeTemporaryAllocation(of: Float.self, capacity: book.count * block) { coordinates in
            guard let base = coordinates.baseAddress else { return }
            for first in stride(from: start, to: end, by: block) {
                let number = min(block, end - first)
                guard let vectors = chunk.rows(first..<first + number).baseAddress else { return }
                book.rotate(vectors, number, into: base, stride: block)
                for row in stride(from: 0, to: number, by: 16) {
                    encode(group: (first + row) / 16, chunk, end: end, base + row, stride: block)
                }
            }
        }
    }

    private func encode(
        group: Int, _ chunk: RowChunk, end: Int, _ coordinates: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let present = min(16, end - group * 16)
        // A row that is not there, is zero, or whose norm a float cannot hold, has only zeros for codes.
        var inverses = [Double](repeating: 0, count: 16)
        for row in 0..<present {
            let inverse = chunk.inverseNorm(group * 16 + row)
            inverses[row] = inverse.isNaN ? 0 : inverse
        }
        for row in 0..<16 where inverses[row] == 0 {
            for component in 0..<book.count { coordinates[component * stride + row] = 0 }
        }
        let factors = factors + group * 16 * book.factorWords
        let codes = codes + group * (book.words + book.coarseWords) * 64
        let (coarseCodes, coarse) = (codes + book.words * 64, coordinates + book.fine * stride)
        let recordBytes = book.recordBytes
        let record = records.map { $0 + group * 16 * recordBytes }
        // Components that fill up the last words.
        codes.update(repeating: 128, count: book.words * 64)
        coarseCodes.update(repeating: 0x88, count: book.coarseWords * 64)
        let scales = Self.scales(coordinates, stride, inverses, book)
        var (residuals, coarseResiduals) = ([Double](repeating: 0, count: 16), [Double](repeating: 0, count: 16))
        cvk_encode_group(
            coordinates + book.leads * stride, stride, book.fine - book.leads, inverses, scales.first, codes, 64, 4,
            &residuals)
        var (recordResiduals, furtherResiduals) = (coarseResiduals, coarseResiduals)
        if let record {
            for row in 0..<16 {
                let start = record + row * recordBytes + Int(CVK_RECORD_HEAD)
                start.update(repeating: 0x88, count: book.recordCoarseBytes)
                (start + book.recordCoarseBytes).update(repeating: 128, count: book.recordCodes)
            }
            let start = record + Int(CVK_RECORD_HEAD)
            cvk_encode_coarse(
                coarse, stride, book.coarse, inverses, scales.first, scales.record, coarseCodes, start, recordBytes,
                &coarseResiduals, &recordResiduals)
            cvk_encode_group(
                coordinates + book.leading * stride, stride, book.count - book.leading, inverses, scales.record,
                start + book.recordCoarseBytes, 4, recordBytes, &furtherResiduals)
        }
        for row in 0..<16 {
            let isOrdinary = row >= present || !chunk.inverseNorm(group * 16 + row).isNaN
            let weight = 1 / Double(CVK_COARSE * CVK_COARSE)
            let missed = (residuals[row] + coarseResiduals[row] * weight).squareRoot()
            // Where nothing is known of a row, nothing rules it out.
            let residual = isOrdinary ? Self.roundedUp(missed) : .infinity
            factors[row] = cvk_pair_of_floats(scales.first[row], cvk_rounded_up(residual))
            let lead = book.leads == 0 ? 0 : Double(coordinates[row]) * inverses[row]
            let energy = scales.energies[row] + lead * lead
            if !book.isWhole {
                factors[16 + row] = cvk_pair_of_steps(lead, isOrdinary ? book.tail(energy) : 0)
            }
            norms?[group * 16 + row] = inverses[row] > 0 ? Float(1 / inverses[row]) * (1 - 0x1p-20) : 0
            if !isOrdinary { norms?[group * 16 + row] = 1 }
            guard let record else { continue }
            let left = Self.roundedUp((residuals[row] + recordResiduals[row] + furtherResiduals[row]).squareRoot())
            let isAll = !book.isRotated && book.count == book.dimension
            let head = UnsafeMutableRawPointer(record + row * recordBytes)
            head.storeBytes(of: scales.record[row], as: Float.self)
            head.storeBytes(of: left, toByteOffset: 4, as: Float.self)
            let tail = isAll ? 0 : Self.roundedUp(book.tail(energy + scales.furtherEnergies[row]))
            head.storeBytes(of: tail, toByteOffset: 8, as: Float.self)
            let norms = cvk_pair_of_norms(factors[row], book.isWhole ? 0 : factors[16 + row])
            head.storeBytes(of: norms, toByteOffset: 12, as: UInt32.self)
        }
    }

    /// The steps of a group's rows, and the squares of the norms of their components.
    private struct Scales {
        var first = [Float](repeating: 0, count: 16)
        var record = [Float](repeating: 0, count: 16)
        /// Of the first stage but for the lead, and of the second.
        var energies = [Double](repeating: 0, count: 16)
        var furtherEnergies = [Double](repeating: 0, count: 16)
    }

    private static func scales(
        _ coordinates: UnsafeMutablePointer<Float>, _ stride: Int, _ inverses: [Double], _ book: CodeBook
    ) -> Scales {
        func measure(_ components: Range<Int>) -> (highest: [Double], energies: [Double]) {
            var (highest, energies) = ([Double](repeating: 0, count: 16), [Double](repeating: 0, count: 16))
            cvk_measure_group(
                coordinates + components.lowerBound * stride, stride, components.count, inverses, &highest, &energies)
            return (highest, energies)
        }
        let fine = measure(book.leads..<book.fine), further = measure(book.leading..<book.count)
        var (energies, steps) = ([Double](repeating: 0, count: 16), [Double](repeating: 0, count: 16))
        var (residuals, missed) = (energies, energies)
        cvk_coarse_steps(
            coordinates + book.fine * stride, stride, book.coarse, inverses, &energies, &steps, &residuals, &missed)
        var scales = Scales()
        for row in 0..<16 {
            let scale = max(fine.highest[row] / 127, steps[row] / Double(CVK_COARSE))
            scales.first[row] = cvk_rounded_up(Float(scale))
            // A sixteenth of a coarse step, or as much as it takes.
            let least = book.coarse == 0 ? 0 : Double(scales.first[row]) * Double(CVK_COARSE) / 16
            scales.record[row] = Float(max(least, missed[row] / 7.5, further.highest[row] / 127))
            scales.energies[row] = fine.energies[row] + energies[row]
            scales.furtherEnergies[row] = further.energies[row]
        }
        return scales
    }

    static func roundedUp(_ value: Double) -> Float { Float(value * (1 + 0x1p-22)) }
}

extension CodeBook {
    /// At most this is the norm of what the axes leave of a unit vector, whose coordinates' squares add up to `energy`.
    func tail(_ energy: Double) -> Double {
        let along = max(0, energy.squareRoot() - drift)
        return max(0, 1 - (1 - skew) * along * along + 0x1p-40).squareRoot()
    }
}
