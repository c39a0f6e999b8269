"""What has passed and failed so far, and the output of several workers."""

import subprocess
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import HarnessError

#: Failures of the harness or of this machine, which say nothing about ecs-init.
BROKEN = (HarnessError, OSError, subprocess.SubprocessError)

#: Lines of a log that a failure shows.
TAIL = 30

#: How often a case or boot is tried when the harness fails.
ATTEMPTS = 3


@dataclass
class Results:
    """Counts, shared by the workers."""

    passed: int = 0
    failed: int = 0
    #: Failures of the harness itself.
    broken: list[str] = field(default_factory=list)
    #: What was run again because the harness failed.
    retried: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, text: str) -> None:
        with self.lock:
            print(text, flush=True)

    def count(self, passed: int, failed: int) -> None:
        with self.lock:
            self.passed += passed
            self.failed += failed

    def broke(self, what: str, error: Exception) -> None:
        """Records a failure of the harness; an unexpected one with its traceback."""
        text = str(error) if isinstance(error, BROKEN) else traceback.format_exc().strip()
        with self.lock:
            self.broken.append(f"{what}: {text}")

    def with_retries(self, what: str, run: Callable[[], None]) -> None:
        """Runs a case or boot, again on another host if the harness fails: an emulator can die
        under a guest, dockerd can miss its start timeout on a busy machine. After the last
        attempt the failure is recorded as the harness's."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return run()
            except BROKEN as error:
                if attempt == ATTEMPTS:
                    self.broke(what, error)
                else:
                    with self.lock:
                        self.retried.append(what)
                    self.say(f"retry {what}: {error}")
            except Exception as error:
                return self.broke(what, error)


def tail(title: str, text: str) -> str:
    """The last lines of a log under a title; empty for an empty log."""
    lines = text.rstrip().splitlines()
    if not lines:
        return ""
    cut = f" (last {TAIL} lines)" if len(lines) > TAIL else ""
    return "\n".join([f"--- {title}{cut}", *lines[-TAIL:]])


def indent(text: str) -> str:
    return "\n".join("      " + line for line in text.splitlines())
