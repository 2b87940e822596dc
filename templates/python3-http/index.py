"""Serves function/handler.py over HTTP/1.1 with nothing but the standard library."""

import json
import os
import signal
import socket
import socketserver
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))
MAX_BODY = int(os.environ.get("MAX_BODY_BYTES", 10 * 1024 * 1024))
MAX_DISCARDED = 100 * 1024 * 1024
MAX_LINE = 65536


class BadBody(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Query(dict):
    """The first value of each name, and all of them by `getlist`."""

    def __init__(self, text):
        self._lists = parse_qs(text, keep_blank_values=True)
        super().__init__({name: values[0] for name, values in self._lists.items()})

    def getlist(self, name):
        return self._lists.get(name, [])


def load_handle():
    sys.path[:0] = [HERE, os.path.join(HERE, "python")]
    sys.path.append(os.path.join(HERE, "function"))
    from function import handler

    if not callable(getattr(handler, "handle", None)):
        raise TypeError("function/handler.py has no function named handle(event, context)")
    return handler.handle


def parts(result):
    """Status, headers and body of whatever a handler may return."""
    status, headers, body = 200, {}, result
    if isinstance(result, tuple):
        body = result[0] if result else ""
        status = result[1] if len(result) > 1 else 200
        headers = dict(result[2]) if len(result) > 2 else {}
    elif isinstance(result, dict) and ("statusCode" in result or "body" in result):
        status = result.get("statusCode", 200)
        headers = dict(result.get("headers") or {})
        body = result.get("body", "")
    return int(status), headers, body


def encode(body):
    """The bytes of a body, and the content type if the handler sets none."""
    if body is None:
        return b"", None
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), "application/octet-stream"
    if isinstance(body, (dict, list)):
        return json.dumps(body).encode(), "application/json"
    return str(body).encode(), "text/html; charset=utf-8"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "function"
    sys_version = ""
    timeout = 65
    wbufsize = 65536
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.server.opened(self.connection)

    def finish(self):
        try:
            super().finish()
        finally:
            self.server.closed(self.connection)

    def parse_request(self):
        self.server.busy(self.connection)
        return super().parse_request()

    def handle_one_request(self):
        super().handle_one_request()
        if self.server.idle(self.connection):
            self.close_connection = True

    def handle_expect_100(self):
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, *args):
        pass

    def __getattr__(self, name):
        # Every method is the function's business, not only those that the base class knows.
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self):
        if self.path == "/_/health":
            return self.reply(200, {}, b"OK\n", "text/plain")
        try:
            status, headers, body = parts(self.invoke())
            if hasattr(body, "__next__"):
                return self.stream(status, headers, body)
            data, content_type = encode(body)
            self.reply(status, headers, data, content_type)
        except BadBody as error:
            self.close_connection = True
            self.reply(error.status, {}, f"{error}\n".encode(), "text/plain; charset=utf-8")
            self.discard()
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True
        except Exception:
            traceback.print_exc()
            self.reply(500, {}, b"the function failed; its log says why\n", "text/plain; charset=utf-8")

    def discard(self):
        """Reads on for a while: a client that is cut off in its sending never reads the answer."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(2)
        left = MAX_DISCARDED
        while left > 0:
            data = self.rfile.read1(65536)
            if not data:
                break
            left -= len(data)

    def invoke(self):
        url = urlsplit(self.path)
        event = SimpleNamespace(
            body=self.read_body(), headers=self.headers, method=self.command, query=Query(url.query), path=url.path
        )
        return self.server.handle(event, SimpleNamespace(hostname=socket.gethostname()))

    def read_body(self):
        coding = self.headers.get("Transfer-Encoding", "")
        lengths = self.headers.get_all("Content-Length", [])
        if coding:
            if coding.strip().lower() != "chunked" or lengths:
                raise BadBody(400, "this transfer encoding is not supported")
            return self.read_chunks()
        if not lengths:
            return b""
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            raise BadBody(400, "the content length is not a number")
        return self.read_exactly(self.checked(int(lengths[0])))

    def read_chunks(self):
        data = bytearray()
        while True:
            size = self.rfile.readline(MAX_LINE).split(b";")[0].strip()
            if not size or size.strip(b"0123456789abcdefABCDEF"):
                raise BadBody(400, "the body's chunks are malformed")
            if int(size, 16) == 0:
                break
            self.checked(len(data) + int(size, 16))
            data += self.read_exactly(int(size, 16))
            if self.rfile.readline(MAX_LINE).strip():
                raise BadBody(400, "the body's chunks are malformed")
        while self.rfile.readline(MAX_LINE).strip():
            pass
        return bytes(data)

    def checked(self, size):
        if size > MAX_BODY:
            raise BadBody(413, f"the body is larger than {MAX_BODY} bytes")
        return size

    def read_exactly(self, size):
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionResetError("the request ended early")
        return data

    def start(self, status, headers, content_type, framing):
        self.send_response_only(status)
        names = {name.lower() for name in headers}
        for name, value in headers.items():
            if any(mark in f"{name}{value}" for mark in "\r\n"):
                raise ValueError(f"the header {name!r} has a line break in it")
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, str(value))
        if content_type and "content-type" not in names:
            self.send_header("Content-Type", content_type)
        for name, value in framing.items():
            self.send_header(name, value)
        if self.close_connection or self.server.stopping:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()

    def reply(self, status, headers, data, content_type):
        bodiless = status in (204, 304)
        self._headers_buffer = []
        self.start(status, headers, content_type, {} if bodiless else {"Content-Length": str(len(data))})
        if not bodiless and self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def stream(self, status, headers, pieces):
        chunked = self.request_version == "HTTP/1.1" and self.command != "HEAD"
        self.close_connection = self.close_connection or not chunked
        self.start(status, headers, "text/plain; charset=utf-8", {"Transfer-Encoding": "chunked"} if chunked else {})
        self.wfile.flush()
        if self.command == "HEAD":
            return
        try:
            for piece in pieces:
                data = encode(piece)[0]
                if data:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
                    self.wfile.flush()
        except Exception:
            # The status is sent: only a cut connection can still say that it failed.
            traceback.print_exc()
            self.close_connection = True
            return
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    stopping = False

    def __init__(self, address, handle):
        self.handle = handle
        self._lock = threading.Condition()
        self._busy = {}
        super().__init__(address, Handler)

    def server_bind(self):
        # The base class asks the name service for this machine's name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def opened(self, connection):
        with self._lock:
            self._busy[connection] = False
            if self.stopping:
                connection.shutdown(socket.SHUT_RD)

    def busy(self, connection):
        with self._lock:
            self._busy[connection] = True

    def idle(self, connection):
        """Says whether the connection is to be closed."""
        with self._lock:
            self._busy[connection] = False
            self._lock.notify_all()
            return self.stopping

    def closed(self, connection):
        with self._lock:
            self._busy.pop(connection, None)
            self._lock.notify_all()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            traceback.print_exc()

    def drain(self):
        with self._lock:
            self.stopping = True
            for connection, busy in self._busy.items():
                if not busy:
                    connection.shutdown(socket.SHUT_RD)
        self.shutdown()
        self.socket.close()
        with self._lock:
            self._lock.wait_for(lambda: not self._busy)


def main():
    port = int(os.environ.get("PORT") or os.environ.get("http_port") or 3000)
    server = Server((os.environ.get("HOST") or "127.0.0.1", port), load_handle())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    stop.wait()
    server.drain()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
