#if Qdrant
import Testing

/// Tests that talk to a server run one after the other: they tell it to fail, and some collections have fixed names.
@Suite(.serialized) struct ServerTests {}
#endif
