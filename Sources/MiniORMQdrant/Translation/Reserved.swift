#if Qdrant
/// What this library keeps of a record in a payload beside the fields that filters read: an object under one key, which
/// users never see. Their own field of that name is kept in the record's text only.
enum Reserved {
    /// The payload's key.
    static let key = "__miniorm"
    /// The record's id.
    static let id = "id"
    /// The payload as JSON text, exactly as given; absent where there was none.
    static let payload = "payload"
    /// The vector's length, under cosine: Qdrant keeps unit vectors.
    static let norm = "norm"
    /// The vector's bytes, where the unit vector cannot stand for them.
    static let vector = "vector"
    /// The keys of the fields that hold a double which the engine may keep only nearly; see ``Double/isKeptExactly``.
    static let rough = "rough"
    /// Among those keys: any field. No field has this key, which would be quoted.
    static let anyField = "*"
    /// Collection metadata: what marks a collection as created by this library.
    static let metadata = "miniorm"
    /// The payload index that marks a collection on servers that keep no metadata, by its identity: `__miniorm.any`.
    static func marker(_ identity: PointIdentity) -> String { "\(key).\(identity.rawValue)" }
}
#endif
