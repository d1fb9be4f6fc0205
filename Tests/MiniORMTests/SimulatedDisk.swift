import Foundation
import Synchronization

@testable import MiniORM

/// A disk in memory that fails when it is told to, and whose power can be cut: what was not synchronized is then there,
/// in part or not, as it happens.
final class SimulatedDisk: FileLayer {
    /// The bytes of a file.
    struct Content: Sendable {
        var durable: [UInt8] = []
        /// What was done since, in order.
        var pending: [Change] = []
        var current: [UInt8] = []
    }

    enum Change: Sendable {
        case write([UInt8], at: Int)
        case truncate(Int)

        func apply(_ bytes: inout [UInt8]) {
            switch self {
            case .write(let new, let offset):
                if bytes.count < offset + new.count {
                    bytes += [UInt8](repeating: 0, count: offset + new.count - bytes.count)
                }
                bytes.replaceSubrange(offset..<offset + new.count, with: new)
            case .truncate(let length):
                if bytes.count > length { bytes.removeLast(bytes.count - length) }
                if bytes.count < length { bytes += [UInt8](repeating: 0, count: length - bytes.count) }
            }
        }
    }

    /// A change of a directory: a name that is given to a file or taken away.
    struct Naming: Sendable {
        var name: String
        var file: Int?
    }

    struct State: Sendable {
        var files: [Int: Content] = [:]
        var nextFile = 1
        var durableNames: [String: Int] = [:]
        var pendingNames: [Naming] = []
        var names: [String: Int] = [:]
        var locks: Set<String> = []
        /// Calls that change something, counted.
        var calls = 0
        var isFailing: @Sendable (Int, String) -> Failure? = { _, _ in nil }
        /// Calls that only read, by what they do and the path; they are not counted.
        var isUnreadable: @Sendable (String, String) -> Int32? = { _, _ in nil }
        /// Names that a listing leaves out.
        var isHidden: @Sendable (String) -> Bool = { _ in false }
        /// Called before a call that changes something, while others go on.
        var pause: @Sendable (String) -> Void = { _ in }
        var hasPower = true
    }

    /// How a call fails.
    enum Failure: Sendable {
        /// It does nothing and says so.
        case refuse(Int32)
        /// It writes a part and says that it failed.
        case tear(Int32)
        /// The process ends here: nothing that follows has any effect.
        case die
    }

    private let state: Mutex<State>

    init(_ state: State = State()) { self.state = Mutex(state) }

    /// Has calls fail from here on, by their number, from 1, and by what they do.
    func fail(_ isFailing: @escaping @Sendable (Int, String) -> Failure?) {
        state.withLock { state in
            state.calls = 0
            state.isFailing = isFailing
        }
    }

    /// Has calls that read fail from here on.
    func failReading(_ isUnreadable: @escaping @Sendable (String, String) -> Int32?) {
        state.withLock { $0.isUnreadable = isUnreadable }
    }

    /// Has listings leave out names from here on.
    func hide(_ isHidden: @escaping @Sendable (String) -> Bool) { state.withLock { $0.isHidden = isHidden } }

    /// Has calls wait from here on.
    func pause(_ pause: @escaping @Sendable (String) -> Void) { state.withLock { $0.pause = pause } }

    var calls: Int { state.withLock { $0.calls } }
    var names: [String] { state.withLock { $0.names.keys.sorted() } }

    /// What a process finds that is started after another was killed.
    func afterKill() -> SimulatedDisk {
        var copy = state.withLock { $0 }
        copy.locks = []
        copy.isFailing = { _, _ in nil }
        copy.isUnreadable = { _, _ in nil }
        copy.pause = { _ in }
        copy.hasPower = true
        return SimulatedDisk(copy)
    }

