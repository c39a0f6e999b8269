"""Two kinds of failure: of ecs-init, or of the harness."""

import difflib


class HarnessError(Exception):
    """The harness failed; this says nothing about ecs-init."""


class Failed(AssertionError):
    """A case's expectation did not hold."""


def expect(held: object, message: str) -> None:
    """Fails the case with `message` unless `held`."""
    if not held:
        raise Failed(message)


def equal(found: object, wanted: object, what: str) -> None:
    """Fails the case unless both are equal; the message has both, or the diff of two lists."""
    if found == wanted:
        return
    if isinstance(found, list) and isinstance(wanted, list):
        lines = difflib.unified_diff([str(x) for x in wanted], [str(x) for x in found],
                                     "wanted", "found", lineterm="", n=1)
        raise Failed("\n".join([f"{what}:", *lines]))
    raise Failed(f"{what}: found {found!r}, wanted {wanted!r}")
