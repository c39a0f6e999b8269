"""What a server does wrong on purpose, one request after another."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """Answers with this status and nothing else."""

    code: int


@dataclass(frozen=True)
class Cut:
    """Sends this many bytes of the body, then breaks the connection off."""

    after: int


@dataclass(frozen=True)
class Changed:
    """The object is another one from now on: its ETag differs, a resume must not match."""


@dataclass(frozen=True)
class Refuse:
    """Closes the connection before a word is said."""


@dataclass(frozen=True)
class Stall:
    """Sends this many bytes of the body, then nothing until the client is gone."""

    after: int


Fault = Status | Cut | Changed | Refuse | Stall