    /// What is there when the power comes back.
    func afterPowerCut(_ random: inout some RandomNumberGenerator) -> SimulatedDisk {
        let old = state.withLock { $0 }
        var new = State()
        new.nextFile = old.nextFile
        for (number, content) in old.files {
            var bytes = content.durable
            for change in content.pending {
                switch (change, Int.random(in: 0..<3, using: &random)) {
                case (_, 0): break
                case (.write(let new, let offset), 1) where !new.isEmpty:
                    // Some blocks of it, and where the length was on the disk before them, zeros.
                    Change.truncate(max(bytes.count, offset + Int.random(in: 0...new.count, using: &random)))
                        .apply(&bytes)
                    for start in stride(from: 0, to: new.count, by: 512) where Bool.random(using: &random) {
                        let end = min(start + 512, new.count)
                        Change.write(Array(new[start..<end]), at: offset + start).apply(&bytes)
                    }
                default: change.apply(&bytes)
                }
            }
            new.files[number] = Content(durable: bytes, current: bytes)
        }
        new.durableNames = old.durableNames
        // Names become durable in order, so that a rename is there before what follows it; how many, nobody knows.
        for naming in old.pendingNames.prefix(Int.random(in: 0...old.pendingNames.count, using: &random)) {
            new.durableNames[naming.name] = naming.file
        }
        new.names = new.durableNames
        return SimulatedDisk(new)
    }

    /// Changes the bytes of a file that is there.
    func damage(_ path: String, _ change: (inout [UInt8]) -> Void) {
        state.withLock { state in
            guard let number = state.names[path], var content = state.files[number] else { return }
            change(&content.current)
            state.files[number] = Content(durable: content.current, current: content.current)
        }
    }

    func bytes(_ path: String) -> [UInt8]? {
        state.withLock { state in state.names[path].flatMap { state.files[$0]?.current } }
    }

    static func error(_ what: String, _ number: Int32) -> VectorStoreError { fileError(what, "simulated", number) }

    /// Counts a call. Throws if it is to fail; true if it is to be torn.
    private func begin(_ what: String, _ state: inout State) throws(VectorStoreError) -> Int32? {
        guard state.hasPower else { throw Self.error(what, EIO) }
        state.calls += 1
        switch state.isFailing(state.calls, what) {
        case nil: return nil
        case .refuse(let number): throw Self.error(what, number)
        case .tear(let number): return number
        case .die:
            state.hasPower = false
            throw Self.error(what, EIO)
        }
    }

    private func change<Value: Sendable>(
        _ what: String, _ body: (inout State, Int32?) throws(VectorStoreError) -> Value
    ) throws(VectorStoreError) -> Value {
        state.withLock { $0.pause }(what)
        return try state.withLock { state throws(VectorStoreError) in
            let torn = try begin(what, &state)
            return try body(&state, torn)
        }
    }

    private func readable(_ what: String, _ path: String) throws(VectorStoreError) {
        if let number = state.withLock({ $0.isUnreadable })(what, path) { throw Self.error(what, number) }
    }

    func makeDirectory(_ path: String) throws(VectorStoreError) {}

    func names(in directory: String) throws(VectorStoreError) -> [String]? {
        try readable("names", directory)
        return state.withLock { state in
            state.names.keys.filter { $0.hasPrefix(directory + "/") && !state.isHidden($0) }
                .map { String($0.dropFirst(directory.count + 1)) }
        }
    }

    func open(_ path: String, isNew: Bool) throws(VectorStoreError) -> any LayeredFile {
        if isNew {
            let number = try change("create") { state, _ throws(VectorStoreError) in
                guard state.names[path] == nil else { throw Self.error("create", EEXIST) }
                let number = state.nextFile
                state.nextFile += 1
                state.files[number] = Content()
                state.names[path] = number
                state.pendingNames.append(Naming(name: path, file: number))
                return number
            }
            return File(self, number)
        }
        guard let number = state.withLock({ $0.names[path] }) else { throw Self.error("open", ENOENT) }
        return File(self, number)
    }

