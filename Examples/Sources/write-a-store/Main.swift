import Foundation
import MiniORM
import MiniORMConformance

/// What the kit needs to know; in a test target, a few lines run each check as a test of its own.
struct TinyHarness: ConformanceHarness {
    func makeStore() -> ConformanceStore { .suspending(TinyStore(engine: TinyEngine())) }

    /// Another store over the same engine: collections are found again.
    func reopen(_ store: ConformanceStore) -> ConformanceStore? {
        guard case .suspending(let store as TinyStore) = store else { return nil }
        return .suspending(TinyStore(engine: store.engine))
    }
}

@main
struct WriteAStore {
    static func main() async throws {
        let store = TinyStore(engine: TinyEngine())
        let words = try await AsyncVectorRepository(store, "words", dimension: 2, metric: .l2)
        try await words.upsert([
            VectorRecord(id: "run", vector: [1, 0], payload: ["pos": "verb", "links": 12]),
            VectorRecord(id: "shoe", vector: [0, 1], payload: ["pos": "noun"]),
        ])
        let filter: VectorFilter = .field("pos") == "verb" && .field("links") > 5
        print("nearest:", try await words.query([1, 0], topK: 1, filter: filter).map(\.id))
        let plan = try await words.explain(filter)
        print("the engine evaluates:", plan.native)
        print("finished here:", plan.finished?.description ?? "nothing")

        let reports = await ConformanceRun(TinyHarness()).run { report in
            if report.hasFailed { print(report) }
        }
        let failed = reports.count(where: \.hasFailed)
        let skipped = reports.count { if case .skipped = $0.outcome { true } else { false } }
        print("\(reports.count - failed - skipped) checks passed, \(skipped) skipped, \(failed) failed")
        if failed > 0 { exit(1) }
    }
}
