"""The cases, a file for each part of the whole; importing registers them."""

from . import acquire, container, cycle, rules, stage, supervise  # noqa: F401
