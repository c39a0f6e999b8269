"""The fake S3: regional bucket, partition bucket and mirror over TLS.

Like S3 it supports ETag, Range, If-Range and HEAD, and answers 403 for a missing object, as for a
bucket without list permission. It records every request, and can make each path fail.
"""

import hashlib
import re
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from .faults import Changed, Cut, Fault, Refuse, Stall, Status
from .guard import Guard


@dataclass(frozen=True)
class Request:
    """A recorded request. `sent` counts the bytes of the body that were sent."""

    method: str
    path: str
    range: str | None
    if_range: str | None
    status: int
    sent: int


@dataclass
class Bucket:
    """Objects by path (`/bucket/key`), and the faults of the next requests for each."""

    objects: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    journal: list[Request] = field(default_factory=list)
    #: Access control by bucket name; a bucket without an entry is public.
    guards: dict[str, Guard] = field(default_factory=dict)

    def put(self, path: str, data: bytes) -> None:
        self.objects[path] = data

    def fail(self, path: str, *faults: Fault) -> None:
        """The next requests for `path` have these faults, in order."""
        self.faults.setdefault(path, []).extend(faults)

    def transferred(self, size: int, seconds: float, connection: ssl.SSLSocket) -> None:
        """Called after each body; for subclasses."""

    def requests(self, path: str) -> list[Request]:
        return [request for request in self.journal if request.path == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "AmazonS3"
    timeout = 60
    bucket: Bucket

    def do_GET(self):
        self._serve(body=True)

    def do_HEAD(self):
        self._serve(body=False)

    def _serve(self, body: bool) -> None:
        started = time.perf_counter()
        path = unquote(self.path.split("?")[0])
        queue = self.bucket.faults.get(path, [])
        fault = queue.pop(0) if queue else None
        data = self.bucket.objects.get(path)
        if isinstance(fault, Refuse):
            self._record(0, 0)
            self.close_connection = True
            return
        guard = self.bucket.guards.get(path.split("/")[1])
        if guard and not fault:
            refusal = guard.check(self.command, self.path, self.headers)
            if refusal or data is None:
                return self._error(*(refusal or (404, "NoSuchKey", "")), body=body)
        if isinstance(fault, Status) or data is None:
            code = fault.code if isinstance(fault, Status) else 403
            return self._error(code, body=body)
        if isinstance(fault, Changed):
            data = self.bucket.objects[path] = data + b"\n"
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        start, status = self._start(data, etag)
        if status == 416:
            return self._error(status, body=body)
        part = data[start:]
        self.send_response(status)
        self.send_header("ETag", etag)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(part)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        part = part if body else b""
        if isinstance(fault, Cut | Stall) and body:
            part = part[:fault.after]
            self.close_connection = True
        # Recorded before it is sent: the client may send its next request at once.
        self._record(status, len(part))
        self.end_headers()
        self.wfile.write(part)
        self.bucket.transferred(len(part), time.perf_counter() - started, self.connection)
        if isinstance(fault, Stall) and body:
            self.wfile.flush()
            self.rfile.read(1)

    def _start(self, data: bytes, etag: str) -> tuple[int, int]:
        """The first byte to send, and the status (RFC 9110, sections 13.1.5 and 14.2)."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not match or self.headers.get("If-Range", etag) != etag:
            return 0, 200
        start = int(match[1])
        return (start, 206) if start < len(data) else (0, 416)

    def _error(self, code: int, s3_code: str = "Test", region: str = "", *, body: bool) -> None:
        region = region and f"<Region>{region}</Region>"
        text = f'<?xml version="1.0"?><Error><Code>{s3_code}</Code>{region}</Error>'.encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self._record(code, 0)
        self.end_headers()
        if body:
            self.wfile.write(text)

    def _record(self, status: int, sent: int) -> None:
        self.bucket.journal.append(Request(
            self.command, unquote(self.path.split("?")[0]), self.headers.get("Range"),
            self.headers.get("If-Range"), status, sent))

    def log_message(self, *_args) -> None:
        """Silent: requests are recorded in the journal."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_args) -> None:
        """Silent: clients that disconnect during a transfer are part of the tests."""


class RunningServer:
    """A server of a handler class, on every address and a port that the kernel chooses."""

    def __init__(self, handler: type, context: ssl.SSLContext | None = None):
        self.server = _Server(("0.0.0.0", 0), handler)
        if context:
            # The handshake runs in the connection's thread.
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def serve(bucket: Bucket, context: ssl.SSLContext) -> RunningServer:
    handler = type("Handler", (_Handler,), {"bucket": bucket})
    return RunningServer(handler, context)
