import MiniORM

// The contract's section 3: names of collections.
extension ConformanceCheck {
    static let names: [ConformanceCheck] = [
        ConformanceCheck(
            "portable names work and stay apart", clause: "3 collection names",
            hint: "3 to 63 characters [A-Za-z0-9_-]: quote them, keep their case, cut none off"
        ) { kit in
            let prefix = kit.name(0)
            let long = prefix + String(repeating: "x", count: 62 - prefix.utf8.count)
            let names = [
                "\(prefix)abc", "\(prefix)ABC", "\(prefix)a-b", "\(prefix)a_b", "\(prefix)select", long + "1",
                long + "2", "\(prefix)--9",
            ]
            try await expectApart(names, mayBeRefused: false, kit)
        },
        ConformanceCheck(
            "a name of three characters works", clause: "3 collection names",
            hint: "portable names are 3 to 63 characters long"
        ) { kit in
            guard kit.capabilities.nativeOperations.isSuperset(of: [.describeCollection, .dropCollection]) else {
                throw CheckSkipped(why: "without describeCollection and dropCollection a short name may be somebody's")
            }
            // The kit overwrites nothing that has not its prefix; by chance, as other runs of it choose one meanwhile.
            let end = "abcdefghijklmnopqrstuvwxyz0123456789"
            for _ in 0..<20 {
                let name = [end, end + "-_", end].compactMap { $0.randomElement() }.reduce("") { $0 + String($1) }
                guard try await kit.port.describeCollection(name) == nil else { continue }
                let repository = try await kit.open(name)
                try await repository.upsert([kit.record(1, [1, 2, 3])])
                try expectEqual(try await repository.count(), 1, "records of the collection \(name)")
                return
            }
            throw CheckSkipped(why: "the names that the kit would try are taken")
        },
        ConformanceCheck(
            "other names work and stay apart, or are refused", clause: "3 collection names",
            hint: "throw invalidCollectionName for what the engine does not take; never alter a name"
        ) { kit in
            let prefix = kit.name(0)
            let names = [
                "\(prefix) space", "\(prefix)%20space", "\(prefix)/slash", "\(prefix)%2Fslash", "\(prefix)\\back",
                "\(prefix).dot", "\(prefix)'; DROP TABLE x; --", "\(prefix)\"quoted\"", "\(prefix)`tick`",
                "\(prefix)caf\u{e9}", "\(prefix)cafe\u{301}", "\(prefix)日本", "\(prefix)👩‍👧", "\(prefix)\n",
                "\(prefix)?a=b",
                "\(prefix)#hash", "\(prefix)../up", "\(prefix):colon", "\(prefix)*", "\(prefix)end-", " \(prefix)",
                "\(prefix) ", "\(prefix){}[]", "-\(prefix)",
                prefix + String(repeating: "y", count: 200), prefix + String(repeating: "y", count: 201),
            ]
            try await expectApart(names, mayBeRefused: true, kit)
        },
        ConformanceCheck(
            "a name that is empty or holds NUL is refused", clause: "3 collection names",
            hint: "the repository checks this before any I/O"
        ) { kit in
            for name in ["", "a\u{0}b"] {
                try await expectError(.invalidCollectionName, what: "opening \(name.quoted)") {
                    _ = try await kit.open(name, autoCreate: false)
                }
            }
        },
    ]

    /// Puts a record into a collection of each name, and looks whether each holds its own alone.
    private static func expectApart(_ names: [String], mayBeRefused: Bool, _ kit: CheckContext) async throws {
        var opened: [(String, CheckedRepository)] = []
        for name in names {
            do { opened.append((name, try await kit.open(name, overwrite: true))) } catch {
                guard mayBeRefused else { throw Unexpected("the collection \(name.quoted): \(error)") }
                let isRefusal = VectorStoreError.Code.invalidCollectionName ~= error
                try expect(isRefusal, "the collection \(name.quoted): expected invalidCollectionName, got \(error)")
            }
        }
        for (number, (_, repository)) in opened.enumerated() {
            try await repository.upsert([kit.record(number, [1, 2, Float(number)])])
        }
        for (number, (name, repository)) in opened.enumerated() {
            try expectIDs(try await repository.fetch().map(\.id), [kit.id(number)], "the collection \(name.quoted)")
        }
        if kit.capabilities.nativeOperations.contains(.listCollections) {
            let listed = Set(try await kit.port.listCollections().map(UTF8Key.init))
            for (name, _) in opened {
                try expect(listed.contains(UTF8Key(name)), "the collection \(name.quoted) is not listed under its name")
            }
        }
    }
}
