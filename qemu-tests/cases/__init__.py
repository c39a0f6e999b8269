"""The cases, a file for each part of the whole; importing registers them."""

from . import acquire, adopt, container, cycle, mended, rules, stage, supervise  # noqa: F401
