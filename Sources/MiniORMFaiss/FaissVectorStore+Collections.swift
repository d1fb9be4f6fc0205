#if Faiss
public import MiniORM
internal import Synchronization

// Collections: their places, and what happens to whole ones.
extension FaissVectorStore {
    private func place(_ directory: CollectionDirectory?, _ lock: OpenFile?) -> FaissCollection.Place {
        FaissCollection.Place(
            configuration: configuration, directory: directory, lock: lock, maintenance: catalogue.maintenance)
    }

    /// The collection of a slot, which is read from its files if it was not; `nil` if it is gone.
    func open(
        _ name: String, _ slot: FaissCatalogue.Slot, _ directory: StoreDirectory?
    ) throws(VectorStoreError) -> FaissCollection? {
        try slot.content.withLock { content throws(VectorStoreError) in
            switch content {
            case .open(let collection): return collection
            case .gone: return nil
            case .closed: throw FaissCollection.closed
            case .unread:
                guard let directory else { return nil }
                let files = try directory.collection(name)
                let opened = try FaissCollection(opening: files, plan, place(files, directory.lock))
                content = .open(opened)
                return opened
            }
        }
    }

    /// The collection of a name; `nil` if there is none.
    private func lookUp(_ name: String) throws(VectorStoreError) -> FaissCollection? {
        let (slot, directory) = try withContents { (catalogue) throws(VectorStoreError) in
            return (catalogue.slots[UTF8Key(name)], catalogue.directory)
        }
        guard let slot else { return nil }
        return try open(name, slot, directory)
    }

    /// Does something with a collection, and says in an error which one it was.
    func with<Value>(
        _ name: String, _ body: (FaissCollection) throws(VectorStoreError) -> Value
    ) throws(VectorStoreError) -> Value {
        do throws(VectorStoreError) {
            guard let collection = try lookUp(name) else { throw FaissCollection.dropped }
            return try body(collection)
        } catch {
            throw error.adding(store: self.name, collection: name)
        }
    }

    func withWritable<Value>(
        _ name: String, _ body: (FaissCollection) throws(VectorStoreError) -> Value
    ) throws(VectorStoreError) -> Value {
        try with(name) { (collection) throws(VectorStoreError) in
            try checkIsWritable()
            return try body(collection)
        }
    }

    /// Works on the list of collections, unless the store is closed.
    private func withContents<Value: Sendable>(
        _ body: (inout FaissCatalogue.Contents) throws(VectorStoreError) -> Value
    ) throws(VectorStoreError) -> Value {
        try catalogue.contents.withLock { contents throws(VectorStoreError) in
            guard !contents.isClosed, !isClosed.withLock({ $0 }) else {
                throw FaissCollection.closed.adding(store: name)
            }
            return try body(&contents)
        }
    }

    private func checkIsWritable() throws(VectorStoreError) {
        guard !isReadOnly else {
            throw VectorStoreError(
                .unauthorized, "the store was opened with readOnly: true; open it without to write")
        }
    }

    /// Creates a collection.
    public func createCollection(_ request: CreateCollectionRequest) throws(VectorStoreError) {
        do throws(VectorStoreError) {
            let wanted = request.collection
            guard FaissLimits.dimensions.contains(wanted.dimension) else {
                throw VectorStoreError(
                    .invalidArgument,
                    "the dimension is \(wanted.dimension); FAISS takes 1 to \(FaissLimits.dimensions.upperBound)")
            }
            while true {
                typealias Found = (slot: FaissCatalogue.Slot, directory: StoreDirectory?)
                let found = try withContents { (catalogue) throws(VectorStoreError) -> Found? in
                    if let slot = catalogue.slots[UTF8Key(wanted.name)] { return (slot, catalogue.directory) }
                    let collection = try made(wanted, in: catalogue.directory)
                    catalogue.slots[UTF8Key(wanted.name)] = FaissCatalogue.Slot(.open(collection))
                    return nil
                }
                // A large collection is read, and its writers are waited for, while others look up theirs.
                guard let (slot, directory) = found, try !finish(request, slot, directory) else { return }
                // It was dropped meanwhile.
                forget(slot, wanted.name)
            }
        } catch {
            throw error.adding(store: name, collection: request.collection.name)
        }
    }

    private func made(
        _ wanted: CollectionDescription, in directory: StoreDirectory?
    ) throws(VectorStoreError) -> FaissCollection {
        try checkIsWritable()
        guard let directory else { return try FaissCollection(creating: wanted, plan, place(nil, nil)) }
        try directory.create(wanted.name) { (files) throws(VectorStoreError) in
            _ = try FaissCollection(creating: wanted, plan, place(files, directory.lock))
        }
        let files = try directory.collection(wanted.name)
        return try FaissCollection(opening: files, plan, place(files, directory.lock))
    }

