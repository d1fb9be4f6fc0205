#if canImport(Darwin)
internal import Darwin
#elseif canImport(Musl)
internal import Musl
#else
internal import Glibc
#endif

/// Memory for the codes of a collection's chunks, one after the other in large blocks.
///
/// A scan reads codes at the speed of memory, where pages of 4 kB cost it a seventh. The codes of one chunk are less than
/// a large page; those of many chunks side by side fill them.
struct CodeMemory: ~Copyable {
    /// Large pages are this large, nearly everywhere.
    private static let page = 1 << 21
    private static let blockBytes = 32 * page
    /// A collection with less would pay more for what is left of a large page than it gains.
    private static let least = 2 * page

    private var block: Block?
    private var used = 0
    private var taken = 0

    /// So many bytes, aligned to 64.
    mutating func take(_ bytes: Int) -> Piece {
        taken += bytes
        guard taken >= Self.least, bytes <= Self.blockBytes else { return Piece(bytes) }
        let start = (used + 63) / 64 * 64
        if let block, start + bytes <= Self.blockBytes {
            used = start + bytes
            return Piece(bytes, of: block, at: start)
        }
        guard let new = Block(Self.blockBytes, alignment: Self.page) else { return Piece(bytes) }
        block = new
        used = bytes
        return Piece(bytes, of: new, at: 0)
    }

    /// A mapping, which ends with the last piece of it.
    ///
    /// `@unchecked Sendable`, as it is never changed: the address alone is kept here.
    fileprivate final class Block: @unchecked Sendable {
        let address: UnsafeMutableRawPointer
        private let mapped: UnsafeMutableRawPointer
        private let length: Int

        init?(_ bytes: Int, alignment: Int) {
            length = bytes + alignment
            // Pages that nobody writes to cost nothing, so neither does the alignment.
            let memory = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
            guard let memory, memory != MAP_FAILED else { return nil }
            mapped = memory
            address = memory.alignedUp(toMultipleOf: alignment)
            #if os(Linux)
            // A hint that may be refused.
            _ = madvise(address, bytes, MADV_HUGEPAGE)
            #endif
        }

        deinit { munmap(mapped, length) }
    }

    /// Memory of a chunk's codes, given back with it.
    ///
    /// `@unchecked Sendable`, as it is never changed: who may write to the memory is the business of ``ChunkCodes``.
    final class Piece: @unchecked Sendable {
        let address: UnsafeMutableRawPointer
        private let bytes: Int
        private let block: Block?

        /// Memory of its own.
        init(_ bytes: Int) {
            self.bytes = bytes
            block = nil
            address = .allocate(byteCount: bytes, alignment: 64)
        }

        fileprivate init(_ bytes: Int, of block: Block, at offset: Int) {
            self.bytes = bytes
            self.block = block
            address = block.address + offset
        }

        deinit {
            guard block != nil else { return address.deallocate() }
            // Others of the block may stay, but the pages that were this piece's alone go.
            let size = Int(getpagesize())
            let start = address.alignedUp(toMultipleOf: size)
            let length = (address + bytes).alignedDown(toMultipleOf: size) - start
            #if canImport(Darwin)
            if length > 0 { madvise(start, length, MADV_FREE) }
            #else
            if length > 0 { madvise(start, length, MADV_DONTNEED) }
            #endif
        }
    }
}
