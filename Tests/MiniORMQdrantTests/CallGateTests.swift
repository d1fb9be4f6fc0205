#if Qdrant
import Synchronization
import Testing

@testable import MiniORMQdrant

/// Who comes onto the connection, and when.
@Suite struct CallGateTests {
    private final class Visitors: Sendable {
        private let all = Mutex<[Int]>([])
        var numbers: [Int] { all.withLock { $0 } }
        func come(_ number: Int) { all.withLock { $0.append(number) } }
    }

    @Test func turnsAreTakenInTheOrderOfTheCalls() async throws {
        let gate = CallGate(2)
        let inside = Visitors()
        let holds = (0..<6).map { _ in AsyncStream.makeStream(of: Bool.self) }
        var tasks: [Task<Void, any Error>] = []
        for number in holds.indices {
            let stream = holds[number].stream
            let task = Task { @Sendable in
                try await gate.pass {
                    inside.come(number)
                    for await _ in stream { break }
                }
            }
            tasks.append(task)
            while number < 2 ? inside.numbers.count <= number : gate.waitingCount < number - 1 {
                await Task.yield()
            }
        }
        #expect(inside.numbers == [0, 1])
        // One that waits is given up: it never comes in, and the others move up.
        tasks[2].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[2].value }
        for (number, next) in [(0, 3), (1, 4), (3, 5)] {
            holds[number].continuation.yield(true)
            try await tasks[number].value
            while inside.numbers.last != next { await Task.yield() }
        }
        for number in [4, 5] {
            holds[number].continuation.yield(true)
            try await tasks[number].value
        }
        #expect(inside.numbers == [0, 1, 3, 4, 5])
        // Every turn was given back.
        for _ in 0..<3 { try await gate.pass {} }
    }
}
#endif
