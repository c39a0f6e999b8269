"""The fake S3 with the times of its transfers."""

import ssl
import threading
from dataclasses import dataclass, field

from harness import bucket


@dataclass
class Store(bucket.Bucket):
    """Records for every tar the time from the request's head until the kernel has taken the last
    byte, in ms, and the TLS ciphers."""

    times: list[float] = field(default_factory=list)
    ciphers: set[str] = field(default_factory=set)
    sent: threading.Condition = field(default_factory=threading.Condition)

    def transferred(self, size: int, seconds: float, connection: ssl.SSLSocket) -> None:
        # Signatures are not measured.
        if size > 1 << 20:
            with self.sent:
                self.times.append(seconds * 1e3)
                self.ciphers.add(" ".join(map(str, connection.cipher()[:2])))
                self.sent.notify_all()

    def next(self, number: int) -> float:
        """The time of the transfer with this number, from 0; waits for its end."""
        with self.sent:
            self.sent.wait_for(lambda: len(self.times) > number, 60)
            return self.times[number]
