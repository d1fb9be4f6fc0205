extension InMemoryCollection {
    /// What a query with a filter would do now, with the indexes that are there.
    func explain(_ filter: VectorFilter) -> FilterPlan {
        let selection = selectAsIs(filter, in: snapshot)
        return FilterPlan(
            pushedDown: selection.decided, finished: selection.finished,
            native: ([way(selection)] + fieldNotes(filter.paths)).joined(separator: "; "))
    }

    private func way(_ selection: FilterSelection) -> String {
        let all = selection.snapshot.liveCount
        let rows = "\(selection.candidateCount) of \(all) rows"
        let last = selection.finished == nil ? "" : "; the rest of the filter after the score, for rows in the top k"
        return switch selection.way {
        case .everything: "a scan of \(rows)\(last)"
        case .bitmap: "a scan with a bitmap of \(rows)\(last)"
        case .few: "direct scoring of \(rows)\(last)"
        }
    }

    /// What there is for each field, in the order of their names.
    private func fieldNotes(_ paths: Set<FieldPath>) -> [String] {
        paths.map { (UTF8Key($0.description), $0) }.sorted { $0.0 < $1.0 }.map { name, path in
            switch fields.status(path) {
            case .indexed: "index on \(name)"
            case .none: "no index on \(name) yet"
            case .tooLarge: "no index on \(name), as it would take too much memory"
            case .tooMany: "no index on \(name), as there are \(fields.limits.automatic) already"
            }
        }
    }
}
