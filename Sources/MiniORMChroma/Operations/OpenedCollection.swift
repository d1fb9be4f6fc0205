#if Chroma
internal import MiniORM
internal import Synchronization

/// The collection that one call is about, or one scan.
///
/// What the store knows of a collection may be out of date when the call begins, and then is looked up again. But once
/// the collection has answered, another one of its name is not what the call is about.
final class OpenedCollection: Sendable {
    let name: String
    /// What requests are made for.
    let mark: ChromaCollection.Mark
    /// The creation of the collection that has answered.
    private let creation = Mutex<String?>(nil)

    init(name: String, mark: ChromaCollection.Mark) {
        self.name = name
        self.mark = mark
    }

    /// Whether the call's requests may be sent to a collection.
    func isAlike(_ other: ChromaCollection.Mark) -> Bool {
        other.dimension == mark.dimension && other.metric == mark.metric && other.indexed == mark.indexed
            && creation.withLock { $0 ?? other.creation } == other.creation
    }

    /// Notes that a collection has answered; false if another one has before.
    func hasAnswered(_ other: ChromaCollection.Mark) -> Bool {
        creation.withLock { creation in
            if creation == nil { creation = other.creation }
            return creation == other.creation
        }
    }
}
#endif
