/// The one error type that repositories and stores throw.
///
/// Programs act on ``code``, people read ``message``; both survive a change of engine.
///
/// ```swift
/// do {
///     try users.upsert(records)
/// } catch VectorStoreError.Code.invalidVector {
///     // fix the records
/// }
/// ```
public struct VectorStoreError: Error, Sendable {
    // One pointer, so that `throws(VectorStoreError)` and `Result` stay small.
    private final class Storage: Sendable {
        let code: Code, message: String, store: String?, collection: String?, recordID: String?
        let writtenIDs: [String], cause: (any Error)?

        init(
            code: Code, message: String, store: String?, collection: String?, recordID: String?,
            writtenIDs: [String], cause: (any Error)?
        ) {
            self.code = code
            self.message = message
            self.store = store
            self.collection = collection
            self.recordID = recordID
            self.writtenIDs = writtenIDs
            self.cause = cause
        }
    }

    private let storage: Storage

    /// An error.
    ///
    /// - Parameters:
    ///   - code: What went wrong, for programs.
    ///   - message: What went wrong and what to do, for people. No vector, no payload, no secret.
    ///   - store: The store's name, when known.
    ///   - collection: The collection, when known.
    ///   - recordID: The record at fault, when there is one.
    ///   - writtenIDs: With ``Code/partialWrite``, the ids that are in the store.
    ///   - cause: The error underneath. It is never part of a description.
    public init(
        _ code: Code, _ message: String, store: String? = nil, collection: String? = nil, recordID: String? = nil,
        writtenIDs: [String] = [], cause: (any Error)? = nil
    ) {
        storage = Storage(
            code: code, message: message, store: store, collection: collection, recordID: recordID,
            writtenIDs: writtenIDs, cause: cause)
    }

    /// What went wrong, for programs.
    public var code: Code { storage.code }
    /// What went wrong and what to do, for people.
    public var message: String { storage.message }
    /// The store's name, when known: `memory`, `pgvector`, `qdrant`, `chroma`, `faiss` or a third party's.
    public var store: String? { storage.store }
    /// The collection, when known.
    public var collection: String? { storage.collection }
    /// The record at fault, when there is one.
    public var recordID: String? { storage.recordID }
    /// With ``Code/partialWrite``, the ids that are in the store; sending the same call again is safe.
    public var writtenIDs: [String] { storage.writtenIDs }
    /// The error underneath, for logs and debugging. Not part of the portable contract.
    public var cause: (any Error)? { storage.cause }

    /// Whether the same call may succeed later, unchanged.
    public var isTransient: Bool { code == .unavailable || code == .timeout || code == .partialWrite }

    /// The same error with what the caller knows and the thrower did not; what is set already stays.
    public func adding(store: String? = nil, collection: String? = nil, recordID: String? = nil) -> Self {
        Self(
            code, message, store: self.store ?? store, collection: self.collection ?? collection,
            recordID: self.recordID ?? recordID, writtenIDs: writtenIDs, cause: cause)
    }
}

extension VectorStoreError {
    /// The category of a failure.
    ///
    /// A struct and not an enum, so that a new code breaks no client and a store of a third party can have its own.
    public struct Code: Sendable, Hashable, RawRepresentable, CustomStringConvertible {
        /// The stable name, for logs and metric labels.
        public let rawValue: String
        /// A code by its name.
        public init(rawValue: String) { self.rawValue = rawValue }
        /// The stable name.
        public var description: String { rawValue }

        /// A vector has the wrong length, or a component is NaN or infinite.
        public static let invalidVector = Self(rawValue: "invalidVector")
        /// An id is empty, holds NUL, or is not what the store's ``VectorIdPolicy`` asks for.
        public static let invalidIdentifier = Self(rawValue: "invalidIdentifier")
        /// The engine does not take this collection name.
        public static let invalidCollectionName = Self(rawValue: "invalidCollectionName")
        /// Any other argument is wrong.
        public static let invalidArgument = Self(rawValue: "invalidArgument")
        /// There is no such collection.
        public static let collectionNotFound = Self(rawValue: "collectionNotFound")
        /// The collection is there already.
        public static let collectionAlreadyExists = Self(rawValue: "collectionAlreadyExists")
        /// The collection is there with another dimension or metric.
        public static let collectionMismatch = Self(rawValue: "collectionMismatch")
        /// The store or the codec cannot keep this filter's meaning.
        public static let unsupportedFilter = Self(rawValue: "unsupportedFilter")
        /// The store or the codec cannot keep this payload.
        public static let unsupportedPayload = Self(rawValue: "unsupportedPayload")
        /// A stored payload cannot be read back.
        public static let payloadDecoding = Self(rawValue: "payloadDecoding")
        /// The engine refused the credentials or the permission.
        public static let unauthorized = Self(rawValue: "unauthorized")
        /// The engine cannot be reached, or refuses for now.
        public static let unavailable = Self(rawValue: "unavailable")
        /// The deadline passed.
        public static let timeout = Self(rawValue: "timeout")
        /// The task was cancelled.
        public static let cancelled = Self(rawValue: "cancelled")
        /// A part of the records is in; ``VectorStoreError/writtenIDs`` says which.
        public static let partialWrite = Self(rawValue: "partialWrite")
        /// A file is damaged, cut or not ours.
        public static let corruptedStorage = Self(rawValue: "corruptedStorage")
        /// Anything else that the engine reports.
        public static let backend = Self(rawValue: "backend")

        /// Lets `catch VectorStoreError.Code.timeout` match any error. A pattern `.timeout` alone means it only where the
        /// error's own type has no such member.
        @_disfavoredOverload
        public static func ~= (code: Self, error: any Error) -> Bool { (error as? VectorStoreError)?.code == code }
        /// Lets `catch VectorStoreError.Code.timeout` match where the thrown type is known.
        public static func ~= (code: Self, error: VectorStoreError) -> Bool { error.code == code }
    }
}

extension VectorStoreError: CustomStringConvertible, CustomDebugStringConvertible {
    /// Code, store, collection, record and message: safe to log, as it holds no vector, payload, secret or text of
    /// the error underneath.
    public var description: String {
        var place = [store, collection.map { "collection \($0.quoted)" }, recordID.map { "record \($0.quoted)" }]
            .compactMap { $0 }.joined(separator: ", ")
        if !place.isEmpty { place = " (\(place))" }
        return "\(code)\(place): \(message)"
    }

    /// The same as ``description``.
    public var debugDescription: String { description }
}

extension String {
    /// The string in double quotes, control characters escaped and a long one cut: for messages.
    package var quoted: String {
        var text = ""
        var length = 0
        for scalar in unicodeScalars {
            length += 1
            if length > 120 { return "\"\(text)…\"" }
            text += scalar.escaped(asASCII: false)
        }
        return "\"\(text)\""
    }
}
