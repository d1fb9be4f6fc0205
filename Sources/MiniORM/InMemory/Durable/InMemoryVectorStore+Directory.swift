extension InMemoryVectorStore {
    /// Opens the store that is kept in a directory, or begins one there.
    ///
    /// ```swift
    /// let store = try InMemoryVectorStore(at: "words")
    /// let words = try await AsyncVectorRepository(store, "words", dimension: 384)
    /// ```
    ///
    /// Every upsert, delete, creation and drop that has returned is there when the directory is opened again, after the
    /// process was killed and after a power cut (see ``Durability/Synchronization``); a call that threw or had not
    /// returned is there whole or not at all. Calls are written to a log first. A checkpoint, made in the background
    /// while others read and write, puts the rows that are new into a data file; the log begins anew then.
    ///
    /// Opening maps the data files into memory: it costs some milliseconds and what there is to repeat from the log,
    /// however many vectors there are. Checksums are compared when a part is read for the first time; ids are looked up
    /// where they lie. A call that meets damage throws ``VectorStoreError/Code/corruptedStorage``;
    /// ``recover(at:to:)`` saves what can be saved. The files must not be changed by anybody else: where the bytes of a
    /// mapped file cannot be read, because the disk fails or somebody has cut the file, the system does not return an
    /// error but ends the process, with the signal `SIGBUS`.
    ///
    /// One store writes at a time, in all processes, by a lock of the operating system that ends with the process. Any
    /// number of others open the directory with `readOnly`: they see it as it was when they opened it.
    ///
    /// When the disk is full or does not take what is written, the call that meets it throws and nothing of it is
    /// visible; reading goes on. The next write tries again; after a failed synchronization it makes a checkpoint first,
    /// as what the system had not written by then may be lost although the system says otherwise. A synchronization in
    /// the background that fails has such a checkpoint made by itself.
    ///
    /// - Parameters:
    ///   - directory: The directory; it is made, with those that it is in, if it is not there.
    ///   - durability: When the disk is waited for, and how long the log becomes.
    ///   - readOnly: Whether the store only reads, and lets another one write. Writing throws
    ///     ``VectorStoreError/Code/unauthorized``.
    ///   - threads: How many threads work on a large query or upsert, at least 1; `nil` for one a core.
    /// - Throws: ``VectorStoreError/Code/unavailable`` while another store writes to the directory, and, with
    ///   `readOnly`, where there is no store; ``VectorStoreError/Code/corruptedStorage`` where what has to be read at
    ///   opening is damaged.
    public convenience init(
        at directory: String, durability: Durability = Durability(), readOnly: Bool = false, threads: Int? = nil
    ) throws(VectorStoreError) {
        try self.init(at: directory, on: SystemFiles(), durability: durability, readOnly: readOnly, threads: threads)
    }

    convenience init(
        at directory: String, on layer: any FileLayer, durability: Durability = Durability(), readOnly: Bool = false,
        threads: Int? = nil
    ) throws(VectorStoreError) {
        guard !directory.isEmpty, !directory.utf8.contains(0) else {
            throw VectorStoreError(.invalidArgument, "a path is not empty and holds no NUL", store: "memory")
        }
        self.init(try StorageDirectory(layer, directory, durability, readOnly: readOnly), threads: threads)
    }

    /// What was found when the directory was opened; `nil` for a store that is in memory alone.
    public var openingReport: OpeningReport? { storage?.report }

    /// Makes a checkpoint now, so that the next opening has nothing to repeat from the log.
    ///
    /// Costs the writing of the rows since the last one, and waits for the disk. Others may read and write meanwhile.
    /// Checkpoints are made by themselves; see ``Durability/checkpointBytes``.
    ///
    /// - Throws: ``VectorStoreError/Code/invalidArgument`` for a store that is in memory alone; what the disk refuses.
    ///   The log is kept then, and nothing is lost.
    public func checkpoint() throws(VectorStoreError) {
        guard let storage else {
            throw VectorStoreError(
                .invalidArgument, "the store is in memory alone; InMemoryVectorStore(at:) keeps one in a directory",
                store: name)
        }
        try storage.checkpoint()
    }

    /// Lets other stores write to the directory. Makes a checkpoint first where more than a megabyte would have to be
    /// repeated.
    ///
    /// Writing throws ``VectorStoreError/Code/unavailable`` from here on; reading goes on. A store that is let go without
    /// it loses nothing that was acknowledged, and leaves the directory to others too.
    public func close() throws(VectorStoreError) {
        try storage?.close()
    }
}
