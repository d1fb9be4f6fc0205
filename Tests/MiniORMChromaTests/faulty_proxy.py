"""Passes requests on to a Chroma server, after some faults.

faulty_proxy.py UPSTREAM_HOST:PORT [FAULT|OPTION=...]...    prints the port that it listens on

Each fault is for one request, in turn: `412`, `429` and `503` answer so, `cut` closes the connection before the request is
passed on, `lose` after it (the server did its work, the client does not hear of it), `half` in the middle of the
answer, `delay` answers after a minute, `late` after the option `pause=SECONDS`, `late-lose` does the work and closes
the connection after as long, `replace` creates another collection of the name in the path after the request
did its work, and loses the answer.

Options are for all requests. `demand=NAME: VALUE`: a request without this header is answered 401. `preflight=JSON`:
what the server says of itself. `slow=SECONDS`: each answer to an upsert takes as long. `retry-after=SECONDS`: what a
429 asks for, 1 unless told. `certificate=FILE` and
`key=FILE`: TLS. `GET /log` answers what was asked so far, as JSON: of each request its method, path, number of the
connection, body (cut) and its length, and how many upserts were under way.
"""
import http.client
import json
import socket
import socketserver
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler

upstream = sys.argv[1]
faults, demands, options = [], [], {}
for argument in sys.argv[2:]:
    name, found, value = argument.partition("=")
    if not found:
        faults.append(argument)
    elif name == "demand":
        demands.append(value.split(": ", 1))
    else:
        options[name] = value
turn = threading.Lock()
log = []
upserts = 0
connections = 0


def ask(method, path, body):
    connection = http.client.HTTPConnection(upstream)
    connection.request(method, path, body, {"content-type": "application/json"})
    reply = connection.getresponse()
    return reply.status, reply.read()


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        global connections
        super().setup()
        with turn:
            connections += 1
            self.number = connections

    def pass_on(self):
        global upserts
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/log":
            with turn:
                self.answer(200, json.dumps(log).encode(), {})
            return
        is_upsert = self.path.endswith("/upsert")
        with turn:
            upserts += is_upsert
            log.append({
                "method": self.command, "path": self.path, "connection": self.number, "length": len(body),
                "body": body[:1000].decode(errors="replace"), "upserts": upserts})
        if is_upsert:
            time.sleep(float(options.get("slow", 0)))
        try:
            self.answer_or_fail(body)
        finally:
            with turn:
                upserts -= is_upsert

    def answer_or_fail(self, body):
        if any(self.headers.get_all(name, []) != [value] for name, value in demands):
            self.answer(401, b'{"error":"who are you?"}', {})
            return
        if "preflight" in options and self.path.endswith("/pre-flight-checks"):
            self.answer(200, options["preflight"].encode(), {})
            return
        with turn:
            fault = faults.pop(0) if faults else ""
        if fault.isdigit():
            headers = {"Retry-After": options.get("retry-after", "1")} if fault == "429" else {}
            # What the server says of a collection that is being dropped.
            gone = b'{"error":"InternalError","message":"Missing field: [Missing metadata segment]"}'
            self.answer(int(fault), gone if fault == "412" else b'{"error":"fault"}', headers)
            return
        if fault == "delay":
            time.sleep(60)
        if fault == "cut":
            return self.close()
        if fault == "late":
            time.sleep(float(options["pause"]))
        status, content = ask(self.command, self.path, body)
        if fault == "replace":
            collections, _, name = self.path.rpartition("/")
            ask("POST", collections, json.dumps({"name": name}).encode())
        if fault == "late-lose":
            time.sleep(float(options["pause"]))
        if fault in ("lose", "late-lose", "replace"):
            return self.close()
        self.answer(status, content, {}, half=fault == "half")

    def close(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def answer(self, status, content, headers, half=False):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:len(content) // 2] if half else content)
        if half:
            self.close()

    do_GET = do_POST = do_DELETE = do_PUT = pass_on

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        # A client that hangs up, or that does not trust the certificate.
        pass


server = Server(("127.0.0.1", 0), Proxy)
if "certificate" in options:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options["certificate"], options["key"])
    # The handshake is the thread's of the connection: one that fails must not hold up the others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_address[1], flush=True)
server.serve_forever()
