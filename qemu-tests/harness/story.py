"""The steps of a boot, in order, on one machine.

Each step counts as a test. If one that later steps depend on (`needed`) fails, those are not
run and count as failed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .baking import Baker, Boot
from .boot import BootHost
from .errors import Failed, HarnessError
from .host import SIGTERM, Result

#: Where bake installs the program.
PROGRAM = "/usr/libexec/amazon-ecs-init"

DATA = "/var/lib/ecs/data"

#: How to reboot with each init: a command, or a signal to process 1.
REBOOT: dict[str, list[str] | int] = {
    "systemd": ["/usr/bin/systemctl", "reboot"],
    "openrc": ["/sbin/shutdown", "-r", "now"],
    "runit": ["/sbin/init", "6"],
    "sysvinit": ["/sbin/shutdown", "-r", "now"],
    "busybox": ["/bin/busybox", "reboot"],
    # Process 1 is s6-svscan, or the static pid1 of the guest crate.
    "s6": SIGTERM,
    "none": SIGTERM,
}


@dataclass
class Story:
    """State that the steps share."""

    boot: Boot
    arch: str
    baker: Baker
    #: The tree that was baked, on this machine.
    tree: Path
    #: The machine, once it is booted.
    host: BootHost = None
    #: Seconds from the machine's start or reset until the agent answers, for each boot.
    seconds: list[float] = field(default_factory=list)
    #: Values for later steps.
    kept: dict = field(default_factory=dict)

    def agent_answers(self) -> bool:
        return self.answers("127.0.0.1:51678", "/v1/metadata")

    def answers(self, to: str, path: str) -> bool:
        """Whether a GET from inside the machine gets a 200."""
        answer = self.host.get(to, path)
        return answer is not None and answer.status == 200

    def wait_for_agent(self) -> None:
        """Waits until the agent answers, and records the time."""
        try:
            self.host.until("the agent answers on lo", self.agent_answers)
        except Failed as failed:
            # dockerd waits 15 s for its containerd, which can be too short on a busy machine, and
            # some inits do not restart it.
            if not self.host.docker.answers():
                raise HarnessError(f"dockerd did not start: {failed}") from failed
            raise
        self.seconds.append(time.monotonic() - self.host.started)

    def supervisor(self) -> int | None:
        """The PID of the supervisor; processes of short-lived commands are ignored."""
        found = [pid for pid, process in self.host.processes().items()
                 if process["exe"] == PROGRAM and supervises(process["argv"])]
        return min(found, default=None)

    def program(self, *words: str) -> Result:
        """Runs ecs-init in the machine with a PATH that names no directory."""
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
    """Whether the command line is that of a supervisor: its command is `run` or `start`, or s6 started
    it by the name `run`."""
    return Path(argv[0]).name == "run" or argv[1:2] in (["run"], ["start"])


@dataclass(frozen=True)
class Step:
    name: str
    what: str
    body: Callable[[Story], None]
    #: Whether later steps depend on it.
    needed: bool
    #: Whether it is about the tree, before the boot.
    on_tree: bool
    #: The inits that it applies to; empty for all.
    inits: tuple[str, ...]
    #: The installers that it applies to; empty for all.
    installers: tuple[str, ...]


STEPS: list[Step] = []


def step(*inits: str, needed: bool = False, on_tree: bool = False, installers: tuple[str, ...] = ()):
    """Registers a function as the next step; its docstring's first line is the requirement."""
    def register(body):
        name = body.__name__.strip("_").replace("_", "-")
        what = (body.__doc__ or "").strip().split("\n")[0]
        STEPS.append(Step(name, what, body, needed, on_tree, inits, installers))
        return body
    return register


def steps(boot: Boot, arch: str | None = None) -> list[Step]:
    """The steps that apply to a boot, on one architecture or on any."""
    return [s for s in STEPS if boot.init in (s.inits or [boot.init])
            and boot.installer in (s.installers or [boot.installer])
            and (s.on_tree or arch is None or boot.is_booted(arch))]
