/// What turns payloads into what a store keeps, and back.
///
/// A repository applies its codec to the payload of every record it writes, to every payload it reads and to every
/// filter, so that both sides of a comparison have the same form. A codec is a pure function: it is called from many
/// threads at once.
public protocol VectorPayloadCodec: Sendable {
    /// The stored form of a payload: no ``PayloadValue/rich(_:)``, finite numbers, no deeper than
    /// ``RepositoryLimits/payloadDepth``. The repository throws ``VectorStoreError/Code/unsupportedPayload`` for another.
    func encode(_ payload: [String: PayloadValue]) throws(VectorStoreError) -> [String: PayloadValue]
    /// The payload of a stored form.
    ///
    /// Throws ``VectorStoreError/Code/payloadDecoding`` with the key in its message; the repository adds the record,
    /// and the whole call fails, except for a sequence of records, which goes on past the one.
    func decode(_ payload: [String: PayloadValue]) throws(VectorStoreError) -> [String: PayloadValue]
    /// The filter on stored forms that matches what the given one matches on payloads.
    ///
    /// Throws ``VectorStoreError/Code/unsupportedFilter`` where there is none; the repository does where what comes is
    /// nested deeper than ``RepositoryLimits/filterDepth``.
    func encode(_ filter: VectorFilter) throws(VectorStoreError) -> VectorFilter
}

/// The codec that changes nothing.
public struct IdentityVectorPayloadCodec: VectorPayloadCodec {
    /// The codec.
    public init() {}
    /// The payload itself.
    public func encode(_ payload: [String: PayloadValue]) -> [String: PayloadValue] { payload }
    /// The payload itself.
    public func decode(_ payload: [String: PayloadValue]) -> [String: PayloadValue] { payload }
    /// The filter itself.
    public func encode(_ filter: VectorFilter) -> VectorFilter { filter }
}
