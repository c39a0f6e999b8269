"""The cases, a file for each part of the whole; importing registers them."""

from . import acquire, compat, cycle, engines, rules, stage, supervise  # noqa: F401
