import CStreamRate
import Dispatch
import Foundation

/// The rate of memory itself, beside which the others are measured.
enum Memory {
    /// Seconds to read so many bytes with so many threads, then to copy them into memory that is there already, then
    /// into memory that the system still has to give. Each is the best of `count`.
    static func rates(bytes: Int, threads: Int, count: Int) throws -> [Double] {
        let floats = bytes / 4 / (128 * threads) * (128 * threads)
        let share = floats / threads
        guard let source = stream_memory(floats), let target = stream_memory(floats) else {
            throw Failure("no memory to measure the rate of memory with")
        }
        defer {
            stream_free(source, floats)
            stream_free(target, floats)
        }
        for index in 0..<floats { source[index] = 1 }
        stream_copy(target, source, floats)
        nonisolated(unsafe) let (from, to) = (source, target)
        var best = [Double](repeating: .infinity, count: 3)
        for _ in 0..<max(1, count) {
            best[0] = min(best[0], seconds { spread(threads) { read(from + $0 * share, share) } })
            best[1] = min(
                best[1], seconds { spread(threads) { stream_copy(to + $0 * share, from + $0 * share, share) } })
            guard let fresh = stream_memory(floats) else { throw Failure("no memory left") }
            nonisolated(unsafe) let new = fresh
            best[2] = min(
                best[2], seconds { spread(threads) { stream_copy(new + $0 * share, from + $0 * share, share) } })
            stream_free(fresh, floats)
        }
        return best
    }

    private static func read(_ floats: UnsafePointer<Float>, _ count: Int) {
        // The comparison keeps the sum from being left out.
        if stream_sum(floats, count) < 0 { print() }
    }

    private static func spread(_ threads: Int, _ body: @Sendable (Int) -> Void) {
        threads == 1 ? body(0) : DispatchQueue.concurrentPerform(iterations: threads, execute: body)
    }

    /// This process's own resident memory in bytes: without the pages of files that it has mapped.
    static func resident() -> Int {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return 0 }
        let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
        return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
    }
}
