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
    private let recordBytes: Int

    /// Codes that a query may use: those of the rows below `count`.
    struct Coded: Sendable {
        var codes: ChunkCodes
        var count: Int
    }

    /// Room for the codes of a chunk.
    init(_ book: CodeBook, metric: VectorMetric, rows: Int, in memory: inout CodeMemory) {
        self.book = book
        capacity = (rows + 15) / 16 * 16
        recordBytes = book.recordCodes == 0 ? 0 : Int(CVK_RECORD_HEAD) + book.recordCodes
        let codeBytes = capacity * book.words * 4
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
            codes: codes, words: book.words, factors: factors, factor_words: book.factorWords, norms: norms,
            records: records, record_codes: book.recordCodes)
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
        var scales = [Float](repeating: 0, count: 16)
        var energies = [Double](repeating: 0, count: 16)
        var residuals = energies
        let codes = codes + group * book.words * 64
        // Components that fill up the last word.
        codes.update(repeating: 128, count: book.words * 64)
        cvk_encode_group(
            coordinates + book.leads * stride, stride, book.leading - book.leads, inverses, codes, 64, 4, &scales,
            &energies, &residuals)
        for row in 0..<16 {
            let isOrdinary = row >= present || !chunk.inverseNorm(group * 16 + row).isNaN
            // Where nothing is known of a row, nothing rules it out.
            let residual = isOrdinary ? Self.roundedUp(residuals[row].squareRoot()) : .infinity
            factors[row] = cvk_pair_of_floats(scales[row], cvk_rounded_up(residual))
            if !book.isWhole {
                let lead = book.leads == 0 ? 0 : Double(coordinates[row]) * inverses[row]
                energies[row] += lead * lead
                factors[16 + row] = cvk_pair_of_steps(lead, isOrdinary ? book.tail(energies[row]) : 0)
            }
            norms?[group * 16 + row] = inverses[row] > 0 ? Float(1 / inverses[row]) * (1 - 0x1p-20) : 0
            if !isOrdinary { norms?[group * 16 + row] = 1 }
        }
        guard let records else { return }
        let record = records + group * 16 * recordBytes
        record.update(repeating: 128, count: 16 * recordBytes)
        var furtherEnergies = energies
        var furtherResiduals = energies
        cvk_encode_group(
            coordinates + book.leading * stride, stride, book.count - book.leading, inverses,
            record + Int(CVK_RECORD_HEAD), 4, recordBytes, &scales, &furtherEnergies, &furtherResiduals)
        for row in 0..<16 {
            let head = UnsafeMutableRawPointer(record + row * recordBytes)
            let residual = Self.roundedUp((residuals[row] + furtherResiduals[row]).squareRoot())
            let isWhole = !book.isRotated && book.count == book.dimension
            let tail = isWhole ? 0 : Self.roundedUp(book.tail(energies[row] + furtherEnergies[row]))
            head.storeBytes(of: scales[row], as: Float.self)
            head.storeBytes(of: residual, toByteOffset: 4, as: Float.self)
            head.storeBytes(of: tail, toByteOffset: 8, as: Float.self)
            // Where there is a second stage, the first is not whole, and has a second word a row.
            head.storeBytes(of: cvk_pair_of_norms(factors[row], factors[16 + row]), toByteOffset: 12, as: UInt32.self)
        }
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
