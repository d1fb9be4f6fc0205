/// What the defaults of both ports share.
enum PortDefaults {
    /// Refuses a default for an operation that the store declares as its own.
    static func check(
        _ operation: StoreOperations, _ store: String, _ capabilities: StoreCapabilities
    ) throws(VectorStoreError) {
        if capabilities.nativeOperations.contains(operation) { throw notForwarded(store) }
    }

    /// The error of an operation that the five required ones cannot stand in for.
    static func missing(
        _ operation: StoreOperations, _ what: String, _ store: String, _ capabilities: StoreCapabilities
    ) -> VectorStoreError {
        if capabilities.nativeOperations.contains(operation) { return notForwarded(store) }
        return VectorStoreError(.invalidArgument, "this store cannot \(what)", store: store)
    }

    private static func notForwarded(_ store: String) -> VectorStoreError {
        VectorStoreError(
            .backend,
            "the store declares this operation in nativeOperations and does not implement it; a wrapper has to forward it",
            store: store)
    }

    private struct Remaining: Sendable {
        var records: ArraySlice<VectorRecord>
    }

    static func firstPage(of records: [VectorRecord], _ request: ScanRequest) -> ScanPage {
        let matching = request.filter.map { filter in records.filter { filter.matches($0.payload) } } ?? records
        return page(of: matching[...], request)
    }

    static func page(after cursor: ScanCursor, _ request: ScanRequest) throws(VectorStoreError) -> ScanPage {
        guard let remaining = cursor.state as? Remaining else {
            throw VectorStoreError(.invalidArgument, "the cursor is not one of this store's")
        }
        return page(of: remaining.records, request)
    }

    private static func page(of records: ArraySlice<VectorRecord>, _ request: ScanRequest) -> ScanPage {
        let rest = records.dropFirst(max(1, request.pageSize))
        let page = Array(records[records.startIndex..<rest.startIndex])
        return ScanPage(records: page, next: rest.isEmpty ? nil : ScanCursor(Remaining(records: rest)))
    }
}
