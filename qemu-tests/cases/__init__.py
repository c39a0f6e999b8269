"""The cases, a file for each part of the whole; importing registers them."""

from . import (acquire, adopt, compat, container, cycle, engines, firewall,  # noqa: F401
               mended, registry, rules, stage, supervise)
