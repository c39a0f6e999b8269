"""The cases, a file for each part of the whole; importing registers them."""

from . import (acquire, adopt, compat, container, cycle, engines, mended,  # noqa: F401
               rules, stage, supervise)
