"""The story of a boot: steps in order, each something that must hold, on one machine.

A step is counted on its own. One that the rest stands on (`needed`) and that
fails ends the story: what was not reached has failed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .baking import Baker, Boot
from .boot import BootHost
from .errors import Failed, HarnessError
from .host import SIGTERM, Result

#: Where bake puts the program.
PROGRAM = "/usr/libexec/amazon-ecs-init"

DATA = "/var/lib/ecs/data"

#: How a user of the init asks for a reboot: by a command, or by a signal to process 1.
REBOOT: dict[str, list[str] | int] = {
    "systemd": ["/usr/bin/systemctl", "reboot"],
    "openrc": ["/sbin/shutdown", "-r", "now"],
    "runit": ["/sbin/init", "6"],
    "sysvinit": ["/sbin/shutdown", "-r", "now"],
    "busybox": ["/bin/busybox", "reboot"],
    # s6-svscan as process 1, and the static one.
    "s6": SIGTERM,
    "none": SIGTERM,
}


@dataclass
class Story:
    """What the steps share."""

    boot: Boot
    arch: str
    baker: Baker
    #: The tree that was baked, on this machine.
    tree: Path
    #: The machine, from the step on that boots it.
    host: BootHost = None
    #: Seconds from the machine's start, or its reset, to the agent's answer, for each boot.
    seconds: list[float] = field(default_factory=list)
    #: What steps leave for later ones.
    kept: dict = field(default_factory=dict)

    def agent_answers(self) -> bool:
        return self.answers("127.0.0.1:51678", "/v1/metadata")

    def answers(self, to: str, path: str) -> bool:
        """Whether a GET from inside the machine is answered with 200."""
        answer = self.host.get(to, path)
        return answer is not None and answer.status == 200

    def come_up(self) -> None:
        """Waits for the agent, and takes the time."""
        try:
            self.host.until("the agent answers on lo", self.agent_answers)
        except Failed as failed:
            # dockerd gives its containerd 15 seconds, which a busy machine's emulator can miss,
            # and some inits do not start it again.
            if not self.host.docker.answers():
                raise HarnessError(f"there was no dockerd for the agent: {failed}") from failed
            raise
        self.seconds.append(time.monotonic() - self.host.started)

    def supervisor(self) -> int | None:
        """The process that supervises, started by the init; the other verbs come and go."""
        found = [pid for pid, process in self.host.processes().items()
                 if process["exe"] == PROGRAM and supervises(process["argv"])]
        return min(found, default=None)

    def program(self, *words: str) -> Result:
        """ecs-init in the machine, with a PATH that leads nowhere."""
        return self.host.run([PROGRAM, *words], {"PATH": "/nonexistent"})

    def events(self) -> list[str]:
        path = f"{DATA}/agent-events"
        return self.host.text(path).splitlines() if self.host.exists(path) else []

    def starts(self) -> int:
        return sum(event.startswith("start ") for event in self.events())

    def reboot(self) -> None:
        how = REBOOT[self.boot.init]
        if isinstance(how, int):
            self.host.reboot(None, how)
        else:
            self.host.reboot(how, None)


def supervises(argv: list[str]) -> bool:
    """Whether ecs-init was started to stay: by its verb, or by the name `run`, with the service's
    name behind it (s6)."""
    return Path(argv[0]).name == "run" or argv[1:2] in (["run"], ["start"])


@dataclass(frozen=True)
class Step:
    name: str
    what: str
    body: Callable[[Story], None]
    #: Whether the rest stands on it.
    needed: bool
    #: Whether it is about the tree, on this machine, before there is another to boot it.
    on_tree: bool
    #: The inits that it is for; none for all.
    inits: tuple[str, ...]
    #: The forms that it is for; none for all.
    forms: tuple[str, ...]


STEPS: list[Step] = []


def step(*inits: str, needed: bool = False, on_tree: bool = False, forms: tuple[str, ...] = ()):
    """Registers a function as the story's next step; its docstring's first line says what must hold."""
    def register(body):
        name = body.__name__.strip("_").replace("_", "-")
        what = (body.__doc__ or "").strip().split("\n")[0]
        STEPS.append(Step(name, what, body, needed, on_tree, inits, forms))
        return body
    return register


def steps(boot: Boot) -> list[Step]:
    """The story of one boot."""
    return [s for s in STEPS if boot.init in (s.inits or [boot.init])
            and boot.form in (s.forms or [boot.form])]
