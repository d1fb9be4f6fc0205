extension InMemoryVectorStore {
    /// Indexes fields of a collection, so that the first filter on them is as fast as any other.
    ///
    /// It is not needed for speed in the long run: in a collection of 2,048 records or more a field is indexed when it
    /// is filtered on for the second time. But such indexes are bounded (16 fields of a collection, and in memory a 32nd
    /// of what the vectors take), and those that are asked for here are not. An index holds whatever values there are:
    /// numbers, texts, bools, and the elements of arrays. Where it cannot decide (equality of arrays and objects, texts
    /// of more than 128 bytes) it narrows the rows down, and the filter is evaluated on those.
    ///
    /// Indexes are kept up to date by those who filter, a few microseconds a record that was added; writers do nothing
    /// for them. They are not part of a saved store: declare them again after opening.
    ///
    /// Takes about half a microsecond a record and field. Memory for a field: 3 bytes a record, and about 20 for
    /// each distinct value of a number or text; for arrays at most 64 a record more.
    ///
    /// - Parameters:
    ///   - paths: The fields; a path with dots leads into objects.
    ///   - collection: The collection's name. Throws ``VectorStoreError/Code/collectionNotFound`` if there is none.
    public func indexFields(_ paths: [FieldPath], in collection: String) throws(VectorStoreError) {
        try self.collection(collection).index(paths)
    }

    /// The indexes of a collection's fields, in the order of their paths' texts.
    public func fieldIndexes(in collection: String) throws(VectorStoreError) -> [FieldIndexDescription] {
        try self.collection(collection).fields.all
            .map {
                FieldIndexDescription(path: $0.index.path, bytes: $0.index.current.bytes, isDeclared: $0.isDeclared)
            }
            .sorted { UTF8Key($0.path.description) < UTF8Key($1.path.description) }
    }
}

/// An index of a field of a collection.
public struct FieldIndexDescription: Sendable, Hashable {
    /// The field.
    public let path: FieldPath
    /// What it takes in memory. Long texts are shared with the payloads and not counted.
    public let bytes: Int
    /// Whether it was asked for, and not built because of filters.
    public let isDeclared: Bool
}
