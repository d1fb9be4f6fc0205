#if Faiss
internal import MiniORM

/// A checked index type: what FAISS is asked to build. Its description is written here from numbers in range, so that
/// no text of a caller reaches FAISS's parser, and no size that it would try to allocate.
struct IndexPlan: Sendable, Hashable {
    private enum Code: Sendable, Hashable {
        case flat
        case scalar(String)
        case product(parts: Int, bits: Int)
    }

    private var lists: Int?
    private var listGraph: Int?
    private var graph: Int?
    private var rotation: Int?
    private var code = Code.flat
    /// Parameters of building and searching.
    private(set) var efConstruction = 80
    private(set) var efSearch = 64
    private(set) var probes = 8

    /// Whether answers are exact.
    var isFlat: Bool { description == "Flat" }

    /// The plan of an index type. Throws `VectorStoreError.Code.invalidArgument` for a number out of range.
    init(_ type: FaissIndexType) throws(VectorStoreError) {
        switch type {
        case .flat: break
        case .hnsw(let m, let efConstruction, let efSearch):
            graph = m
            self.efConstruction = efConstruction
            self.efSearch = efSearch
        case .ivfFlat(let lists, let probes):
            self.lists = lists
            self.probes = probes
            try Self.check(probes, in: 1...max(1, lists), "probes")
        case .ivfPQ(let lists, let subquantizers, let bits, let probes):
            self.lists = lists
            self.probes = probes
            code = .product(parts: subquantizers, bits: bits)
            try Self.check(probes, in: 1...max(1, lists), "probes")
        case .sq8: code = .scalar("SQ8")
        case .factory(let text): try parse(text)
        }
        try checkNumbers()
    }

    /// What FAISS's index factory is given.
    var description: String {
        if let graph { return "HNSW\(graph)" }
        var parts: [String] = []
        if let rotation { parts.append("OPQ\(rotation)") }
        if let lists { parts.append("IVF\(lists)" + (listGraph.map { "_HNSW\($0)" } ?? "")) }
        switch code {
        case .flat: parts.append("Flat")
        case .scalar(let name): parts.append(name)
        case .product(let count, let bits):
            // `np`: FAISS would else reorder the codes for a search that is not used here, in minutes and much memory.
            parts.append("PQ\(count)x\(bits)np")
        }
        return parts.joined(separator: ",")
    }

    /// How many neighbours a row has in the graph, if the index is one.
    var neighbours: Int? { graph }

    /// How many rows are added at once while others wait. A graph takes long over each row; FAISS shares fewer than a
    /// hundred among no threads.
    var rowsAtOnce: Int { graph == nil ? 4_096 : 128 }

    /// What an index on disk has to have been built with to be used.
    var fingerprint: String { "\(description) ef \(graph == nil ? 0 : efConstruction)" }

    /// How many rows the index has to see before it can be built; 0 if it learns nothing.
    var trainingRows: Int {
        var rows = 0
        // FAISS asks for 39 rows a centroid, and warns below.
        if let lists { rows = 39 * lists }
        switch code {
        case .flat: break
        case .scalar: rows = max(rows, 256)
        case .product(_, let bits): rows = max(rows, 39 << bits)
        }
        // The rotation is learned with codes of 8 bits, whatever those of the rows have.
        if rotation != nil { rows = max(rows, 39 << 8) }
        return rows
    }

    /// More rows than that teach it nothing.
    var largestSample: Int { max(trainingRows, 65_536) / 39 * 256 }

    /// Whether vectors of a dimension can be coded. Throws `VectorStoreError.Code.invalidArgument`.
    func check(dimension: Int) throws(VectorStoreError) {
        for parts in [rotation, productParts] {
            if let parts, !dimension.isMultiple(of: parts) {
                throw VectorStoreError(
                    .invalidArgument, "\(parts) subquantizers do not divide the dimension, which is \(dimension)")
            }
        }
    }

    private var productParts: Int? { if case .product(let parts, _) = code { parts } else { nil } }

    private func checkNumbers() throws(VectorStoreError) {
        if let graph { try Self.check(graph, in: 2...256, "neighbours") }
        if let listGraph { try Self.check(listGraph, in: 2...256, "neighbours") }
        if let lists { try Self.check(lists, in: 1...1_048_576, "lists") }
        if case .product(let parts, let bits) = code {
            try Self.check(parts, in: 1...4_096, "subquantizers")
            try Self.check(bits, in: 4...12, "bits")
        }
        if let rotation { try Self.check(rotation, in: 1...4_096, "subquantizers") }
        try Self.check(efConstruction, in: 1...65_536, "efConstruction")
        try Self.check(efSearch, in: 1...65_536, "efSearch")
    }

    private static func check(_ value: Int, in range: ClosedRange<Int>, _ what: String) throws(VectorStoreError) {
        guard range.contains(value) else {
            throw VectorStoreError(
                .invalidArgument, "\(what) is \(value); it is between \(range.lowerBound) and \(range.upperBound)")
        }
    }
}

// The texts of the index factory.
extension IndexPlan {
    private mutating func parse(_ text: String) throws(VectorStoreError) {
        let unknown = VectorStoreError(
            .invalidArgument,
            "the index factory text \(text.quoted) is none of those that FaissConfiguration lists")
        guard text.utf8.count <= 64 else { throw unknown }
        var parts = text.split(separator: ",", omittingEmptySubsequences: false)[...]
        if parts.count > 1, let rotation = parts.first.flatMap({ Self.number(after: "OPQ", $0) }) {
            self.rotation = rotation
            parts.removeFirst()
        }
        if let first = parts.first, let (lists, listGraph) = Self.lists(first) {
            (self.lists, self.listGraph) = (lists, listGraph)
            probes = min(probes, lists)
            parts.removeFirst()
        } else if rotation == nil, let graph = parts.first.flatMap({ Self.number(after: "HNSW", $0) }) {
            self.graph = graph
            parts.removeFirst()
            if parts.isEmpty || parts == ["Flat"] { return }
            throw unknown
        }
        guard parts.count == 1, let last = parts.first else { throw unknown }
        if let (count, bits) = Self.product(last) {
            code = .product(parts: count, bits: bits)
        } else if ["SQ8", "SQ4", "SQfp16"].contains(last) {
            code = .scalar(String(last))
        } else if last != "Flat" {
            throw unknown
        }
        if rotation != nil, productParts == nil || productParts != rotation { throw unknown }
    }

    /// A number in plain digits after a prefix, short enough for an `Int`.
    private static func number(after prefix: String, _ text: Substring) -> Int? {
        guard text.hasPrefix(prefix) else { return nil }
        let digits = text.utf8.dropFirst(prefix.utf8.count)
        guard (1...9).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(Substring(digits))
    }

    private static func lists(_ text: Substring) -> (lists: Int, graph: Int?)? {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        guard let first = parts.first, let lists = number(after: "IVF", first) else { return nil }
        if parts.count == 1 { return (lists, nil) }
        guard parts.count == 2, let graph = number(after: "HNSW", parts[1]) else { return nil }
        return (lists, graph)
    }

    private static func product(_ text: Substring) -> (parts: Int, bits: Int)? {
        let parts = text.split(separator: "x", omittingEmptySubsequences: false)
        guard let first = parts.first, let count = number(after: "PQ", first) else { return nil }
        if parts.count == 1 { return (count, 8) }
        guard parts.count == 2, let bits = number(after: "", parts[1]) else { return nil }
        return (count, bits)
    }
}
#endif
