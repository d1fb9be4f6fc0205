"""Passes requests on to a Chroma server, after some faults.

faulty_proxy.py UPSTREAM_HOST:PORT FAULT...    prints the port that it listens on

Each fault is for one request, in turn: `429` and `503` answer so, `cut` closes the connection before the request is
passed on, `lose` after it (the server did its work, the client does not hear of it), `delay` answers after a minute.
`demand=NAME: VALUE` is for all of them: a request without this header is answered 401.
"""
import http.client
import socket
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler

upstream = sys.argv[1]
faults = [fault for fault in sys.argv[2:] if not fault.startswith("demand=")]
demands = [fault[len("demand="):].split(": ", 1) for fault in sys.argv[2:] if fault.startswith("demand=")]
turn = threading.Lock()


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if any(self.headers.get_all(name, []) != [value] for name, value in demands):
            self.answer(401, b'{"error":"who are you?"}', {})
            return
        with turn:
            fault = faults.pop(0) if faults else ""
        if fault.isdigit():
            self.answer(int(fault), b'{"error":"fault"}', {"Retry-After": "1"} if fault == "429" else {})
            return
        if fault == "delay":
            time.sleep(60)
        if fault == "cut":
            return self.close()
        connection = http.client.HTTPConnection(upstream)
        connection.request(self.command, self.path, body, {"content-type": "application/json"})
        reply = connection.getresponse()
        content = reply.read()
        if fault == "lose":
            return self.close()
        self.answer(reply.status, content, {})

    def close(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def answer(self, status, content, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = do_PUT = pass_on

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Proxy)
print(server.server_address[1], flush=True)
server.serve_forever()
