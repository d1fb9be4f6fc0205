internal import Synchronization

/// The collections of a store, by name.
final class Catalogue: Sendable {
    /// What changes with the collections, in the order of the log.
    struct Changes: Sendable {
        /// The last entry of the log that created or dropped a collection.
        var sequence: UInt64 = 0
        /// Above the number of every collection so far.
        var nextKey: UInt64 = 1
    }

    let collections: Mutex<[UTF8Key: InMemoryCollection]>
    /// Held while a collection is created or dropped, so that readers need not wait for the disk.
    let changes: Mutex<Changes>

    init(_ collections: [UTF8Key: InMemoryCollection] = [:], _ changes: Changes = Changes()) {
        self.collections = Mutex(collections)
        self.changes = Mutex(changes)
    }

    subscript(name: String) -> InMemoryCollection? {
        get { collections.withLock { $0[UTF8Key(name)] } }
        set { collections.withLock { $0[UTF8Key(name)] = newValue } }
    }

    /// Creates a collection, once the log has it.
    func create(_ request: CreateCollectionRequest, _ storage: StorageDirectory?) throws(VectorStoreError) {
        let wanted = request.collection
        try changes.withLock { changes throws(VectorStoreError) in
            if let present = self[wanted.name]?.description, request.mode != .overwrite {
                guard request.mode == .ensure else {
                    throw VectorStoreError(
                        .collectionAlreadyExists, "the collection is there already", collection: wanted.name)
                }
                guard present.dimension == wanted.dimension, present.metric == wanted.metric else {
                    throw VectorStoreError(
                        .collectionMismatch,
                        "the collection has dimension \(present.dimension) and metric \(present.metric)",
                        collection: wanted.name)
                }
                return
            }
            let key = changes.nextKey
            let log = try storage?.writableLog()
            if let log { changes.sequence = try log.append([LogEntry.create(key: key, wanted).encoded()]) }
            changes.nextKey = key + 1
            self[wanted.name] = InMemoryCollection(wanted, key: key, ids: storage?.emptyIndex, log: log)
        }
    }

    /// Drops a collection, once the log has it.
    func drop(_ name: String, _ storage: StorageDirectory?) throws(VectorStoreError) {
        try changes.withLock { changes throws(VectorStoreError) in
            guard let collection = self[name] else {
                throw VectorStoreError(.collectionNotFound, "there is no such collection", collection: name)
            }
            if let log = try storage?.writableLog() {
                changes.sequence = try log.append([LogEntry.drop(key: collection.key).encoded()])
            }
            self[name] = nil
        }
    }
}
