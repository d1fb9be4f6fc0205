internal import Synchronization

/// Memory that searches use over and over: new memory for each would be cleared by the system first, which takes about
/// as long as filling it.
final class ScanScratch: Sendable {
    /// Room for floats. `@unchecked Sendable`: who takes it from the pool has it alone until it is given back.
    private final class Room: @unchecked Sendable {
        let floats: UnsafeMutableBufferPointer<Float>

        init(_ count: Int) {
            let raw = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(1, count) * MemoryLayout<Float>.stride, alignment: 64)
            floats = raw.bindMemory(to: Float.self)
            floats.initialize(repeating: 0)
        }

        deinit { UnsafeMutableRawBufferPointer(floats).deallocate() }
    }

    private let free = Mutex<[Room]>([])
    private let most: Int
    /// Larger rooms, for searches of very many answers, are not kept.
    private static let largestKept = 1 << 19

    /// - Parameter most: How many rooms to keep: one for each thread.
    init(keeping most: Int) { self.most = most }

    /// Calls a body with room for at least so many floats, which hold anything.
    func withFloats<Value>(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Value) -> Value? {
        var room = free.withLock { $0.popLast() }
        if (room?.floats.count ?? -1) < count { room = Room(count) }
        guard let room, let base = room.floats.baseAddress else { return nil }
        let value = body(base)
        if room.floats.count <= Self.largestKept { free.withLock { if $0.count < most { $0.append(room) } } }
        return value
    }
}
