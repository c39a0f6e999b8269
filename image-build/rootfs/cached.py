"""Content-addressed cache of directories: built once, atomically, by one builder at a time."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

#: A directory of older inputs is removed when it has not been used for this many seconds.
MAX_UNUSED = 86400


def directory(place: Path, name: str, digest: str, build: Callable[[Path], None]) -> Path:
    """The path `place/name-digest`. If it does not exist, `build` fills an empty directory that is
    then renamed to it."""
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
        # The modification time records the last use.
        os.utime(final)
        for old in place.glob(f"{name}-*"):
            if old != final and old.stat().st_mtime < time.time() - MAX_UNUSED:
                shutil.rmtree(old, ignore_errors=True)
    return final
