"""The cases, a file for each part of the issue; importing registers them."""

from . import stage  # noqa: F401
