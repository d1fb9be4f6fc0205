#if PgVector
import Dispatch
import MiniORM
@testable import MiniORMPgVector
import Testing

/// How much is sent at once, and who asks servers to stop. Here without a server.
@Suite struct SendingTests {
    private func records(_ count: Int, dimension: Int, payload: Int) -> [VectorRecord] {
        let text = PayloadValue.array([.object(["text": .string(String(repeating: "x", count: payload))])])
        return (0..<count).map {
            VectorRecord(id: "\($0)", vector: [Float](repeating: 1, count: dimension), payload: ["deep": text])
        }
    }

    /// A statement's payloads count as its vectors do: a thousand large ones are more than PostgreSQL takes.
    @Test(arguments: [(1, 10, 1000), (1000, 10, 262), (1, 1 << 20, 3), (1, 8 << 20, 1), (16_000, 10, 16)])
    func aStatementIsBounded(dimension: Int, payload: Int, count: Int) {
        let records = records(1100, dimension: dimension, payload: payload)
        let batch = Upsert.Batch(records: records, order: Array(records.indices))
        let chunk = Upsert.chunk(batch, batch.order[...])
        #expect(chunk.count == count)
        #expect(chunk.startIndex == 0)
        let rest = Upsert.chunk(batch, batch.order.dropFirst(1095))
        #expect(rest.startIndex == 1095)
        #expect(rest.count == min(count, 5))
    }

    /// One server that is out of reach keeps nobody else's requests.
    @Test func aRequestThatHangsKeepsNoOther() {
        let cancellations = Cancellations(threads: 2)
        let (gate, done) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        defer { gate.signal() }
        #expect(cancellations.submit { gate.wait() })
        for _ in 0..<20 {
            #expect(cancellations.submit { done.signal() })
            #expect(done.wait(timeout: .now() + 10) == .success)
        }
    }

    @Test func requestsBeyondBoundsAreLetGo() {
        let cancellations = Cancellations(threads: 2)
        let gate = DispatchSemaphore(value: 0)
        var accepted = 0
        while accepted < 1000, cancellations.submit({ gate.wait() }) { accepted += 1 }
        #expect(accepted == 2 + 256)
        for _ in 0..<accepted { gate.signal() }
    }
}
#endif
