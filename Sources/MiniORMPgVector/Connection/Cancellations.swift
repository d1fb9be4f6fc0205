#if PgVector
internal import Dispatch
internal import Synchronization

/// Threads that ask servers to stop statements.
///
/// libpq's request goes over a connection of its own, whose wait has no limit: where a server is out of reach, a thread
/// can hang for minutes. So every store has a few, a request goes to the one with the shortest line, and one more than
/// can wait is let go: the server ends the statement anyway when it finds the connection closed.
final class Cancellations: Sendable {
    private static let longest = 64
    private let threads: [DispatchQueue]
    private let lines: Mutex<[Int]>

    init(threads count: Int = 4) {
        threads = (0..<count).map { DispatchQueue(label: "mini-orm.pgvector.cancel.\($0)") }
        lines = Mutex([Int](repeating: 0, count: count))
    }

    /// Runs a request on one of the threads; false where too many wait.
    func submit(_ request: @escaping @Sendable () -> Void) -> Bool {
        let thread: Int? = lines.withLock { lines in
            guard let index = lines.indices.min(by: { lines[$0] < lines[$1] }), lines[index] < Self.longest else {
                return nil
            }
            lines[index] += 1
            return index
        }
        guard let thread else { return false }
        threads[thread].async {
            request()
            self.lines.withLock { $0[thread] -= 1 }
        }
        return true
    }
}
#endif
