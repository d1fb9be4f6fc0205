import MiniORM
import Synchronization

extension VectorFilter {
    /// The operators that the filter is made of.
    var operators: FilterOperators {
        switch self {
        case .compare(_, .equal, _): .equal
        case .compare(_, .notEqual, _): .notEqual
        case .compare: .order
        case .isIn: .isIn
        case .contains: .contains
        case .exists: .exists
        case .and(let terms): terms.reduce(.and) { $0.union($1.operators) }
        case .or(let terms): terms.reduce(.or) { $0.union($1.operators) }
        case .not(let term): term.operators.union(.not)
        }
    }
}

/// How many filters a store was asked for, and how many of them it refused.
struct FilterUse: Sendable {
    var asked = 0
    var refused = 0

    /// Nothing where all were answered.
    var note: String? { refused == 0 ? nil : "\(refused) of \(asked) filters refused" }
}

extension CheckContext {
    /// Runs a call with a filter; `nil` where the store refuses the filter.
    ///
    /// A typed error is an answer, a weaker filter is none. But a store that declares every operator of a filter in
    /// `pushedDownOperators` has no reason to refuse it.
    func unlessRefused<Value: Sendable>(
        _ filter: VectorFilter, _ call: () async throws -> Value
    ) async throws -> Value? {
        filterUse.withLock { $0.asked += 1 }
        do { return try await call() } catch let error as VectorStoreError where error.code == .unsupportedFilter {
            guard !capabilities.pushedDownOperators.isSuperset(of: filter.operators) else {
                throw Unexpected("\(filter) is refused, though pushedDownOperators has all its operators: \(error)")
            }
            filterUse.withLock { $0.refused += 1 }
            return nil
        }
    }
}
