#if PgVector
import MiniORM
import MiniORMPgVector
import Testing

/// The contract's sections 3 and 5: bytes decide, in a database that orders text as a language does.
@Suite(.serialized, .dropsSchemas) struct CollationTests {
    @Test(arguments: Server.both)
    func theOrderOfBytesIsThatOfNoLanguage(_ server: Server) throws {
        // `scripts/services` has the servers know this locale.
        try server.withDatabase("encoding 'UTF8' locale 'en_US.UTF-8'") { address in
            let store = try PgVectorStore(address)
            defer { store.close() }
            #expect(try store.execute("select 'a' < 'B', 'Z' < '_'").rows == [["t", "f"]], "the database is another")
            let names = ["B", "Z", "_", "a", "b", "e\u{301}", "z", "\u{e9}"]
            let records = names.map { VectorRecord(id: $0, vector: [1], payload: ["name": .string($0)]) }
            // A table of ours, and one with the database's own collation.
            try VectorRepository(store, "ours", dimension: 1, metric: .l2).upsert(records.reversed())
            let own =
                "select collation_name from information_schema.columns where table_name = 'ours' and column_name = 'id'"
            #expect(try store.execute(own).rows == [["C"]])
            try store.execute("create table public.theirs (id text primary key, v vector(1) not null, p jsonb)")
            try store.mapTable("theirs", metric: .l2, id: "id", vector: "v", payload: "p")
            try VectorRepository(store, "theirs", dimension: 1, metric: .l2).upsert(records.reversed())
            for name in ["ours", "theirs"] {
                let repository = try VectorRepository(store, name, dimension: 1, metric: .l2)
                #expect(try repository.fetch().map(\.id) == names)
                #expect(try repository.query([1], topK: 3).map(\.id) == Array(names.prefix(3)))
                #expect(
                    try repository.queryBatch([[1], [2]], topK: 5).map { $0.map(\.id) } == [
                        Array(names.prefix(5)), Array(names.prefix(5)),
                    ])
                let read = try repository.records(pageSize: 3).map { try $0.get().id }
                #expect(read.map(UTF8Key.init).sorted() == names.map(UTF8Key.init))
                for bound in names {
                    for comparison in VectorFilter.Comparison.allCases {
                        let filter = VectorFilter.compare("name", comparison, .string(bound))
                        let expected = names.count { filter.matches(["name": .string($0)]) }
                        #expect(try repository.count(matching: filter) == expected, "\(name): \(filter)")
                    }
                }
            }
            #expect(try store.listCollections() == ["ours", "theirs"])
        }
    }
}
#endif
