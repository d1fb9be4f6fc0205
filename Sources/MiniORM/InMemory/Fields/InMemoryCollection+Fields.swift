extension InMemoryCollection {
    /// What indexes make of a filter; they are brought up to date first, and built where it is time.
    func select(_ filter: VectorFilter, in snapshot: CollectionSnapshot) -> FilterSelection {
        FilterSelection(filter, snapshot, fields.columns(filter.paths, snapshot, latest: liveParts))
    }

    /// What the indexes that are there make of a filter.
    func selectAsIs(_ filter: VectorFilter, in snapshot: CollectionSnapshot) -> FilterSelection {
        FilterSelection(filter, snapshot, fields.present(filter.paths))
    }

    /// Indexes fields because their owner says so.
    func index(_ paths: [FieldPath]) {
        for path in paths { fields.declare(path, snapshot, latest: liveParts) }
    }

    private func liveParts() -> Set<UInt32> { Set(snapshot.parts.map(\.serial)) }
}

extension VectorFilter {
    /// The fields that are filtered on.
    var paths: Set<FieldPath> {
        switch self {
        case .compare(let path, _, _), .isIn(let path, _), .contains(let path, _), .exists(let path): [path]
        case .and(let terms), .or(let terms): terms.reduce(into: []) { $0.formUnion($1.paths) }
        case .not(let term): term.paths
        }
    }
}
