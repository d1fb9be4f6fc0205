/// A vector with its id and its payload: what a collection holds.
public struct VectorRecord: Sendable {
    /// Any non-empty string without NUL, compared by its UTF-8 bytes.
    public var id: String
    /// Finite numbers, exactly as many as the collection's dimension.
    public var vector: [Float]
    /// What travels with the vector. `nil` (no payload) and `[:]` (an empty one) are told apart.
    public var payload: [String: PayloadValue]?

    /// A record; nothing is checked before it reaches a repository.
    public init(id: String, vector: [Float], payload: [String: PayloadValue]? = nil) {
        self.id = id
        self.vector = vector
        self.payload = payload
    }
}

extension VectorRecord: Equatable {
    /// Ids and strings are compared by their UTF-8 bytes, numbers of a payload by type and value.
    public static func == (lhs: Self, rhs: Self) -> Bool {
        UTF8Key(lhs.id) == UTF8Key(rhs.id) && lhs.vector == rhs.vector && samePayload(lhs.payload, rhs.payload)
    }
}

/// One answer of a query.
public struct VectorSearchResult: Sendable {
    /// The record's id.
    public var id: String
    /// How well the record matches, higher is better; see ``VectorMetric``.
    public var score: Float
    /// The record's payload.
    public var payload: [String: PayloadValue]?
    /// The record's vector, when the query asked for it.
    public var vector: [Float]?

    /// One answer of a query.
    public init(id: String, score: Float, payload: [String: PayloadValue]? = nil, vector: [Float]? = nil) {
        self.id = id
        self.score = score
        self.payload = payload
        self.vector = vector
    }
}

extension VectorSearchResult: Equatable {
    /// Ids and strings are compared by their UTF-8 bytes, numbers of a payload by type and value.
    public static func == (lhs: Self, rhs: Self) -> Bool {
        UTF8Key(lhs.id) == UTF8Key(rhs.id) && lhs.score == rhs.score && lhs.vector == rhs.vector
            && samePayload(lhs.payload, rhs.payload)
    }
}

private func samePayload(_ lhs: [String: PayloadValue]?, _ rhs: [String: PayloadValue]?) -> Bool {
    switch (lhs, rhs) {
    case (nil, nil): true
    case (let lhs?, let rhs?): PayloadValue.object(lhs) == .object(rhs)
    default: false
    }
}
