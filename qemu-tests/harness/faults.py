"""Faults of the fake S3, each for one request."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """Answers with this status and no object."""

    code: int


@dataclass(frozen=True)
class Cut:
    """Sends this many bytes of the body, then closes the connection."""

    after: int


@dataclass(frozen=True)
class Changed:
    """Replaces the object: its ETag changes, so that a resume must not match."""


@dataclass(frozen=True)
class Refuse:
    """Closes the connection without an answer."""


@dataclass(frozen=True)
class Stall:
    """Sends this many bytes of the body, then nothing until the client disconnects."""

    after: int


Fault = Status | Cut | Changed | Refuse | Stall