    func map(_ path: String) throws(VectorStoreError) -> MappedFile {
        try readable("map", path)
        // A real file, as only such a one is mapped.
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("mini-orm-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        guard let bytes = bytes(path) else { throw Self.error("open", ENOENT) }
        do { try Data(bytes).write(to: url) } catch { throw VectorStoreError(.backend, "no temporary file") }
        return try MappedFile(url.path)
    }

    func read(_ path: String, atMost count: Int) throws(VectorStoreError) -> [UInt8] {
        try readable("read", path)
        guard let bytes = bytes(path) else { throw Self.error("open", ENOENT) }
        return count < bytes.count ? Array(bytes[..<count]) : bytes
    }

    func exists(_ path: String) throws(VectorStoreError) -> Bool {
        try readable("look for", path)
        return state.withLock { $0.names[path] != nil }
    }

    func rename(_ old: String, to new: String) throws(VectorStoreError) {
        try change("rename") { state, _ throws(VectorStoreError) in
            guard let number = state.names.removeValue(forKey: old) else { throw Self.error("rename", ENOENT) }
            state.names[new] = number
            // One step: both names or none. The old one is never looked for.
            state.pendingNames.append(Naming(name: new, file: number))
            state.pendingNames.append(Naming(name: old, file: nil))
        }
    }

    func remove(_ path: String) throws(VectorStoreError) {
        if state.withLock({ $0.names[path] }) == nil { return }
        try change("remove") { state, _ throws(VectorStoreError) in
            state.names[path] = nil
            state.pendingNames.append(Naming(name: path, file: nil))
        }
    }

    func synchronize(directory: String) throws(VectorStoreError) {
        try change("synchronize directory") { state, _ throws(VectorStoreError) in
            for naming in state.pendingNames { state.durableNames[naming.name] = naming.file }
            state.pendingNames = []
        }
    }

    func resolved(_ directory: String) throws(VectorStoreError) -> String { directory }

    func lock(_ path: String) throws(VectorStoreError) -> any DirectoryLock {
        let isFree = state.withLock { $0.locks.insert(path).inserted }
        guard isFree else { throw VectorStoreError(.unavailable, "another store has it") }
        return Lock(self, path)
    }

    private final class Lock: DirectoryLock {
        let isInPlace = true
        private let disk: SimulatedDisk
        private let path: String
        init(_ disk: SimulatedDisk, _ path: String) {
            self.disk = disk
            self.path = path
        }
        deinit { disk.state.withLock { _ = $0.locks.remove(path) } }
    }

    private final class File: LayeredFile {
        private let disk: SimulatedDisk
        private let number: Int

        init(_ disk: SimulatedDisk, _ number: Int) {
            self.disk = disk
            self.number = number
        }

        private func apply(_ change: Change, _ state: inout State) {
            var content = state.files[number] ?? Content()
            change.apply(&content.current)
            content.pending.append(change)
            state.files[number] = content
        }

        func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(VectorStoreError) {
            let bytes = Array(bytes)
            try disk.change("write") { state, torn throws(VectorStoreError) in
                let part = torn == nil ? bytes : Array(bytes.prefix(bytes.count / 2))
                apply(.write(part, at: offset), &state)
                if let torn { throw SimulatedDisk.error("write", torn) }
            }
        }

        func truncate(to length: Int) throws(VectorStoreError) {
            try disk.change("truncate") { state, _ throws(VectorStoreError) in apply(.truncate(length), &state) }
        }

        func synchronize() throws(VectorStoreError) {
            do throws(VectorStoreError) {
                try disk.change("synchronize") { state, _ throws(VectorStoreError) in
                    guard var content = state.files[number] else { return }
                    // Not what is read: of a file whose synchronization has failed that has more than the disk.
                    for change in content.pending { change.apply(&content.durable) }
                    content.pending = []
                    state.files[number] = content
                }
            } catch {
                // As systems do it: the pages are clean from here on, and were never written.
                disk.state.withLock { state in
                    if state.hasPower { state.files[number]?.pending = [] }
                }
                throw error
            }
        }
    }
}
