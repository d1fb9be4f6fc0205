#if Chroma
internal import AsyncHTTPClient
internal import MiniORM
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
#endif
