#if PgVector
public import MiniORM

extension PgVectorStore {
    private var building: IndexBuilding { IndexBuilding(session: operations.session) }

    /// Builds an approximate index on a collection's vectors, in place of one that is there. Build it after a bulk load:
    /// that is faster than keeping it up while rows come in.
    ///
    /// Queries then go through the index, and are asked again exactly where it finds too few. An index that is there is
    /// used until the new one is complete, and stays where that fails. Builders of one collection's index take turns.
    /// Parameters out of their ranges and vectors of more dimensions than the index takes throw
    /// `VectorStoreError.Code.invalidArgument` before anything is done.
    ///
    /// - Parameters:
    ///   - collection: The collection's name.
    ///   - index: Which index.
    ///   - concurrently: Whether others may write meanwhile; it takes longer.
    ///   - timeout: How long it may take.
    ///   - progress: Called some four times a second with how far it is, on the calling thread.
    public func createIndex(
        _ collection: String, _ index: PgVectorIndex, concurrently: Bool = false, timeout: Duration = .seconds(86_400),
        progress: (@Sendable (PgIndexProgress) -> Void)? = nil
    ) throws(VectorStoreError) {
        let way = IndexBuilding.Way(concurrently: concurrently, timeout: timeout, progress: progress)
        try building.createVectorIndex(collection, index, way)
    }

    /// The same for asynchronous code; progress is reported on a thread of the store's own. When the task is cancelled,
    /// the build is, and what it left is dropped.
    public func createIndex(
        _ collection: String, _ index: PgVectorIndex, concurrently: Bool = false, timeout: Duration = .seconds(86_400),
        progress: (@Sendable (PgIndexProgress) -> Void)? = nil
    ) async throws(VectorStoreError) {
        let building = building
        let way = IndexBuilding.Way(concurrently: concurrently, timeout: timeout, progress: progress)
        try await threads.run { () throws(VectorStoreError) in
            try building.createVectorIndex(collection, index, way)
        }
    }

    /// Drops the approximate index of a collection; queries are exact again. Nothing happens where there is none.
    public func dropIndex(_ collection: String) throws(VectorStoreError) {
        try building.dropVectorIndex(collection)
    }

    /// The same for asynchronous code.
    public func dropIndex(_ collection: String) async throws(VectorStoreError) {
        let building = building
        try await threads.run { () throws(VectorStoreError) in try building.dropVectorIndex(collection) }
    }

    /// Sets how thoroughly a collection's index is searched: HNSW's `ef_search` (1 to 1,000), IVFFlat's `probes` (1 to
    /// 32,768). Others throw `VectorStoreError.Code.invalidArgument`.
    public func setSearchEffort(_ collection: String, _ effort: Int) throws(VectorStoreError) {
        try building.setSearchEffort(collection, effort)
    }

    /// The same for asynchronous code.
    public func setSearchEffort(_ collection: String, _ effort: Int) async throws(VectorStoreError) {
        let building = building
        try await threads.run { () throws(VectorStoreError) in try building.setSearchEffort(collection, effort) }
    }

    /// Builds a GIN index on the payload, for filters that ask for equality, on whatever fields.
    public func createPayloadIndex(
        _ collection: String, concurrently: Bool = false, timeout: Duration = .seconds(86_400)
    ) throws(VectorStoreError) {
        let way = IndexBuilding.Way(concurrently: concurrently, timeout: timeout)
        try building.createPayloadIndex(collection, way)
    }

    /// The same for asynchronous code.
    public func createPayloadIndex(
        _ collection: String, concurrently: Bool = false, timeout: Duration = .seconds(86_400)
    ) async throws(VectorStoreError) {
        let building = building
        let way = IndexBuilding.Way(concurrently: concurrently, timeout: timeout)
        try await threads.run { () throws(VectorStoreError) in try building.createPayloadIndex(collection, way) }
    }

    /// Builds an index on one field of the payload, for filters with `==` and `in` on it, with values of any length.
    public func createFieldIndex(
        _ collection: String, _ path: FieldPath, concurrently: Bool = false, timeout: Duration = .seconds(86_400)
    ) throws(VectorStoreError) {
        let way = IndexBuilding.Way(concurrently: concurrently, timeout: timeout)
        try building.createFieldIndex(collection, path, way)
    }

    /// The same for asynchronous code.
    public func createFieldIndex(
        _ collection: String, _ path: FieldPath, concurrently: Bool = false, timeout: Duration = .seconds(86_400)
    ) async throws(VectorStoreError) {
        let building = building
        let way = IndexBuilding.Way(concurrently: concurrently, timeout: timeout)
        try await threads.run { () throws(VectorStoreError) in try building.createFieldIndex(collection, path, way) }
    }
}
#endif
