#if Chroma
internal import MiniORM

/// Many ids, each for its bytes and eight more.
struct IDList: RandomAccessCollection, Sendable {
    private var bytes: [UInt8] = []
    /// Where each id ends.
    private var ends: [Int] = []

    var startIndex: Int { 0 }
    var endIndex: Int { ends.count }

    subscript(position: Int) -> String {
        String(decoding: bytes[(position == 0 ? 0 : ends[position - 1])..<ends[position]], as: UTF8.self)
    }

    private mutating func append(_ id: String) {
        bytes.append(contentsOf: id.utf8)
        ends.append(bytes.count)
    }

    /// More beginnings are not worth the time.
    private static let maximumRestarts = 10

    /// Reads a list block by block, of which elements may vanish meanwhile, and to whose end others may be appended:
    /// every element that stays is in the answer once.
    ///
    /// Each block begins with the last element of the one before. If that is not where it was, something before it has
    /// vanished, and the list is read from its beginning again, in blocks of twice the size if those can grow. Throws
    /// `VectorStoreError.Code.unavailable` if that happens too often.
    ///
    /// - Parameters:
    ///   - blockSize: At least 2.
    ///   - block: Reads as many elements as are asked for from an offset on, or what there is of them.
    static func read(
        blockSize: Int, canGrow: Bool,
        block: (_ offset: Int, _ count: Int) async throws(VectorStoreError) -> [String]
    ) async throws(VectorStoreError) -> Self {
        var ids = Self()
        // What is in `ids`, once the list has been read from its beginning again.
        var seen: Set<UTF8Key>?
        var size = blockSize, offset = 0, restarts = 0
        var end: UTF8Key?
        while true {
            if Task.isCancelled { throw ChromaError.cancelled(nil) }
            let elements = try await block(end == nil ? 0 : offset - 1, size)
            if end != nil, elements.first.map(UTF8Key.init) != end {
                guard restarts < maximumRestarts else {
                    throw VectorStoreError(
                        .unavailable, "records are deleted faster than they can be listed; try again later",
                        store: "chroma")
                }
                restarts += 1
                if seen == nil { seen = Set(ids.map(UTF8Key.init)) }
                if canGrow { size *= 2 }
                offset = 0
                end = nil
                continue
            }
            for id in end == nil ? elements[...] : elements.dropFirst() {
                offset += 1
                if seen?.insert(UTF8Key(id)).inserted ?? true { ids.append(id) }
            }
            guard elements.count >= size, let last = elements.last else { return ids }
            end = UTF8Key(last)
        }
    }
}
#endif
