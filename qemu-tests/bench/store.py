"""A TLS server of tars that measures the time of every transfer."""

import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler

from harness.bucket import Running


class Store:
    """Serves objects over TLS and measures for every tar the time from the request's head until
    the kernel has taken the last byte, in ms."""

    def __init__(self, objects: dict[str, bytes], context: ssl.SSLContext):
        self.times: list[float] = []
        self.ciphers: set[str] = set()
        self.sent = threading.Condition()
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_GET(self):
                began = time.perf_counter()
                data = objects.get(self.path.split("?")[0])
                self.send_response(403 if data is None else 200)
                self.send_header("Content-Length", str(len(data or b"")))
                self.send_header("ETag", '"0"')
                self.end_headers()
                if not data:
                    return
                self.wfile.write(data)
                if len(data) > 1 << 20:
                    with store.sent:
                        store.times.append((time.perf_counter() - began) * 1e3)
                        store.ciphers.add(" ".join(map(str, self.connection.cipher()[:2])))
                        store.sent.notify_all()

            def log_message(self, *_args) -> None:
                """Silent."""
        self._running = Running(Handler, context)
        self.port = self._running.port

    def next(self, number: int) -> float:
        """The time of the transfer with this number, from 0; waits for its end."""
        with self.sent:
            self.sent.wait_for(lambda: len(self.times) > number, 60)
            return self.times[number]

    def close(self) -> None:
        self._running.close()
