internal import Dispatch
internal import Synchronization

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Threads that help with a scan. The caller works too, so that a scan goes on where no other thread is free.
///
/// Serial queues, as a concurrent one draws on the threads of Swift's own executor on Linux.
final class ScanThreads: Sendable {
    private let helpers: [DispatchQueue]

    /// - Parameter count: How many threads work on a scan, the caller's among them; `nil` for one a core.
    init(_ count: Int?) {
        let count = min(256, max(1, count ?? ProcessInfo.processInfo.activeProcessorCount))
        helpers = (1..<max(2, count)).prefix(count - 1).map { DispatchQueue(label: "mini-orm.scan.\($0)") }
    }

    var count: Int { helpers.count + 1 }

    /// The numbers of the pieces of a scan, each handed out once.
    final class Pieces: Sendable {
        private struct State {
            var next = 0
            var working = 0
            var callerWaits = false
        }
        private let count: Int
        private let state = Mutex(State())
        private let done = DispatchSemaphore(value: 0)

        fileprivate init(_ count: Int) { self.count = count }

        /// The next piece; `nil` when all are taken.
        func next() -> Int? {
            state.withLock { state in
                guard state.next < count else { return nil }
                state.next += 1
                return state.next - 1
            }
        }

        /// Whether there is work left to take part in.
        fileprivate func enter() -> Bool {
            state.withLock { state in
                if state.next < count { state.working += 1 }
                return state.next < count
            }
        }

        fileprivate func leave() {
            let isLast = state.withLock { state in
                state.working -= 1
                return state.callerWaits && state.working == 0
            }
            if isLast { done.signal() }
        }

        fileprivate func waitForHelpers() {
            let isBusy = state.withLock { state in
                state.callerWaits = state.working > 0
                return state.callerWaits
            }
            if isBusy { done.wait() }
        }
    }

    /// Runs a body on up to `threads` threads at once, each of which takes pieces until none is left. Returns when
    /// every piece is done.
    func share(_ count: Int, threads: Int, _ body: @escaping @Sendable (Pieces) -> Void) {
        let pieces = Pieces(count)
        for helper in helpers.prefix(max(0, min(count, threads) - 1)) {
            helper.async {
                guard pieces.enter() else { return }
                body(pieces)
                pieces.leave()
            }
        }
        body(pieces)
        pieces.waitForHelpers()
    }
}
