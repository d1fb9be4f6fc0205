#if Chroma
internal import AsyncHTTPClient
internal import MiniORM
internal import NIOCore

/// What the server said, or what became of the connection, as the one error type.
enum ChromaError {
    /// The cause of an error that the server reports; it is no part of a description.
    ///
    /// What it says may repeat a payload, so it is here and not in the message.
    struct Answer: Error, CustomStringConvertible {
        var status: Int
        var text: String

        var description: String { "HTTP \(status): \(text)" }
    }

    static func error(status: Int, body: ByteBuffer?) -> VectorStoreError {
        let text = body.map { String(decoding: $0.readableBytesView.prefix(2_000), as: UTF8.self) } ?? ""
        let (code, message): (VectorStoreError.Code, String) =
            switch status {
            case 401, 403: (.unauthorized, "the server refused the credentials")
            case 408: (.timeout, "the server gave up waiting")
            case 413: (.invalidArgument, "the request is too large for the server; lower bytesPerWrite")
            case 400, 422: (.invalidArgument, "the server refused the request; the cause has its reason")
            case 429: (.unavailable, "the server asks for fewer requests")
            case 502, 503, 504: (.unavailable, "the server cannot answer now")
            default: (.backend, "the server failed")
            }
        return VectorStoreError(
            code, "\(message) (HTTP \(status))", store: "chroma", cause: Answer(status: status, text: text))
    }

    /// - Parameter earlier: Why an earlier attempt failed.
    static func error(connection error: any Error, after earlier: VectorStoreError? = nil) -> VectorStoreError {
        if error is CancellationError { return cancelled(error) }
        if error is Exchange.TooLong {
            return VectorStoreError(
                .backend, "the server's answer is too long; lower recordsPerRead", store: "chroma", cause: error)
        }
        switch error as? HTTPClientError {
        case .cancelled?: return cancelled(error)
        case .deadlineExceeded?, .readTimeout?, .writeTimeout?:
            guard let earlier else {
                return VectorStoreError(.timeout, "the deadline passed", store: "chroma", cause: error)
            }
            return VectorStoreError(
                .timeout, "the deadline passed; before that, \(earlier.message)", store: "chroma", cause: earlier)
        default:
            let message = isClosed(error) ? "the store is closed" : "the server cannot be reached"
            return VectorStoreError(.unavailable, message, store: "chroma", cause: error)
        }
    }

    /// Whether an answer is about a collection that is being dropped: it is there, and a part of it is not any more.
    static func isOfCollectionBeingDropped(_ body: ByteBuffer?) -> Bool {
        body.map { String(decoding: $0.readableBytesView, as: UTF8.self).contains("Missing metadata segment") } ?? false
    }

    /// The store itself was closed, so that repeating cannot help.
    static func isClosed(_ error: any Error) -> Bool { error as? HTTPClientError == .alreadyShutdown }

    static func lostWrite(_ failure: VectorStoreError) -> VectorStoreError {
        VectorStoreError(
            failure.code, "\(failure.message); what was sent may be in, or come in yet", store: "chroma",
            cause: failure.cause)
    }

    static func cancelled(_ error: (any Error)?) -> VectorStoreError {
        VectorStoreError(.cancelled, "the task was cancelled", store: "chroma", cause: error)
    }

    static func unreadable(_ error: VectorStoreError) -> VectorStoreError {
        VectorStoreError(.backend, "the server's answer could not be read", store: "chroma", cause: error)
    }

    static func notFound(_ collection: String) -> VectorStoreError {
        VectorStoreError(
            .collectionNotFound, "there is no such collection", store: "chroma", collection: collection)
    }

    static func replaced(_ collection: String) -> VectorStoreError {
        VectorStoreError(
            .collectionMismatch, "the collection was replaced by another one meanwhile", store: "chroma",
            collection: collection)
    }

    static func foreign(_ collection: String, _ code: VectorStoreError.Code) -> VectorStoreError {
        VectorStoreError(
            code, "the collection was not created by this library, which leaves it alone; take another name",
            store: "chroma", collection: collection)
    }
}
#endif
