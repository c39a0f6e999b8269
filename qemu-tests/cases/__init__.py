"""The cases, a file for each part of the whole; importing registers them."""

from . import acquire, cycle, firewall, rules, stage, supervise  # noqa: F401
