// Chunks that stay in files.
extension CollectionSnapshot {
    /// Throws where the use of a chunk has shown that its file is damaged.
    func checkIntact() throws(VectorStoreError) {
        for part in parts { try part.chunk.checkIntact() }
    }

    /// Throws where a use of ids has shown that they are damaged, so that one may have been missed.
    func checkIdentities() throws(VectorStoreError) {
        for part in parts {
            guard let stored = part.chunk.stored, stored.isKnownDamaged(.identities) else { continue }
            throw RowChunk.damaged(stored.chunk.file)
        }
    }
}

extension RowChunk {
    /// Throws where a use has shown that the chunk's file is damaged.
    func checkIntact() throws(VectorStoreError) {
        if let stored, stored.isDamaged { throw damaged }
    }

    /// The error of a chunk that is not what was written.
    var damaged: VectorStoreError { Self.damaged(stored?.chunk.file ?? 0) }

    /// Whether all of it is what was written; reads it where nobody has.
    var isIntact: Bool {
        guard let stored else { return true }
        return StoredChunk.Section.allCases.allSatisfy { stored.isIntact($0) }
    }

    /// The error of a data file that is not what was written.
    static func damaged(_ file: UInt64) -> VectorStoreError {
        VectorStoreError(
            .corruptedStorage,
            "data file \(file) of the directory is damaged; "
                + "InMemoryVectorStore.recover(at:to:) saves what can be saved")
    }
}
