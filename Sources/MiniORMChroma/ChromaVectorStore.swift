#if Chroma
public import MiniORM
internal import Synchronization

/// Collections in a Chroma server, over HTTP.
///
/// ```swift
/// let store = try ChromaVectorStore(url: "chroma://localhost:8000")
/// let users = try await AsyncVectorRepository(store, "users", dimension: 3)
/// ```
///
/// A store is used from many tasks at once; it keeps connections, and collections' ids, which it looks up again when
/// they are stale. It opens and drops only collections that this library created.
///
/// The server's index is approximate: it finds nearly all of the nearest records. A query whose filter leaves few
/// records, or of which the index returns too few, is answered exactly; with ``ChromaConfiguration/isExact`` all are.
///
/// The server keeps no more of a dot product or a cosine than a 32-bit float near 1 holds. Where the last of the best is
/// within 2^-10 of 0, all records that match are read and scored here: with short vectors compared by dot product (keep
/// their lengths around 1), and with vectors that share no component, such as counts of words, where `topK` is more
/// than those that do. A `minScore` of 0.001 or more spares it.
///
/// Deletes count what was there when they began: where two delete the same record at once, both may count it. Fields
/// that a later version of a record has no more stay in the server's metadata, where no filter of this library sees
/// them, until the record is deleted.
///
/// An upsert goes in batches, as the server has no transactions. When one fails after others are in,
/// `VectorStoreError.Code.partialWrite` names the records that are in; sending the call again is safe.
public final class ChromaVectorStore: AsyncVectorStorePort {
    let configuration: ChromaConfiguration
    let transport: ChromaTransport
    /// `/api/v2/tenants/T/databases/D/collections`
    let collectionsPath: String
    let known = Mutex<[UTF8Key: ChromaCollection]>([:])
    let preflight = Mutex<Preflight?>(nil)

    /// A store over a server. Nothing is sent yet.
    ///
    /// Throws `VectorStoreError.Code.invalidArgument` for a configuration that cannot work.
    public init(_ configuration: ChromaConfiguration) throws(VectorStoreError) {
        guard (1...65_535).contains(configuration.port), !configuration.host.isEmpty,
            configuration.deadline > .zero, configuration.limits.areUsable
        else {
            throw VectorStoreError(
                .invalidArgument, "a host, a port, a positive deadline and limits that are not too low are needed",
                store: "chroma")
        }
        guard configuration.credentials.canBeSent else {
            throw VectorStoreError(
                .invalidArgument, "the credentials hold a control character, which no HTTP header can", store: "chroma")
        }
        self.configuration = configuration
        transport = try ChromaTransport(configuration)
        let tenant = Self.escaped(configuration.tenant), database = Self.escaped(configuration.database)
        collectionsPath = "/api/v2/tenants/\(tenant)/databases/\(database)/collections"
    }

    /// A store over the server of a URL; see ``ChromaConfiguration/init(url:)``.
    public convenience init(url: String) throws(VectorStoreError) {
        try self.init(try ChromaConfiguration(url: url))
    }

    /// `chroma`.
    public var name: String { "chroma" }

    /// Neither atomic nor, unless asked for, exact.
    public var capabilities: StoreCapabilities {
        var capabilities = StoreCapabilities()
        capabilities.pushedDownOperators = [.equal, .order, .isIn, .and, .or]
        if !configuration.limits.ordersNumbers { capabilities.pushedDownOperators.remove(.order) }
        if configuration.indexedFields == .none { capabilities.pushedDownOperators = [] }
        if configuration.indexedFields == .scalarsAndElements { capabilities.pushedDownOperators.insert(.contains) }
        capabilities.isExact = configuration.isExact
        capabilities.isPersistent = true
        // Cosine vectors come back from the unit vector and its norm.
        capabilities.keepsVectorBits = false
        capabilities.maximumDimension = configuration.limits.dimension
        capabilities.nativeOperations = .all
        return capabilities
    }

    /// Closes the connections. Calls under way and later ones throw `VectorStoreError.Code.unavailable`.
    public func close() async throws(VectorStoreError) { await transport.close() }

    /// How the server evaluates a filter: what it is sent, and that the answers are finished on our side.
    public func explain(_ request: ExplainRequest) async throws(VectorStoreError) -> FilterPlan {
        let opened = try await open(request.collection)
        guard let clause = WhereClause(request.filter, opened.mark.indexed, configuration.limits)
        else { return FilterPlan(pushedDown: nil, finished: request.filter, native: "") }
        return FilterPlan(
            pushedDown: clause.filter, finished: request.filter, native: String(decoding: clause.json, as: UTF8.self))
    }

    /// A part of a path: a slash in a name does not end it.
    static func escaped(_ part: String) -> String {
        var text = ""
        for byte in part.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "~"):
                text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                text += digits.utf8.count == 1 ? "%0" + digits : "%" + digits
            }
        }
        return text
    }
}

extension ChromaVectorStore: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The server's address, without credentials.
    public var description: String { "ChromaVectorStore(\(configuration))" }
    /// The same as ``description``.
    public var debugDescription: String { description }
    /// The server's address, without credentials.
    public var customMirror: Mirror { Mirror(self, children: ["server": configuration.description]) }
}
#endif
