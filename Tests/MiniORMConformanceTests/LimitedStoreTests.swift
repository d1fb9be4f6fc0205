import MiniORM
import Testing

@testable import MiniORMConformance

/// Stores that can do less, and say so, conform.
@Suite struct LimitedStoreTests {
    private static let withoutFilters = Harness {
        .blocking(
            BrokenNativeStore {
                $0.declare = {
                    $0.supportsFilters = false
                    $0.pushedDownOperators = []
                }
            })
    }

    @Test(arguments: ConformanceCheck.all)
    func aStoreWithoutFiltersConforms(_ check: ConformanceCheck) async throws {
        let outcome = try await check(Self.withoutFilters)
        guard case .skipped(let why) = outcome, why.contains("supportsFilters") else { return }
        // What is no filter's business is checked all the same.
        #expect(check.clause.contains("5") || check.requirements.map(\.description).contains("supportsFilters"))
    }

    /// What a suite does not know of is a failure, not a skip that nobody sees.
    @Test func aSkipThatIsNotKnownFails() async throws {
        let check = try #require(
            ConformanceCheck.all.first { $0.requirements.map(\.description) == ["supportsFilters"] })
        for known in ["supportsFilters", "the store does not declare supports"] {
            _ = try await check(Self.withoutFilters, undeclared: ["idPolicy .uuid", known])
        }
        for undeclared: Set<String> in [[], ["idPolicy .uuid"], ["supports"]] {
            let failure = await #expect(throws: ConformanceFailure.self) {
                _ = try await check(Self.withoutFilters, undeclared: undeclared)
            }
            #expect(failure?.message.contains("supportsFilters") == true)
        }
    }

    /// The kit asks for no more answers than that, but to see them refused.
    @Test(arguments: ConformanceCheck.all)
    func aStoreWithALimitOfAnswersConforms(_ check: ConformanceCheck) async throws {
        let limit = 1000
        try await check(
            Harness {
                .blocking(
                    BrokenNativeStore {
                        $0.declare = { $0.maximumTopK = limit }
                        $0.search = { base, request throws(VectorStoreError) in
                            guard request.options.topK <= limit else {
                                throw VectorStoreError(.backend, "asked for \(request.options.topK) answers")
                            }
                            return try base.query(request)
                        }
                        $0.batch = { base, request throws(VectorStoreError) in
                            guard request.options.topK <= limit else {
                                throw VectorStoreError(.backend, "asked for \(request.options.topK) answers")
                            }
                            return try base.queryBatch(request)
                        }
                    })
            })
    }

    private static let declared: FilterOperators = [.equal, .order, .and]

    private static func refuse(_ filter: VectorFilter?) throws(VectorStoreError) {
        guard let filter, !declared.isSuperset(of: filter.operators) else { return }
        throw VectorStoreError(.unsupportedFilter, "this store has ==, < and and")
    }

    private static let refusing = Harness {
        .blocking(
            BrokenNativeStore {
                $0.declare = { $0.pushedDownOperators = declared }
                $0.search = { base, request throws(VectorStoreError) in
                    try refuse(request.options.filter)
                    return try base.query(request)
                }
                $0.batch = { base, request throws(VectorStoreError) in
                    try refuse(request.options.filter)
                    return try base.queryBatch(request)
                }
                $0.page = { base, request throws(VectorStoreError) in
                    try refuse(request.filter)
                    return try base.scan(request)
                }
                $0.sweep = { base, request throws(VectorStoreError) in
                    try refuse(request.filter)
                    return try base.deleteMatching(request)
                }
                $0.tally = { base, request throws(VectorStoreError) in
                    try refuse(request.filter)
                    return try base.count(request)
                }
                $0.plan = { base, request throws(VectorStoreError) in
                    try refuse(request.filter)
                    return FilterPlan(pushedDown: request.filter, finished: nil, native: "")
                }
            })
    }

    @Test(arguments: ConformanceCheck.all)
    func aStoreThatRefusesWhatItDoesNotDeclareConforms(_ check: ConformanceCheck) async throws {
        let outcome = try await check(Self.refusing)
        guard case .skipped(let why) = outcome else { return }
        #expect(why.contains("declare") || why.contains("refuses"))
    }

    @Test func aReportTellsHowManyFiltersWereRefused() async throws {
        let check = try #require(ConformanceCheck.all.first { $0.name.hasPrefix("random filters") })
        let report = try #require(await ConformanceRun(Self.refusing, checks: [check]).run().first)
        let note = try #require(report.note)
        #expect(note.contains(" of ") && note.hasSuffix(" filters refused"))
        #expect(report.description == "passed   \(check.name) (\(note))")
        let all = try #require(
            await ConformanceRun(Harness { .blocking(InMemoryVectorStore()) }, checks: [check]).run().first)
        #expect(all.note == nil && all.description == "passed   \(check.name)")
    }

    @Test func operatorsOfAFilter() {
        let filter: VectorFilter = .not(.and([.field("a") == 1, .or([.exists("b"), .field("c") >= 2])]))
        #expect(filter.operators == [.not, .and, .equal, .or, .exists, .order])
        #expect((VectorFilter.field("a") != 1).operators == .notEqual)
        #expect(VectorFilter.isIn("a", [1]).operators == .isIn && VectorFilter.contains("a", 1).operators == .contains)
    }
}
