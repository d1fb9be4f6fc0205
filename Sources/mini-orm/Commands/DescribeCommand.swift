internal import ArgumentParser
internal import MiniORM

struct DescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Say what a collection is and what its store can do.")

    @OptionGroup var options: CollectionOptions

    @Flag(name: .long, help: "Print JSON: collection, dimension, metric, count, and what the store can do.")
    var json = false

    func run() async throws {
        try await options.withCollection(.read) { repository, collection, opened in
            let count = try await repository.count()
            let (name, can) = (opened.store.name, opened.store.capabilities)
            var output = StandardOutput()
            if json {
                let members = CollectionsCommand.members(collection, count)
                try output.json("{\(members), \"store\": \(Self.json(name, can))}")
            } else {
                let lines = [
                    ("collection", collection.name), ("dimension", String(collection.dimension)),
                    ("metric", collection.metric.rawValue), ("records", count.grouped), ("store", name),
                ]
                for (name, value) in lines + Self.lines(can) {
                    try output.line("\(name):".padded(to: 14) + value.terminalSafe)
                }
            }
            try output.flush()
        }
    }

    /// What a store can do, for a person.
    static func lines(_ can: StoreCapabilities) -> [(String, String)] {
        let operators = can.pushedDownOperators.names
        let limits = [("dimension", can.maximumDimension), ("top-k", can.maximumTopK)].compactMap { name, limit in
            limit.map { "\(name) \($0.grouped)" }
        }
        return [
            ("answers", can.isExact ? "exact" : "approximate"),
            ("an upsert is", can.isUpsertAtomic ? "all or nothing" : "in batches"),
            ("ids", can.idPolicy == .any ? "any text" : "UUIDs"),
            ("vectors", can.keepsVectorBits ? "kept bit for bit" : "kept within 1e-6"),
            ("metrics", can.metrics.map(\.rawValue).sorted().joined(separator: ", ")),
            ("filters", can.supportsFilters ? "all" : "none"),
            ("its engine's", operators.isEmpty ? "none of them" : operators.joined(separator: ", ")),
            ("limits", limits.isEmpty ? "none" : limits.joined(separator: ", ")),
            ("lasts", can.isPersistent ? "yes" : "no, it is gone with the process"),
        ]
    }

    /// The same for a program.
    static func json(_ name: String, _ can: StoreCapabilities) -> String {
        func list(_ names: [String]) -> String { "[\(names.map { "\"\($0)\"" }.joined(separator: ", "))]" }
        let members = [
            ("name", PayloadValue.string(name).json()), ("is_exact", "\(can.isExact)"),
            ("is_upsert_atomic", "\(can.isUpsertAtomic)"), ("id_policy", can.idPolicy == .any ? "\"any\"" : "\"uuid\""),
            ("keeps_vector_bits", "\(can.keepsVectorBits)"), ("metrics", list(can.metrics.map(\.rawValue).sorted())),
            ("supports_filters", "\(can.supportsFilters)"),
            ("pushed_down_operators", list(can.pushedDownOperators.names)),
            ("maximum_dimension", can.maximumDimension.map(String.init) ?? "null"),
            ("maximum_top_k", can.maximumTopK.map(String.init) ?? "null"), ("is_persistent", "\(can.isPersistent)"),
        ]
        return "{\(members.map { "\"\($0)\": \($1)" }.joined(separator: ", "))}"
    }
}

extension FilterOperators {
    /// The operators as the text of a filter has them.
    fileprivate var names: [String] {
        let all: [(Self, [String])] = [
            (.equal, ["=="]), (.notEqual, ["!="]), (.order, ["<", "<=", ">", ">="]), (.isIn, ["in"]),
            (.contains, ["contains"]), (.exists, ["exists"]), (.and, ["and"]), (.or, ["or"]), (.not, ["not"]),
        ]
        return all.filter { contains($0.0) }.flatMap(\.1)
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: Swift.max(0, width - count))
    }
}
