"""The Docker Engines that the cases run on, and the Debian suites that provide them."""

from dataclasses import dataclass

import archive


@dataclass(frozen=True)
class Engine:
    """One Engine, and the suites that provide it, in the order they are tried.

    `store`: images are kept in containerd's image store instead of dockerd's graph drivers.
    """

    name: str
    suites: tuple[str, ...]
    store: bool = False

    @property
    def daemon(self) -> dict:
        """The contents of daemon.json."""
        return {"features": {"containerd-snapshotter": True}} if self.store else {}


#: The guests' Engine; every case runs on it.
OWN = Engine("26.1", archive.SUITES)

#: The oldest and the newest Engine in Debian, and the guests' Engine, with either image store.
ENGINES = {engine.name: engine for engine in (
    OWN,
    Engine("20.10", ("bookworm",)),
    Engine("26.1+store", archive.SUITES, store=True),
    Engine("newest", ("forky", "sid")),
    Engine("newest+store", ("forky", "sid"), store=True),
)}
