#if Qdrant
internal import MiniORM

/// Where a server is: `qdrant://host:6334`, or `qdrants://host:6334` for TLS.
struct QdrantAddress: Sendable, Hashable, CustomStringConvertible {
    let host: String
    let port: Int
    let isSecure: Bool

    var description: String {
        "\(isSecure ? "qdrants" : "qdrant")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    /// Reads an address. The message of a refusal repeats nothing of it: a password may have been put there.
    init(_ text: String) throws(VectorStoreError) {
        func refusal(_ message: String) -> VectorStoreError {
            VectorStoreError(.invalidArgument, message, store: QdrantVectorStore.name)
        }
        let schemes = [("qdrant://", false), ("qdrants://", true)]
        guard let (scheme, isSecure) = schemes.first(where: { text.lowercased().hasPrefix($0.0) }) else {
            throw refusal("an address is qdrant://host:port, or qdrants://host:port for TLS")
        }
        var rest = text.dropFirst(scheme.count)
        if rest.last == "/" { rest.removeLast() }
        guard !rest.contains(where: { "/?#@".contains($0) || $0.isWhitespace }) else {
            throw refusal("an address is a host and a port only; give the API key as apiKey")
        }
        let port: Substring?
        if rest.first == "[" {
            guard let end = rest.firstIndex(of: "]") else { throw refusal("the address has no \"]\"") }
            host = String(rest[rest.index(after: rest.startIndex)..<end])
            let tail = rest[rest.index(after: end)...]
            guard tail.isEmpty || tail.first == ":" else { throw refusal("the port follows a colon") }
            port = tail.isEmpty ? nil : tail.dropFirst()
        } else {
            let parts = rest.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            host = parts.first.map { String($0) } ?? ""
            port = parts.count == 2 ? parts[1] : nil
        }
        guard !host.isEmpty else { throw refusal("the address has no host") }
        if let port {
            guard let number = UInt16(port), number > 0 else { throw refusal("a port is a number from 1 to 65535") }
            self.port = Int(number)
        } else {
            self.port = 6334
        }
        self.isSecure = isSecure
    }
}

/// A text that no description, reflection or dump shows.
struct Secret: Sendable, CustomStringConvertible, CustomReflectable {
    let text: String
    var description: String { "***" }
    var customMirror: Mirror { Mirror(self, children: []) }

    /// An API key as it can stand in a header: printable ASCII.
    init(apiKey text: String) throws(VectorStoreError) {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw VectorStoreError(
                .invalidArgument, "an API key is not empty and holds printable ASCII only",
                store: QdrantVectorStore.name)
        }
        self.text = text
    }
}
#endif
