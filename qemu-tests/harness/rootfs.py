"""Imports `image-build/rootfs`, a directory of modules that is not a package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "image-build" / "rootfs"))

import archive  # noqa: E402
import cached  # noqa: E402
import elf  # noqa: E402
import guest  # noqa: E402
import inits  # noqa: E402

from engines import ENGINES, OWN, Engine  # noqa: E402

__all__ = ["ENGINES", "OWN", "Engine", "archive", "cached", "elf", "guest", "inits"]
