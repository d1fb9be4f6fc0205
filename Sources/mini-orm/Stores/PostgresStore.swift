#if PgVector
internal import MiniORM
internal import MiniORMPgVector

extension StoreScheme {
    /// PostgreSQL with pgvector.
    static let postgres = StoreScheme(
        name: "postgres", form: "postgres://USER:PASSWORD@HOST/DATABASE", summary: "PostgreSQL with pgvector",
        open: { url, _ in OpenStore(try PgVectorStore(url.text)) })

    /// The other name that libpq knows.
    static let postgresql = StoreScheme(
        name: "postgresql", form: "postgresql://...", summary: "the same", open: postgres.open)
}
#endif
