"""The cases, a file for each part of the whole; importing registers them."""

from . import (acquire, adopt, boots, compat, container, cycle, engines, firewall,  # noqa: F401
               image, inits, mended, rules, stage, supervise)
