"""Requests to the driver in a host, and its answers, as JSON lines."""

import json
import select
import time

from .errors import HarnessError


class RemoteError(Exception):
    """A request failed in the host."""

    def __init__(self, op: str, kind: str, message: str):
        super().__init__(f"{op}: {message}")
        self.kind = kind


class Channel:
    """One request at a time over a pair of unbuffered binary files.

    `gone` returns why the other side has ended, or None while it runs.
    """

    def __init__(self, reader, writer, gone):
        self.reader, self.writer, self.gone = reader, writer, gone
        self.pending = b""
        self.number = 0

    def request(self, op: str, *, wait: float = 300, **members):
        """The driver's answer; `wait` bounds the time for it, in seconds."""
        self.number += 1
        line = json.dumps({"id": self.number, "op": op, **members})
        try:
            self.writer.write(line.encode() + b"\n")
            self.writer.flush()
        except OSError as error:
            raise HarnessError(self.gone() or f"the host's channel broke: {error}") from error
        deadline = time.monotonic() + wait
        while True:
            answer = json.loads(self._line(op, deadline))
            # Answers to requests from before the snapshot are dropped.
            if answer.get("id") == self.number:
                break
        if "error" in answer:
            raise RemoteError(op, answer["kind"], answer["error"])
        return answer["ok"]

    def _line(self, op: str, deadline: float) -> bytes:
        while b"\n" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0:
                raise HarnessError(self.gone() or f"the host did not answer {op!r} in time")
            ready, _, _ = select.select([self.reader], [], [], min(left, 1))
            if not ready:
                if gone := self.gone():
                    raise HarnessError(gone)
                continue
            try:
                data = self.reader.read(1 << 16)
            except OSError:
                # Closed with a request unread.
                data = b""
            if not data:
                raise HarnessError(self.gone() or "the host closed its channel")
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line


def pack(data: bytes) -> str:
    """Bytes as the channel carries them."""
    return data.decode("latin-1")


def unpack(text: str) -> bytes:
    return text.encode("latin-1")
