"""A fake EC2 instance metadata service, version 2 only: every GET needs a token."""

import secrets
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from .bucket import RunningServer

TOKEN = "X-aws-ec2-metadata-token"
PREFIX = "/latest/meta-data/"


@dataclass
class Metadata:
    """The metadata by path, and the recorded requests: (method, path, status)."""

    values: dict[str, str] = field(default_factory=lambda: {
        "instance-id": "i-0123456789abcdef0",
        "placement/region": "us-west-2", "placement/availability-zone": "us-west-2a",
        "services/domain": "amazonaws.com", "services/partition": "aws"})
    journal: list[tuple[str, str, int]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    metadata: Metadata

    def do_PUT(self):
        ttl = self.headers.get(f"{TOKEN}-ttl-seconds", "")
        if self.path != "/latest/api/token" or not ttl.isdigit():
            return self._answer(400, "")
        token = secrets.token_urlsafe(32)
        self.metadata.tokens.add(token)
        self._answer(200, token, {f"{TOKEN}-ttl-seconds": ttl})

    def do_GET(self):
        if self.headers.get(TOKEN) not in self.metadata.tokens:
            return self._answer(401, "")
        value = None
        if self.path.startswith(PREFIX):
            value = self.metadata.values.get(self.path.removeprefix(PREFIX))
        if value is None:
            return self._answer(404, "")
        self._answer(200, value)

    def _answer(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        data = text.encode()
        self.metadata.journal.append((self.command, self.path, status))
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args) -> None:
        """Silent: requests are recorded in the journal."""


def serve(metadata: Metadata) -> RunningServer:
    return RunningServer(type("Handler", (_Handler,), {"metadata": metadata}))
