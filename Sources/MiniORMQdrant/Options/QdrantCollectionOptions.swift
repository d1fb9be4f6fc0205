#if Qdrant
public import MiniORM

/// What a collection is created with beyond dimension and metric. `nil` leaves a choice to the server.
public struct QdrantCollectionOptions: Sendable {
    /// Into how many shards the points are spread. At least 1.
    public var shards: Int?
    /// How many copies there are of each shard. At least 1.
    public var replicationFactor: Int?
    /// How many copies have to confirm a write. At least 1.
    public var writeConsistencyFactor: Int?
    /// Whether vectors stay on disk, and memory holds what is used.
    public var vectorsOnDisk: Bool?
    /// Whether payloads stay on disk.
    public var payloadOnDisk: Bool?
    /// How many neighbours a node of the HNSW graph has; 0, the least, for no graph over all points (with a tenant
    /// field).
    public var hnswM: Int?
    /// How many candidates are kept while the graph is built. At least 4.
    public var hnswEfConstruct: Int?
    /// How many neighbours a node has in the graphs that are built for each value of an indexed field. At least 0.
    public var hnswPayloadM: Int?
    /// How vectors are made smaller for searching.
    public var quantization: Quantization?
    /// The field that says whose a record is: an index of keywords that keeps a tenant's records together.
    public var tenantField: FieldPath?
    /// The fields that are filtered on often. Servers in strict mode take filters on indexed fields only (Qdrant
    /// Cloud's by default): a filter on another field is finished on our side, for which every candidate is
    /// transferred.
    public var payloadIndexes: [PayloadIndex] = []

    /// How vectors are made smaller for searching; the full ones are kept beside.
    public enum Quantization: Sendable, Hashable {
        /// A byte for each component; `quantile` (0.5 to 1) cuts outliers off.
        case scalar(quantile: Float? = nil, alwaysInMemory: Bool? = nil)
        /// A codebook; the vector shrinks by `compression`.
        case product(compression: Compression, alwaysInMemory: Bool? = nil)
        /// A bit for each component.
        case binary(alwaysInMemory: Bool? = nil)
    }

    /// How much product quantisation shrinks a vector.
    public enum Compression: Int, Sendable, Hashable, CaseIterable {
        /// To a fourth.
        case x4 = 4
        /// To an eighth.
        case x8 = 8
        /// To a sixteenth.
        case x16 = 16
        /// To a thirty-second.
        case x32 = 32
        /// To a sixty-fourth.
        case x64 = 64
    }

    /// An index over the values of a field.
    public struct PayloadIndex: Sendable, Hashable {
        /// What the values are.
        public enum Kind: Sendable, Hashable, CaseIterable {
            /// Strings, for `==`, `!=`, `in` and `contains`.
            case keyword
            /// Numbers, integers and doubles alike, for all comparisons.
            case number
            /// Bools.
            case bool
        }

        /// The field.
        public var path: FieldPath
        /// What its values are.
        public var kind: Kind

        /// An index.
        public init(_ path: FieldPath, _ kind: Kind) {
            self.path = path
            self.kind = kind
        }
    }

    /// The server's choices.
    public init() {}
}
#endif
