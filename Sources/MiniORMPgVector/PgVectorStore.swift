#if PgVector
public import MiniORM

/// Collections in PostgreSQL, with pgvector.
///
/// ```swift
/// let store = try PgVectorStore("postgres://user:password@localhost/app")
/// let users = try VectorRepository(store, "users", dimension: 3)
/// ```
///
/// A collection is a table with the columns `id`, `embedding` and `payload`; its name is `table` or `schema.table`. The
/// store opens connections as they are needed, keeps them, and replaces those that break. Its calls block their thread;
/// `AsyncVectorRepository` runs them on threads of their own. Filters become SQL whole. Answers are exact as long as
/// the collection has no approximate index; `createIndex` builds one. Calls that are not in a repository have an
/// asynchronous form of the same name, which runs on threads of the store.
public final class PgVectorStore: VectorStorePort {
    let operations: PgOperations
    /// For calls of asynchronous code that take a connection of the pool: as many as there are connections.
    let threads: BlockingThreads
    /// For the ends of transactions, each of which has a connection: there is always a thread, so none waits.
    let endings: BlockingThreads

    /// A store with a configuration. Nothing is connected before the first call.
    public init(_ configuration: PgVectorConfiguration) {
        operations = PgOperations(session: Session(configuration))
        let count = max(1, configuration.maximumConnections)
        threads = BlockingThreads(count: count, maximumWaiting: 4096)
        endings = BlockingThreads(count: count, maximumWaiting: .max)
    }

    /// A store by a URL or libpq's keywords; see ``PgVectorConfiguration/init(_:)``.
    public convenience init(_ address: String) throws(VectorStoreError) {
        self.init(try PgVectorConfiguration(address))
    }

    /// `pgvector`.
    public var name: String { operations.name }
    /// Atomic, exact without an approximate index, every operation in the engine.
    public var capabilities: StoreCapabilities { operations.capabilities }

    /// Creates a table, with schema and extension where they are missing; all of it or nothing.
    public func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        try operations.createCollection(request)
    }
    /// Inserts or replaces, all records or none.
    ///
    /// New records in number are copied in. In tables that this library made, rows that are the same already, byte for
    /// byte, are left alone; where a sample finds none such, up to 32 MB of vectors are replaced at once, by a deletion
    /// and a copy, for which others who write to the table wait: not with an approximate index, in a transaction of yours, on
    /// a table with triggers, rules, policies or columns of yours, or in a database with publications. In a mapped table
    /// every row is written, so that its triggers run.
    public func upsert(_ request: UpsertRequest) throws(VectorStoreError) { try operations.upsert(request) }
    /// The nearest records; where an approximate index finds too few, every row that matches is scored.
    public func query(_ request: QueryRequest) throws(VectorStoreError) -> [VectorSearchResult] {
        try operations.query(request)
    }
    /// The nearest records of many vectors, sent together.
    public func queryBatch(_ request: QueryBatchRequest) throws(VectorStoreError) -> [[VectorSearchResult]] {
        try operations.queryBatch(request)
    }
    /// Records by id.
    public func fetch(_ request: FetchRequest) throws(VectorStoreError) -> [VectorRecord] {
        try operations.fetch(request)
    }
    /// Deletes by id.
    public func delete(_ request: DeleteRequest) throws(VectorStoreError) -> Int { try operations.delete(request) }
    /// Deletes by filter.
    public func deleteMatching(_ request: DeleteMatchingRequest) throws(VectorStoreError) -> Int {
        try operations.deleteMatching(request)
    }
    /// Counts in the database.
    public func count(_ request: CountRequest) throws(VectorStoreError) -> Int { try operations.count(request) }
    /// A page in the order of ids, found by the primary key after the last id of the page before.
    ///
    /// A cursor costs the server the same, and would hold a connection of the pool and a transaction open for as long
    /// as the caller takes, which keeps vacuum from all tables. So pages see what is written between them: a record
    /// that is there throughout is read once, one that comes or goes meanwhile may be read or not.
    public func scan(_ request: ScanRequest) throws(VectorStoreError) -> ScanPage { try operations.scan(request) }
    /// What a collection is, as the database has it now.
    public func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        try operations.describeCollection(name)
    }
    /// The collections whose tables are there.
    public func listCollections() throws(VectorStoreError) -> [String] { try operations.listCollections() }
    /// Drops a table that this library made.
    public func dropCollection(_ name: String) throws(VectorStoreError) { try operations.dropCollection(name) }
    /// The condition in SQL, its values bound as `$1`, `$2`, ...
    public func explain(_ request: ExplainRequest) throws(VectorStoreError) -> FilterPlan {
        try operations.explain(request)
    }
    /// Closes the connections that are idle, and the others when their calls end; later calls throw
    /// `VectorStoreError.Code.unavailable`.
    public func close() { operations.close() }
}
#else
/// Not there without the package trait `PgVector`.
@available(*, unavailable, message: "enable the trait: .package(url: ..., traits: [\"PgVector\"])")
public final class PgVectorStore {}
#endif
