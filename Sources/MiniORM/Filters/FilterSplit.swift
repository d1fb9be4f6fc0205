extension VectorFilter {
    /// Cuts the filter into what an engine evaluates and what is left for our side; together they mean the same.
    ///
    /// Terms of a conjunction are cut apart; anything else goes to one side whole. The first part may also be wider
    /// than the filter where the caller's `push` answers so: then the term stays in the second part too.
    ///
    /// - Parameter push: How far the engine evaluates a filter.
    public func split(by push: (VectorFilter) -> Pushdown) -> (pushed: VectorFilter?, finished: VectorFilter?) {
        let terms: [VectorFilter] = if case .and(let terms) = self { terms } else { [self] }
        var pushed: [VectorFilter] = []
        var finished: [VectorFilter] = []
        for term in terms {
            switch push(term) {
            case .exact: pushed.append(term)
            case .wider(let wider):
                pushed.append(wider)
                finished.append(term)
            case .none: finished.append(term)
            }
        }
        func whole(_ terms: [VectorFilter]) -> VectorFilter? {
            terms.isEmpty ? nil : terms.count == 1 ? terms[0] : .and(terms)
        }
        return (whole(pushed), whole(finished))
    }

    /// How far an engine evaluates a filter.
    public enum Pushdown: Sendable, Hashable {
        /// With the very meaning that ``VectorFilter/matches(_:)`` gives it.
        case exact
        /// Only this one, which matches all that the filter matches and more.
        case wider(VectorFilter)
        /// Not at all.
        case none
    }
}
