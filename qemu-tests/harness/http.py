"""HTTP/1.1 messages as bytes: the driver transports them without parsing."""

import http.client
import io
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self):
        return json.loads(self.body)


def request(method: str, path: str, size: int, headers: dict[str, str]) -> bytes:
    """A request's head with `Connection: close`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: host", "Connection: close",
             f"Content-Length: {size}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class _Bytes:
    def __init__(self, data: bytes):
        self.data = data

    def makefile(self, *_args, **_kwargs):
        return io.BytesIO(self.data)


def parse(raw: bytes, method: str = "GET") -> Answer:
    """A complete answer; http.client.HTTPException for an incomplete one.

    http.client accepts a truncated head as complete, and would miss its Content-Length.
    """
    if b"\r\n\r\n" not in raw:
        raise http.client.IncompleteRead(raw)
    answer = http.client.HTTPResponse(_Bytes(raw), method=method)
    answer.begin()
    return Answer(answer.status, answer.read())
