import MiniORM
import Synchronization

/// One behaviour that every store must show: a value, free of any test framework.
///
/// A store may refuse a filter with `unsupportedFilter` if an operator in it is not among its `pushedDownOperators`; a
/// ``ConformanceReport`` tells how many of a check's filters were refused. The checks ask for 600 answers to a query at the
/// most, but for a store's `maximumTopK`, which should be no smaller.
public struct ConformanceCheck: Sendable, Identifiable, CustomStringConvertible {
    /// What the store has to do, in a few words. Unique among ``all``.
    public let name: String
    /// The clause of the contract that asks for it.
    public let clause: String
    /// Where an author whose store fails may look first.
    public let hint: String
    /// What a store needs to declare for the check to apply.
    public let requirements: [Requirement]
    /// The faces that the check is run through.
    let faces: [Face]
    let body: @Sendable (CheckContext) async throws -> Void

    /// The name.
    public var id: String { name }
    /// The name.
    public var description: String { name }

    /// Something that a store declares, or not.
    public struct Requirement: Sendable, CustomStringConvertible {
        /// What is needed, for the report.
        public let description: String
        let isMet: @Sendable (StoreCapabilities) -> Bool

        static let filters = Self(description: "supportsFilters") { $0.supportsFilters }
        static let exactness = Self(description: "isExact") { $0.isExact }
        static let approximation = Self(description: "an approximate index") { !$0.isExact }
        static let persistence = Self(description: "isPersistent") { $0.isPersistent }
        static let atomicity = Self(description: "isUpsertAtomic") { $0.isUpsertAtomic }
        static let anyID = Self(description: "idPolicy .any") { $0.idPolicy == .any }
        static let uuidsOnly = Self(description: "idPolicy .uuid") { $0.idPolicy == .uuid }
        static func metric(_ metric: VectorMetric) -> Self {
            Self(description: "metric \(metric)") { $0.metrics.contains(metric) }
        }
        static func operation(_ operation: StoreOperations, _ name: String) -> Self {
            Self(description: "operation \(name)") { $0.nativeOperations.contains(operation) }
        }
        static let describing = operation(.describeCollection, "describeCollection")
        static let explaining = operation(.explain, "explain")
        static let listing = operation(.listCollections, "listCollections")
        static let dropping = operation(.dropCollection, "dropCollection")
    }

    init(
        _ name: String, clause: String, needs requirements: [Requirement] = [],
        through faces: [Face] = Face.repositories,
        hint: String, body: @escaping @Sendable (CheckContext) async throws -> Void
    ) {
        self.name = name
        self.clause = clause
        self.hint = hint
        self.requirements = requirements
        self.faces = faces
        self.body = body
    }

    /// Every check, in the contract's order.
    public static let all: [ConformanceCheck] =
        collections + names + upserts + queries + fetching + readingWhileDeleting + deleting + vectors + dimensions
        + scores + ids + payloads + filters + operators
        + randomOperations + barePort + errors + concurrency

    /// What came of a check.
    public enum Outcome: Sendable {
        /// The store does what it should.
        case passed
        /// The store does not declare what the check is about.
        case skipped(String)
        /// The store does something else.
        case failed(ConformanceFailure)
    }

    /// Runs the check, on a store of its own.
    public func run(_ harness: some ConformanceHarness) async -> Outcome { await runCounting(harness).outcome }

    /// Runs the check, and counts the filters that the store was asked for.
    func runCounting(_ harness: some ConformanceHarness) async -> (outcome: Outcome, filters: FilterUse) {
        do {
            let store = try await harness.makeStore()
            var result = (outcome: Outcome.passed, filters: FilterUse())
            if let unmet = requirements.first(where: { !$0.isMet(store.capabilities) }) {
                result.outcome = .skipped(Self.skip(undeclared: unmet))
            } else {
                result = await run(on: store, harness)
            }
            try await harness.cleanUp(store)
            return result
        } catch {
            return (.failed(failure("the harness failed: \(error)", face: nil)), FilterUse())
        }
    }

    private func run(
        on store: ConformanceStore, _ harness: some ConformanceHarness
    ) async -> (outcome: Outcome, filters: FilterUse) {
        var filters = FilterUse()
        for face in faces {
            let context = CheckContext(harness: harness, store: store, check: name, face: face)
            let outcome = await outcome(context)
            let cleaning = await context.dropCollections()
            context.filterUse.withLock {
                filters.asked += $0.asked
                filters.refused += $0.refused
            }
            if case .passed = outcome {} else { return (outcome, filters) }
            if let cleaning { return (.failed(failure("cleaning up: \(cleaning)", face: face)), filters) }
        }
        if filters.asked > 0, filters.refused == filters.asked {
            return (.skipped("the store refuses every filter of the check"), filters)
        }
        return (.passed, filters)
    }

    private func outcome(_ context: CheckContext) async -> Outcome {
        do { try await body(context) } catch let skip as CheckSkipped {
            return .skipped(skip.why)
        } catch let error as VectorStoreError
            where error.code == .unsupportedFilter && context.capabilities.pushedDownOperators != .all
        {
            return .skipped("the store refuses a filter that the check needs: \(error)")
        } catch {
            return .failed(failure("\(error)", face: context.face))
        }
        return .passed
    }

    private func failure(_ message: String, face: Face?) -> ConformanceFailure {
        ConformanceFailure(check: name, clause: clause, face: face?.rawValue, message: message, hint: hint)
    }

    /// Runs the check and throws its ``ConformanceFailure``; for a test framework.
    ///
    /// - Parameters:
    ///   - harness: What makes the stores to check.
    ///   - undeclared: What the store is known not to declare, as a skip names it: `isExact`, say, or the beginning of a
    ///     skip's whole reason. With this, a check that is skipped for any other reason fails; without, one that is skipped
    ///     passes unseen.
    @discardableResult
    public func callAsFunction(
        _ harness: some ConformanceHarness, undeclared: Set<String>? = nil
    ) async throws -> Outcome {
        let outcome = await run(harness)
        switch outcome {
        case .passed: break
        case .failed(let failure): throw failure
        case .skipped(let why):
            guard let undeclared else { break }
            if undeclared.contains(where: { why == Self.skip(undeclared: $0) || why.hasPrefix($0) }) { break }
            throw failure("the check was skipped: \(why)", face: nil)
        }
        return outcome
    }

    private static func skip(undeclared requirement: some CustomStringConvertible) -> String {
        "the store does not declare \(requirement)"
    }
}

/// Why a store does not pass a check.
public struct ConformanceFailure: Error, CustomStringConvertible {
    /// The check's name.
    public let check: String
    /// The contract's clause.
    public let clause: String
    /// Which repository the check went through, or that it went to the bare port.
    public let face: String?
    /// What was expected and what came.
    public let message: String
    /// Where to look first.
    public let hint: String

    /// All of it, on three lines.
    public var description: String {
        """
        \(check) (contract, \(clause))\(face.map { ", through \($0)" } ?? "")
          \(message)
          hint: \(hint)
        """
    }
}
