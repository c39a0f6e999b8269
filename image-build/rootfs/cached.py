"""Directories that are built once and kept: whole or not at all, one builder at a time."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

#: Seconds after which what older inputs gave is removed, if nobody used it.
KEPT = 86400


def directory(place: Path, name: str, digest: str, build: Callable[[Path], None]) -> Path:
    """`place/name-digest`, by `build` in an empty directory if it is not there."""
    place.mkdir(parents=True, exist_ok=True)
    final = place / f"{name}-{digest}"
    with (place / f".lock-{name}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not final.is_dir():
            with tempfile.TemporaryDirectory(dir=place, prefix=".building-") as temporary:
                made = Path(temporary, "made")
                made.mkdir()
                build(made)
                made.rename(final)
        # The time of the last use.
        os.utime(final)
        for old in place.glob(f"{name}-*"):
            if old != final and old.stat().st_mtime < time.time() - KEPT:
                shutil.rmtree(old, ignore_errors=True)
    return final
