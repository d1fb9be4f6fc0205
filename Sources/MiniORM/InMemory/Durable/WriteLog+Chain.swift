internal import Dispatch
internal import Synchronization

/// The files of the log, one after the other.
extension WriteLog {
    /// Makes a log file that has a header and no entries.
    @discardableResult
    static func begin(
        _ files: any FileLayer, _ directory: String, _ header: LogHeader
    ) throws(VectorStoreError) -> any LayeredFile {
        let path = path(directory, header.number)
        // What an earlier attempt may have left.
        try files.remove(path)
        let file = try files.open(path, isNew: true)
        try file.write(header.bytes, at: 0)
        try file.synchronize()
        try files.synchronize(directory: directory)
        return file
    }

    /// Begins the file that a checkpoint's manifest is to name, and returns its number. Everything in the files before is
    /// on the disk then, or there has been a failure, and the log stands still until ``goOn(in:)``.
    func rotate() throws(VectorStoreError) -> UInt64 {
        while true {
            let semaphore = DispatchSemaphore(value: 0)
            let number: UInt64? = try state.withLock { state throws(VectorStoreError) in
                if state.isSynchronizing {
                    state.waiting.append(semaphore)
                    return nil
                }
                return try state.failure == nil ? continueChain(&state) : beginChain(&state)
            }
            if let number { return number }
            semaphore.wait()
        }
    }

    private func continueChain(_ state: inout State) throws(VectorStoreError) -> UInt64 {
        if state.synchronizedEnd < state.end {
            do throws(VectorStoreError) { try state.file.synchronize() } catch {
                distrust(&state, from: state.synchronizedEnd, state.synchronized, error)
                throw error
            }
            state.synchronizedEnd = state.end
            state.synchronized = state.nextSequence - 1
        }
        // One without entries was begun for a checkpoint that failed.
        if state.end == LogHeader.length { return state.header.number }
        let header = LogHeader(
            store: state.header.store, number: state.header.number + 1, firstSequence: state.nextSequence,
            previousEnd: UInt64(state.end))
        state.lastNumber = max(state.lastNumber, header.number)
        let file: any LayeredFile
        do throws(VectorStoreError) { file = try Self.begin(files, directory, header) } catch {
            // Where there is no file, as when too many are open, nothing has to be undone.
            if (try? files.exists(Self.path(directory, header.number))) == false { throw error }
            // Its header says where this file ends: if it came back after a power cut, it would cut what this file is
            // given from here on.
            do throws(VectorStoreError) {
                try files.remove(Self.path(directory, header.number))
                try files.synchronize(directory: directory)
            } catch {
                distrust(&state, from: state.end, state.nextSequence - 1, error)
            }
            throw error
        }
        state.lengthBefore += state.end
        begin(file, header, &state)
        return header.number
    }

    private func beginChain(_ state: inout State) throws(VectorStoreError) -> UInt64 {
        state.next = nil
        state.lastNumber += 1
        let header = LogHeader(
            store: state.header.store, number: state.lastNumber, firstSequence: state.nextSequence, previousEnd: 0)
        state.next = (try Self.begin(files, directory, header), header)
        return header.number
    }

    /// Called when the disk has a manifest that names the file that ``rotate()`` has begun.
    func goOn(in number: UInt64) {
        state.withLock { state in
            state.lengthBefore = 0
            guard let (file, header) = state.next, header.number == number else { return }
            // The checkpoint has waited for all who write to a collection that it has, so that it has what they were told
            // is kept. Whoever still waits here writes to one that is dropped.
            if state.synchronized + 1 < state.nextSequence {
                state.lost.append(state.synchronized + 1...state.nextSequence - 1)
            }
            begin(file, header, &state)
            state.failure = nil
            state.next = nil
            // If it stays, the next process makes a checkpoint for nothing.
            try? files.remove(Self.suspicion(directory))
        }
    }

    private func begin(_ file: any LayeredFile, _ header: LogHeader, _ state: inout State) {
        state.file = file
        state.header = header
        state.end = LogHeader.length
        state.synchronizedEnd = LogHeader.length
        state.synchronized = state.nextSequence - 1
        state.isMarked = true
    }
}
