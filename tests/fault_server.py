"""A file server on 127.0.0.1 that misbehaves on demand, over TLS, down to the bytes on the socket.

The first part of a URL's path chooses the behaviour: a mirror "https://127.0.0.1:PORT/drip/" drips.
So one server stands for any number of mirrors, good and bad.
"""

import gzip
import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path

# Key and certificate of the server; with REQUESTS_CA_BUNDLE naming it, clients trust it.
CERTIFICATE = Path(__file__).parent / "data" / "loopback.pem"


class FaultServer:
    """Serves `files` (name: bytes) in a `with`; see `BEHAVIOURS` for the ways it can go wrong."""

    def __init__(self, files: Mapping[str, bytes], tls: bool = True) -> None:
        self.files = files
        self.tls = tls
        self.heads: list[str] = []  # of the requests that came, in order
        self.sent = 0  # bytes of bodies
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATE)

    def __enter__(self) -> "FaultServer":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.01)
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def mirror(self, behaviour: str) -> str:
        return f"https://127.0.0.1:{self.port}/{behaviour}/"

    def _start(self, target, *args) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(5)
                if self.tls:
                    with self._context.wrap_socket(connection, server_side=True) as secure:
                        self._answer(secure)
                else:
                    self._answer(connection)
        except OSError:
            pass  # the client went away, as it should

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(4096)
            if not part:
                return
            head += part
        self.heads.append(head.decode("latin-1"))
        if not self.tls:  # a proxy, asked to CONNECT
            return connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        _, behaviour, name = head.split(b" ")[1].decode().split("/")
        BEHAVIOURS[behaviour](self, connection, self.files[name])

    # --- what a behaviour is made of ---

    def send(self, connection: socket.socket, data: bytes) -> None:
        connection.sendall(data)
        self.sent += len(data)

    def for_ever(self, connection: socket.socket, data: bytes, pause: float) -> None:
        while not self._stopped.wait(pause):
            self.send(connection, data)


def reply(status: str, length: int | None = None, *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *fields]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def whole(status: str, *fields: str):
    """The right body under this status and these fields."""

    def behave(server, connection, body):
        connection.sendall(reply(status, len(body), *fields))
        server.send(connection, body)

    return behave


def changed(change, declared=None):
    """Status 200 and `change(body)`, with the length `declared(body)` in the head, if any."""

    def behave(server, connection, body):
        connection.sendall(reply("200 OK", declared(body) if declared else None))
        server.send(connection, change(body))

    return behave


def redirect(server, connection, body):
    connection.sendall(reply("302 Found", None, f"Location: {server.mirror('good')}x"))
    server.for_ever(connection, bytes(4096), 0)


def drip(server, connection, body):
    connection.sendall(reply("200 OK", len(body)))
    server.for_ever(connection, b"\x1f", 0.05)


def chunk_drip(server, connection, body):
    connection.sendall(reply("200 OK", None, "Transfer-Encoding: chunked"))
    server.for_ever(connection, b"0", 0.02)


def stall(server, connection, body):
    connection.sendall(reply("200 OK", len(body)) + body[:10])
    server._stopped.wait()


def endless(server, connection, body):
    connection.sendall(reply("200 OK"))
    server.for_ever(connection, body, 0)


def endless_head(server, connection, body):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    server.for_ever(connection, b"X", 0.02)


def silent(server, connection, body):
    server._stopped.wait()


def not_http(server, connection, body):
    connection.sendall(b"\x00\xff\r\n" * 10)


def hang_up(server, connection, body):
    pass


BEHAVIOURS = {
    "good": whole("200 OK"),
    "good_without_length": changed(lambda body: body),
    # As Google's storage serves a .gz: the encoding is named, the bytes are the file's own.
    "good_labelled_gzip": whole("200 OK", "Content-Encoding: gzip"),
    "good_with_two_lengths": whole("200 OK", "Content-Length: many"),
    "redirect": redirect,
    "forbidden": whole("403 Forbidden"),
    "unavailable": whole("503 Service Unavailable", "Retry-After: 3600"),
    "no_content": lambda server, connection, body: connection.sendall(reply("204 No Content")),
    "partial": whole("206 Partial Content"),
    "html": changed(lambda body: b"<!DOCTYPE html><title>Log in</title>"),
    "wrong": changed(lambda body: body[:-1] + bytes([body[-1] ^ 1]), len),
    "cut": changed(lambda body: body[:-7], len),
    "cut_without_length": changed(lambda body: body[:-7]),
    "empty": changed(lambda body: b"", lambda body: 0),
    "long": changed(lambda body: body + b"x"),
    "gzip": changed(lambda body: gzip.compress(body)),
    "gzip_labelled": lambda server, connection, body: whole("200 OK", "Content-Encoding: gzip")(
        server, connection, gzip.compress(body)
    ),
    "chunked": lambda server, connection, body: connection.sendall(
        reply("200 OK", None, "Transfer-Encoding: chunked")
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    ),
    "chunk_drip": chunk_drip,
    "drip": drip,
    "stall": stall,
    "endless": endless,
    "endless_head": endless_head,
    "silent": silent,
    "not_http": not_http,
    "hang_up": hang_up,
}
