import Testing

@testable import MiniORM

@Suite struct CodeMemoryTests {
    /// Each piece keeps what is written to it while others come and go, in blocks and out of them.
    @Test func piecesDoNotShareBytes() {
        var memory = CodeMemory()
        var pieces: [(piece: CodeMemory.Piece, bytes: Int, mark: UInt8)] = []
        func check() {
            for (piece, bytes, mark) in pieces {
                let all = UnsafeRawBufferPointer(start: piece.address, count: bytes)
                #expect(Int(bitPattern: piece.address) % 64 == 0)
                #expect(all.allSatisfy { $0 == mark })
            }
        }
        // Up to several blocks, one piece larger than a block among them.
        let sizes = (0..<60).map { $0 == 30 ? 20 << 20 : 700_000 + 1_111 * $0 } + [1, 63, 64, 4_096]
        for (number, bytes) in sizes.enumerated() {
            let mark = UInt8(number + 1)
            let piece = memory.take(bytes)
            piece.address.initializeMemory(as: UInt8.self, repeating: mark, count: bytes)
            pieces.append((piece, bytes, mark))
        }
        check()
        var kept = 0
        pieces.removeAll { _ in
            kept += 1
            return kept % 3 != 0
        }
        check()
        for number in 0..<20 {
            let piece = memory.take(900_000)
            piece.address.initializeMemory(as: UInt8.self, repeating: UInt8(100 + number), count: 900_000)
            pieces.append((piece, 900_000, UInt8(100 + number)))
        }
        check()
    }
}
