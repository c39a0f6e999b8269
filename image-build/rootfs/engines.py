"""The Docker Engines that the cases run on, each from the Debian suite that has it."""

from dataclasses import dataclass

import archive


@dataclass(frozen=True)
class Engine:
    """One Engine: the suites that have it, in the order they are tried.

    `store` says whether images live in containerd's store, and not in dockerd's
    own (the graph drivers).
    """

    name: str
    suites: tuple[str, ...]
    store: bool = False

    @property
    def daemon(self) -> dict:
        """What stands in its daemon.json."""
        return {"features": {"containerd-snapshotter": True}} if self.store else {}


#: What the guests have; every case runs on it.
OWN = Engine("26.1", archive.SUITES)

#: The oldest that a Debian still has, the newest, and the guests' own with the other image store.
ENGINES = {engine.name: engine for engine in (
    OWN,
    Engine("20.10", ("bookworm",)),
    Engine("26.1+store", archive.SUITES, store=True),
    Engine("newest", ("forky", "sid")),
    Engine("newest+store", ("forky", "sid"), store=True),
)}
