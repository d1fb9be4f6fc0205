/// What a collection is: fixed when it is created.
public struct CollectionDescription: Sendable, Hashable {
    /// The collection's name.
    public var name: String
    /// The length of its vectors.
    public var dimension: Int
    /// How its vectors are compared.
    public var metric: VectorMetric

    /// A description; nothing is checked before it reaches a repository.
    public init(name: String, dimension: Int, metric: VectorMetric) {
        self.name = name
        self.dimension = dimension
        self.metric = metric
    }
}