    /// Does with a collection that is there what a creation asks for. `false` if it is gone.
    private func finish(
        _ request: CreateCollectionRequest, _ slot: FaissCatalogue.Slot, _ directory: StoreDirectory?
    ) throws(VectorStoreError) -> Bool {
        let wanted = request.collection
        if request.mode == .create {
            throw VectorStoreError(.collectionAlreadyExists, "the collection is there already")
        }
        if request.mode == .overwrite { try checkIsWritable() }
        guard let collection = try open(wanted.name, slot, directory) else { return false }
        do throws(VectorStoreError) {
            if request.mode == .overwrite {
                try collection.reset(wanted)
                return true
            }
            let present = try collection.read { $0.description }
            guard present.dimension == wanted.dimension, present.metric == wanted.metric else {
                throw VectorStoreError(
                    .collectionMismatch,
                    "it has \(present.dimension) dimensions and metric \(present.metric), not \(wanted.dimension) and "
                        + "\(wanted.metric)")
            }
            return true
        } catch  where error.code == .collectionNotFound { return false }
    }

    /// Takes a slot that is gone from the list, if another call has not.
    private func forget(_ slot: FaissCatalogue.Slot, _ name: String) {
        catalogue.contents.withLock { contents in
            if contents.slots[UTF8Key(name)] === slot { contents.slots[UTF8Key(name)] = nil }
        }
    }

    /// What a collection is.
    public func describeCollection(_ name: String) throws(VectorStoreError) -> CollectionDescription? {
        do throws(VectorStoreError) {
            guard let collection = try lookUp(name) else { return nil }
            return try collection.state.read { state throws(VectorStoreError) in
                if state.life == .dropped { return nil }
                try state.checkIsOpen()
                return state.description
            }
        } catch {
            throw error.adding(store: self.name, collection: name)
        }
    }

    /// The names of the collections.
    public func listCollections() throws(VectorStoreError) -> [String] {
        try withContents { (catalogue) throws(VectorStoreError) in
            return catalogue.slots.keys.sorted().map(\.string)
        }
    }

    /// Drops a collection with its files, also one whose files are damaged.
    public func dropCollection(_ name: String) throws(VectorStoreError) {
        do throws(VectorStoreError) {
            try checkIsWritable()
            let (slot, directory) = try withContents { (catalogue) throws(VectorStoreError) in
                return (catalogue.slots[UTF8Key(name)], catalogue.directory)
            }
            guard let slot else { throw FaissCollection.dropped }
            try slot.content.withLock { content throws(VectorStoreError) in
                switch content {
                case .open(let collection):
                    try collection.drop { () throws(VectorStoreError) in try directory?.remove(name) }
                case .unread: try directory?.remove(name)
                case .gone: throw FaissCollection.dropped
                case .closed: throw FaissCollection.closed
                }
                content = .gone
            }
            forget(slot, name)
        } catch {
            throw error.adding(store: self.name, collection: name)
        }
    }

    /// Saves indexes and releases the directory, if no other store of this process shares it.
    ///
    /// An index that is being built is given up, and built anew when the collection is used again; ``waitForIndexes()``
    /// before a close has it saved. Later calls throw `VectorStoreError.Code.unavailable`; a second close does nothing.
    /// Throws what an index could not be built or saved for, when all is closed; no record is lost by that.
    public func close() throws(VectorStoreError) {
        let wasClosed = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return isClosed
        }
        guard !wasClosed, catalogue.release() else { return }
        let (slots, directory) = catalogue.contents.withLock { contents in
            defer { contents = FaissCatalogue.Contents(isClosed: true) }
            return (contents.slots, contents.directory)
        }
        // All of them first, as they share the queue of what is done in the background.
        for slot in slots.values { slot.collection?.isStopping.store(true, ordering: .relaxed) }
        // Calls under way may still hold a collection: what is closed here writes no more, so the lock can go.
        defer { directory?.lock.unlock() }
        var failure: VectorStoreError?
        for (key, slot) in slots {
            do throws(VectorStoreError) {
                try slot.content.withLock { content throws(VectorStoreError) in
                    defer { content = .closed }
                    if case .open(let collection) = content { try collection.close() }
                }
            } catch {
                failure = failure ?? error.adding(store: name, collection: key.string)
            }
        }
        if let failure { throw failure }
    }

    /// Waits until no index is being built or saved in the background, so that every query after it has its index.
    ///
    /// Throws what an index could not be built or saved for. Records and answers are right without; the next write
    /// tries again.
    public func waitForIndexes() throws(VectorStoreError) {
        let slots = try withContents { (catalogue) throws(VectorStoreError) in return catalogue.slots }
        var failure: VectorStoreError?
        for (key, slot) in slots {
            do throws(VectorStoreError) { try slot.collection?.waitForIndex() } catch {
                failure = failure ?? error.adding(store: name, collection: key.string)
            }
        }
        if let failure { throw failure }
    }
}
#endif
