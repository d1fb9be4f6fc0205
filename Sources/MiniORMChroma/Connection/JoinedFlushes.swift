#if Chroma
internal import NIOCore

/// Lets the head and the body of a request go out together.
///
/// The client flushes after each of them. Flushes of one turn of the event loop become one at its end, and the server
/// is woken up once.
final class JoinedFlushes: ChannelOutboundHandler {
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private var isDue = false

    func flush(context: ChannelHandlerContext) {
        guard !isDue else { return }
        isDue = true
        context.eventLoop.assumeIsolated().execute {
            self.isDue = false
            context.flush()
        }
    }
}
#endif
