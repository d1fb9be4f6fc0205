#if Faiss
internal import CFaiss

/// Vectors one after the other, in blocks that never move, so that an index is built from them while rows are added.
///
/// `@unchecked Sendable`: a row is written once, before any value has a `count` that covers it, and read only below that
/// count. Two values can share a block only if one is a snapshot of the other; `append` copies the last block where it is
/// shared and its next row could have been written by another value.
struct VectorBlocks: @unchecked Sendable {
    private final class Block {
        let base: UnsafeMutablePointer<Float>
        /// Rows written so far, by whichever value.
        var written = 0

        init(floats: Int) { base = .allocate(capacity: floats) }
        deinit { base.deallocate() }
    }

    let dimension: Int
    private(set) var count = 0
    private let shift: Int
    private var blocks: [Block] = []
    private var bases: [UnsafePointer<Float>?] = []

    init(dimension: Int) {
        self.dimension = dimension
        // About a megabyte a block, and a power of two of rows.
        let rows = max(1, (1 << 18) / max(1, dimension))
        shift = Int.bitWidth - 1 - rows.leadingZeroBitCount
    }

    /// Appends a vector, which has to be `dimension` long.
    mutating func append(_ vector: [Float]) {
        let place = count & (1 << shift - 1)
        if place == 0 {
            let block = Block(floats: dimension << shift)
            blocks.append(block)
            bases.append(UnsafePointer(block.base))
        } else if blocks[blocks.count - 1].written != place {
            // Another value went on from the same rows: this one gets a block of its own.
            let block = Block(floats: dimension << shift)
            block.base.update(from: blocks[blocks.count - 1].base, count: place * dimension)
            blocks[blocks.count - 1] = block
            bases[bases.count - 1] = UnsafePointer(block.base)
        }
        let block = blocks[blocks.count - 1]
        vector.withUnsafeBufferPointer { source in
            let target = block.base + place * dimension
            target.initialize(repeating: 0, count: dimension)
            if let start = source.baseAddress { target.update(from: start, count: min(dimension, source.count)) }
        }
        block.written = place + 1
        count += 1
    }

    /// A vector. The row has to be below `count`.
    subscript(row: Int) -> [Float] {
        let base = blocks[row >> shift].base + (row & (1 << shift - 1)) * dimension
        return Array(UnsafeBufferPointer(start: base, count: dimension))
    }

    /// The rows as the shim takes them, for the time of a call.
    func withRows<Result>(_ body: (cfaiss_rows) -> Result) -> Result {
        withExtendedLifetime(blocks) {
            bases.withUnsafeBufferPointer { bases in
                body(cfaiss_rows(blocks: bases.baseAddress, shift: Int32(shift), dimension: Int64(dimension)))
            }
        }
    }
}
#endif
