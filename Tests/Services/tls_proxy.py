"""A PostgreSQL server with TLS: ends it, as a proxy in front of one would, and passes the rest on.

Connections without TLS are refused, so that what gets through was encrypted.
"""

import argparse
import asyncio
import ssl
import struct

options = argparse.ArgumentParser()
options.add_argument("--port", type=int, required=True)
options.add_argument("--server", type=int, required=True)
options.add_argument("--certificate", required=True)
options.add_argument("--key", required=True)
options = options.parse_args()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(options.certificate, options.key)


async def passing(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(reader, writer):
    try:
        length, code = struct.unpack(">II", await reader.readexactly(8))
        # GSSAPI is asked for first; any other message is one in plain text.
        if (length, code) == (8, 80877104):
            writer.write(b"N")
            length, code = struct.unpack(">II", await reader.readexactly(8))
        if (length, code) == (8, 80877103):
            writer.write(b"S")
            await writer.start_tls(context)
            inner, outer = await asyncio.open_connection("127.0.0.1", options.server)
            await asyncio.gather(passing(reader, outer), passing(inner, writer))
    except (OSError, asyncio.IncompleteReadError):
        # A client that hangs up, or that does not trust the certificate.
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", options.port)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
